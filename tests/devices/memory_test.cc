// Tensors beyond 256 MiB: counts and offsets that need care, and on llvmpipe Vulkan's wide kernels,
// since a binding of it spans 128 MiB at most. Values are known in closed form, so that no second
// device is needed to compare with.
#include "tests/devices/devices.h"

namespace {

using sy::Tensor;

constexpr int64_t kRows = 4800, kColumns = 16384, kCount = kRows * kColumns;  // 300 MiB of f32
static_assert(kCount * 4 == int64_t{300} << 20);

class Memory : public devices::Each {};

TEST_P(Memory, A300MiBTensorWorks) {
  constexpr int64_t kPeriod = 1021;  // a prime: a misplaced block shows
  std::vector<float> host(kCount);
  for (int64_t i = 0; i < kCount; ++i)
    host[static_cast<size_t>(i)] = static_cast<float>(i % kPeriod);
  Tensor x = devices::From(host, sy::f32, {kRows, kColumns}, device());
  EXPECT_GE(devices::Memory(device()).live_bytes, uint64_t{300} << 20);

  // By rows: the sum of kColumns numbers that count up modulo kPeriod, exact in f32 only if it is
  // small, so that the average is looked at.
  auto value = [&](int64_t row, int64_t column) { return (row * kColumns + column) % kPeriod; };
  const std::vector<double> sums = sum(x, {1}).to_vector<double>();
  for (int64_t row : {int64_t{0}, int64_t{1}, int64_t{2047}, int64_t{2048}, kRows - 1}) {
    double want = 0;
    for (int64_t c = 0; c < kColumns; ++c) want += static_cast<double>(value(row, c));
    EXPECT_NEAR(sums[static_cast<size_t>(row)], want, 1e-6 * want) << "row " << row;
  }

  // Few long rows: more than one pass over what the pass before has left.
  const std::vector<double> long_sums = sum(reshape(x, {4, -1}), {1}).to_vector<double>();
  for (size_t part = 0; part < 4; ++part) {
    double want = 0;
    for (int64_t i = 0; i < kCount / 4; ++i)
      want += static_cast<double>((static_cast<int64_t>(part) * (kCount / 4) + i) % kPeriod);
    EXPECT_NEAR(long_sums[part], want, 1e-6 * want);
  }

  // Slices that begin in front of, on and behind the 128 MiB that a narrow binding holds, and one
  // that spans all: (a b)[i, j] = sum over k of a[i, k] as b is all ones.
  const Tensor one = sy::ones({64, 8}, {.device = device()});
  for (int64_t row : {int64_t{0}, int64_t{2040}, int64_t{4790}}) {
    const Tensor a = slice(slice(x, {.dim = 0, .start = row, .end = row + 9}),
                           {.dim = 1, .start = 100, .end = 164});
    const std::vector<float> y = matmul(a, one).to_vector<float>();
    for (int64_t i = 0; i < 9; ++i) {
      int64_t want = 0;
      for (int64_t c = 100; c < 164; ++c) want += value(row + i, c);
      for (int64_t j = 0; j < 8; ++j)
        ASSERT_EQ(y[static_cast<size_t>(i * 8 + j)], static_cast<float>(want)) << row + i;
    }
  }
  {
    const Tensor a = slice(slice(x, {.dim = 0, .step = 600}), {.dim = 1, .start = 8, .end = 72});
    const std::vector<float> y = matmul(a, one).to_vector<float>();
    for (int64_t i = 0; i < kRows / 600; ++i) {
      int64_t want = 0;
      for (int64_t c = 8; c < 72; ++c) want += value(600 * i, c);
      ASSERT_EQ(y[static_cast<size_t>(i * 8)], static_cast<float>(want)) << i;
    }
  }

  x += 1;  // in place: a second tensor of this size is not what is tested
  ASSERT_EQ(sy_tensor_read(x.handle(), host.data(), kCount * 4), SY_OK) << sy_last_message();
  int64_t wrong = 0;
  for (int64_t i = 0; i < kCount; ++i)
    wrong += host[static_cast<size_t>(i)] != static_cast<float>(i % kPeriod + 1);
  EXPECT_EQ(wrong, 0);

  x = Tensor();
  ASSERT_EQ(sy_device_trim(sy::Device(device()).handle()), SY_OK) << sy_last_message();
}

// The largest that fits the device must be told from what does not.
TEST_P(Memory, WhatIsTooLargeIsRefusedInOneLine) {
  const auto failure = devices::FailureOf(
      [&] { sy::empty({int64_t{1} << 44}, {.dtype = sy::f32, .device = device()}); });
  EXPECT_EQ(failure.code, SY_RESOURCE_EXHAUSTED);
  devices::ExpectText(failure.text, {device(), std::to_string(int64_t{1} << 46)});
  devices::ExpectWorks(device());
}

INSTANTIATE_TEST_SUITE_P(Of, Memory, testing::ValuesIn(devices::kAll), devices::Kind());

}  // namespace
