// SY_POOL=off, set by the BUILD file: each tensor's memory is an allocation of the plugin's own, so
// that tools which look at allocations see each tensor.
#include "tests/devices/devices.h"

namespace {

using sy::Tensor;

class Unpooled : public devices::Each {};

TEST_P(Unpooled, EachTensorIsAnAllocationOfItsSize) {
  { const Tensor first = sy::zeros({1}, {.device = device()}); }  // the stream has memory, too
  sy::synchronize(device());
  const SyMemoryReport before = devices::Memory(device());
  {
    const Tensor a = sy::zeros({3}, {.device = device()}), b = sy::zeros({3}, {.device = device()}),
                 c = sy::zeros({1000, 1000}, {.device = device()});
    const SyMemoryReport during = devices::Memory(device());
    EXPECT_EQ(during.allocations, before.allocations + 3);
    EXPECT_EQ(during.live_bytes, before.live_bytes + 12 + 12 + 4'000'000);
  }
  sy::synchronize(device());
  { const Tensor last = sy::zeros({1}, {.device = device()}); }  // frees what is no longer in use
  sy::synchronize(device());
  { const Tensor last = sy::zeros({1}, {.device = device()}); }
  const SyMemoryReport after = devices::Memory(device());
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  EXPECT_LE(after.pooled_bytes, before.pooled_bytes + 4) << "only the last tensor is kept";
}

TEST_P(Unpooled, WorksWithQueuedWorkAndManyTensors) {
  Tensor x = sy::zeros({1000}, {.device = device()});
  for (int i = 0; i < 300; ++i) x = x + 1;
  EXPECT_EQ(x.to_vector<float>(), std::vector<float>(1000, 300));
  devices::ExpectWorks(device());
}

INSTANTIATE_TEST_SUITE_P(, Unpooled, testing::ValuesIn(devices::kAll), devices::Kind());

}  // namespace
