// What a program may rely on whatever device it runs on: tensors move anywhere and come back with
// the same bits, one seed gives the same numbers everywhere, mistakes are told in one line.
#include <chrono>
#include <fstream>
#include <tuple>

#include "tests/devices/devices.h"

namespace {

using devices::ExpectText;
using devices::FailureOf;
using sy::Tensor;

bool IsMapped(const std::string& library) {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line))
    if (line.find(library) != std::string::npos) return true;
  return false;
}

// Has to be the first: it looks at a process that has named no GPU yet.
TEST(AAOnDemand, NothingIsLoadedBeforeItsKindIsAskedFor) {
  EXPECT_EQ(sum(sy::ones({3})).item<double>(), 3);
  for (int32_t i = 0; i < sy_plugin_count(); ++i) {
    SyPluginReport report{};
    report.size = sizeof report;
    ASSERT_EQ(sy_plugin_report(i, &report), SY_OK);
    for (const char* device : devices::kGpus)
      EXPECT_NE(std::string(report.name), devices::KindOf(device));
  }
  const std::vector<std::array<std::string, 3>> libraries = {
      {"opencl", "libsy_opencl.so", "libOpenCL.so"},
      {"vulkan", "libsy_vulkan.so", "libvulkan.so"},
      {"cuda", "libsy_cuda.so", "libsoft_cuda.so"}};
  for (size_t asked = 0; asked <= libraries.size(); ++asked) {
    for (size_t i = 0; i < libraries.size(); ++i) {
      EXPECT_EQ(IsMapped(libraries[i][1]), i < asked) << libraries[i][1];
      EXPECT_EQ(IsMapped(libraries[i][2]), i < asked) << libraries[i][2];
    }
    if (asked < libraries.size()) sy::Device device(libraries[asked][0]);
  }
}

TEST(Devices, AnUnknownNameSaysWhatThereIs) {
  auto failure = FailureOf([] { sy::Device device("vulcan:0"); });
  EXPECT_EQ(failure.code, SY_NOT_FOUND);
  ExpectText(failure.text, {"no device vulcan:0", "did you mean vulkan:0?", "cpu:0", "opencl:0",
                            "vulkan:0", "cuda:0", "cuda:1"});
  failure = FailureOf([] { sy::Device device("opencl:7"); });
  EXPECT_EQ(failure.code, SY_NOT_FOUND);
  ExpectText(failure.text, {"no device opencl:7", "there are", "opencl:0"});
}

TEST(Devices, TimeStampsOfTwoHaveNothingInCommon) {
  const sy::Timestamp here{sy::Device("cpu:0")}, there{sy::Device("opencl:0")};
  const auto failure = FailureOf([&] { there.seconds_since(here); });
  EXPECT_EQ(failure.code, SY_INVALID_ARGUMENT);
  EXPECT_EQ(failure.text,
            "sy_timestamp_elapsed: time stamps of cpu:0 and of opencl:0; want two of one device");
}

class Behaviour : public devices::Each {};

TEST_P(Behaviour, EveryDtypeComesBackWithTheSameBits) {
  const std::vector<uint8_t> pattern = [] {
    std::vector<uint8_t> p(8 * 1031);
    for (size_t i = 0; i < p.size(); ++i) p[i] = static_cast<uint8_t>(i * 167 + i / 251);
    return p;
  }();
  for (const sy::Dtype dtype : {sy::f16, sy::bf16, sy::f32, sy::f64, sy::i8, sy::i16, sy::i32,
                                sy::i64, sy::u8, sy::u16, sy::u32, sy::u64, sy::bool_}) {
    SCOPED_TRACE(sy::name(dtype));
    std::vector<uint8_t> bytes(pattern.begin(),
                               pattern.begin() + SY_DTYPE_BYTES(dtype.code) * 1031);
    if (dtype == sy::bool_)
      for (uint8_t& b : bytes) b &= 1;
    const Tensor there = devices::From(bytes, dtype, {1031}, "cpu").to(sy::Device(device()));
    EXPECT_EQ(there.device().name(), device());
    EXPECT_EQ(there.dtype(), dtype);
    EXPECT_EQ(devices::Bytes(there.to(sy::Device("cpu"))), bytes);
    EXPECT_EQ(devices::Bytes(there), bytes);
  }
}

TEST_P(Behaviour, OneSeedGivesTheSameNumbersAsTheCpu) {
  auto draw = [](const std::string& where) {
    sy::manual_seed(20);
    const sy::TensorOptions words = {.dtype = sy::u32, .device = where}, f32 = {.device = where},
                            f64 = {.dtype = sy::f64, .device = where};
    return std::vector<Tensor>{sy::random_bits({1001}, words),
                               sy::rand({13, 77}, f32),
                               sy::rand({13, 77}, f64),
                               sy::randint(-5, 900, {503}, {.device = where}),
                               sy::randperm(100, {.device = where}),
                               sy::randn({4099}, f32),
                               sy::randn({515}, f64)};
  };
  const std::vector<Tensor> want = draw("cpu:0"), got = draw(device());
  const size_t normal = want.size() - 2;
  for (size_t i = 0; i < normal; ++i)
    EXPECT_EQ(devices::Bytes(got[i]), devices::Bytes(want[i])) << "draw " << i;
  for (size_t i = normal; i < want.size(); ++i) {
    const bool wide = want[i].dtype() == sy::f64;
    const std::vector<double> a = got[i].to_vector<double>(), b = want[i].to_vector<double>();
    for (size_t k = 0; k < a.size(); ++k) {
      // sqrt(-2 log u) cos(2 pi v): the cosine's own error where it is near 0 counts as absolute.
      const double unit = wide ? 0x1p-52 : 0x1p-23;
      ASSERT_LE(std::abs(a[k] - b[k]), 8 * unit * std::max(std::abs(b[k]), 0.5)) << k;
    }
  }
}

// Rows too long for one pass, kept axes on either side.
TEST_P(Behaviour, LongRowsReduceAsOnTheCpu) {
  const Tensor x = sy::arange(3 * 9001 * 2., {.device = "cpu"});
  const Tensor host = fmod(x * 7919, Tensor(10007.)), there = host.to(sy::Device(device()));
  for (const sy::Ints& shape : {sy::Ints{6, 9001}, sy::Ints{9001, 6}, sy::Ints{3, 9001, 2}}) {
    const int64_t dim = shape.size() == 3 || shape[0] == 6;
    const Tensor a = reshape(host, shape), b = reshape(there, shape);
    EXPECT_EQ(sum(b.to(sy::i64), {dim}).to_vector<int64_t>(),
              sum(a.to(sy::i64), {dim}).to_vector<int64_t>());
    EXPECT_EQ(amax(b, {dim}).to_vector<float>(), amax(a, {dim}).to_vector<float>());
    EXPECT_EQ(argmin(b, dim).to_vector<int64_t>(), argmin(a, dim).to_vector<int64_t>());
  }
}

// Beside the host's clock, which runs from before the first to behind the wait for the last.
TEST_P(Behaviour, TimeStampsMeasureTheDevice) {
  const sy::Device there(device());
  const Tensor x = sy::ones({1 << 18}, {.device = there});
  auto work = [&](int times) {
    Tensor y = x;
    for (int i = 0; i < times; ++i) y = sin(y);
    return y;
  };
  const Tensor want = work(300);
  sy::synchronize(there);
  const auto begin = std::chrono::steady_clock::now();
  const sy::Timestamp first(there);
  const Tensor got = work(300);
  const sy::Timestamp second(there);
  const Tensor few = work(3);
  const sy::Timestamp third(there);
  const double all = third.seconds_since(first);
  const std::chrono::duration<double> host = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(all, host.count() * 1.001 + 1e-5);
  EXPECT_GE(all, host.count() / 2);
  const double many = second.seconds_since(first);
  EXPECT_GT(many, 10 * third.seconds_since(second));
  EXPECT_NEAR(many + third.seconds_since(second), all, 2e-6 * all + 2e-6);
  EXPECT_DOUBLE_EQ(first.seconds_since(third), -all);
  EXPECT_EQ(devices::Bytes(got), devices::Bytes(want));
}

TEST_P(Behaviour, TimeStampsOfTwoStreamsShareAClock) {
  const sy::Device there(device());
  const sy::Timestamp first(there);
  sy::synchronize(there);
  SyStream* stream = nullptr;
  ASSERT_EQ(sy_stream_create(there.handle(), &stream), SY_OK) << sy_last_message();
  ASSERT_EQ(sy_stream_set_current(there.handle(), stream), SY_OK);
  const Tensor x = sin(sy::ones({1000}, {.device = there}));
  const sy::Timestamp second(there);
  EXPECT_EQ(sy_stream_set_current(there.handle(), nullptr), SY_OK);
  EXPECT_GT(second.seconds_since(first), 0);
  sy_stream_release(stream);
}

// However many items a device gives to a line. Sums of these depend on their order.
TEST_P(Behaviour, ScatterBringsElementsTogetherInOrder) {
  constexpr int64_t kLength = 5000, kSize = 777;
  for (const int64_t lines : {1, 3}) {
    std::vector<int64_t> index;
    std::vector<float> source, sums(static_cast<size_t>(lines * kSize)), last = sums;
    for (int64_t i = 0; i < lines * kLength; ++i) {
      const int64_t to = i * i % 997 % kSize;
      index.push_back(i % 2 ? to : to - kSize);
      source.push_back(static_cast<float>((i % 7 - 3) * (1 + i % 1013)) * 1.1e-3f);
      const auto at = static_cast<size_t>(i / kLength * kSize + to);
      sums[at] += source.back();
      last[at] = source.back();
    }
    const sy::Ints shape = {lines, kLength};
    const Tensor to = sy::zeros({lines, kSize}, {.device = device()}),
                 from = devices::From(source, sy::f32, shape, device());
    auto places = [&] { return devices::From(index, sy::i64, shape, device()); };
    EXPECT_EQ(scatter(to, places(), from, 1, "add").to_vector<float>(), sums);
    EXPECT_EQ(scatter(to, places(), from, 1).to_vector<float>(), last);
    index[4321] = kSize;
    const auto failure = FailureOf([&] {
      const Tensor y = scatter(to, places(), from, 1);
      sy::synchronize(sy::Device(device()));
    });
    EXPECT_EQ(failure.code, SY_OUT_OF_RANGE);
    ExpectText(failure.text, {"index 777 at position 4321"});
  }
}

TEST_P(Behaviour, MemoryIsCounted) {
  constexpr int64_t kBytes = 3 << 20;
  sy::synchronize();
  const SyMemoryReport before = devices::Memory(device());
  {
    const Tensor x = sy::zeros({kBytes / 4}, {.device = device()});
    const SyMemoryReport during = devices::Memory(device());
    EXPECT_GE(during.live_bytes, before.live_bytes + kBytes);
    EXPECT_LT(during.live_bytes, before.live_bytes + kBytes + 65536);
    EXPECT_GE(during.peak_bytes, during.live_bytes);
    EXPECT_GT(during.device_total_bytes, 100u << 20);
    EXPECT_GT(during.device_free_bytes, 0u);
    EXPECT_LE(during.device_free_bytes, during.device_total_bytes - kBytes);
  }
  const SyMemoryReport after = devices::Memory(device());
  EXPECT_EQ(after.live_bytes, before.live_bytes);
  EXPECT_GE(after.pooled_bytes, static_cast<uint64_t>(kBytes));
  { const Tensor again = sy::zeros({kBytes / 4}, {.device = device()}); }
  EXPECT_EQ(devices::Memory(device()).allocations, after.allocations) << "not from the pool";
  ASSERT_EQ(sy_device_trim(sy::Device(device()).handle()), SY_OK) << sy_last_message();
  EXPECT_LE(devices::Memory(device()).pooled_bytes, after.pooled_bytes - kBytes);
}

TEST_P(Behaviour, SynchroniseWaitsForAllThatIsQueued) {
  Tensor x = sy::zeros({1 << 16}, {.device = device()});
  for (int i = 0; i < 200; ++i) x += 1;
  sy::synchronize(device());
  sy::synchronize();
  EXPECT_EQ(devices::FailureOf([] { sy::synchronize(); }).code, SY_OK);
  EXPECT_EQ(sum(x).item<double>(), 200. * (1 << 16));
}

TEST_P(Behaviour, ABadIndexSurfacesAtTheNextWait) {
  const Tensor x = sy::from({10.f, 20.f, 30.f}, {.device = device()});
  const Tensor index = sy::from({int64_t{1}, int64_t{7}}, {.device = device()});
  auto failure = FailureOf([&] {
    const Tensor y = gather(x, index);
    sy::synchronize(device());
  });
  EXPECT_EQ(failure.code, SY_OUT_OF_RANGE);
  ExpectText(failure.text, {"gather: index 7 at position 1", "want -3 to 2", device()});
  sy::synchronize(device());  // told once
  EXPECT_EQ(sum(x).item<double>(), 60);
  failure = FailureOf([&] { gather(x, index).to_vector<float>(); });
  EXPECT_EQ(failure.code, SY_OUT_OF_RANGE) << "reading is a wait, too";
}

TEST_P(Behaviour, WithSyncTheBadOpItselfFails) {
  const Tensor x = sy::from({10.f, 20.f, 30.f}, {.device = device()});
  const Tensor index = sy::from({int64_t{-4}}, {.device = device()});
  ASSERT_EQ(sy_option_set("sync", "1"), SY_OK);  // SY_SYNC=1
  const auto failure = FailureOf([&] { gather(x, index); });
  ASSERT_EQ(sy_option_set("sync", "0"), SY_OK);
  EXPECT_EQ(failure.code, SY_OUT_OF_RANGE);
  ExpectText(failure.text, {"gather: index -4 at position 0", device()});
  sy::synchronize(device());
}

INSTANTIATE_TEST_SUITE_P(Of, Behaviour, testing::ValuesIn(devices::kAll), devices::Kind());

class Pair : public testing::TestWithParam<std::tuple<const char*, const char*>> {
 protected:
  std::string from() const { return std::get<0>(GetParam()); }
  std::string to() const { return std::get<1>(GetParam()); }
};

TEST_P(Pair, CopiesDenseAndStrided) {
  const Tensor whole = reshape(sy::arange(6 * 35 * 9., {.device = from()}), {6, 35, 9});
  auto expect_same = [&](const Tensor& x) {
    const Tensor y = x.to(sy::Device(to()));
    EXPECT_EQ(y.device().name(), to());
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_EQ(y.to_vector<float>(), x.to_vector<float>());
  };
  expect_same(whole);
  expect_same(whole.t());
  expect_same(permute(whole, {2, 0, 1}));
  expect_same(slice(whole, {.dim = 1, .start = 3, .end = 30, .step = 4}));
  expect_same(flip(whole, {0, 2}));
  expect_same(expand(slice(whole, {.dim = 2, .start = 4, .end = 5}), {6, 35, 5}));
  expect_same(slice(whole, {.dim = 0, .end = 0}));
}

TEST_P(Pair, AnOpOnBothNamesBothAndHowToMove) {
  if (from() == to()) return;  // one device
  const Tensor a = sy::ones({2, 3}, {.device = from()}), b = sy::ones({2, 3}, {.device = to()});
  const auto failure = FailureOf([&] { a + b; });
  EXPECT_EQ(failure.code, SY_INVALID_ARGUMENT);
  ExpectText(failure.text, {"add: inputs on different devices", "f32[2,3]@" + from(),
                            "f32[2,3]@" + to(), "x.to(\"" + from() + "\")"});
  EXPECT_EQ(sum(a + b.to(sy::Device(from()))).item<double>(), 12);
}

INSTANTIATE_TEST_SUITE_P(Of, Pair,
                         testing::Combine(testing::ValuesIn(devices::kAll),
                                          testing::ValuesIn(devices::kAll)),
                         [](const auto& info) {
                           return devices::KindOf(std::get<0>(info.param)) + "_to_" +
                                  devices::KindOf(std::get<1>(info.param));
                         });

// Two devices of one plugin. What is queued before the copy is in it, what is queued later is not.
TEST(Peers, CopyWithoutTheHostAndInOrder) {
  const auto peer_copies = [] {
    return devices::Entry<long long(const char*)>("tests/soft_cuda/libsoft_cuda.so",
                                                  "soft_cuda_get")("peer_copies");
  };
  Tensor x = sy::zeros({100, 300}, {.device = "cuda:0"});
  std::vector<Tensor> there;
  const long long before = peer_copies();
  for (int i = 0; i < 20; ++i) {
    x += 1;
    there.push_back(x.to(sy::Device("cuda:1")) * 2);
  }
  there.push_back(x.t().to(sy::Device("cuda:1")) + 0);
  x.fill(-1);
  EXPECT_EQ(peer_copies(), before + 21);
  for (size_t i = 0; i < 21; ++i) {
    EXPECT_EQ(there[i].device().name(), "cuda:1");
    EXPECT_EQ(there[i].to_vector<float>(),
              std::vector<float>(30000, i < 20 ? 2 * (static_cast<float>(i) + 1) : 20));
  }
  // And back, over a tensor that is still read there.
  Tensor y = sy::zeros({100, 300}, {.device = "cuda:0"});
  for (const Tensor& t : there)
    if (t.shape() == y.shape()) y += t.to(sy::Device("cuda:0"));
  EXPECT_EQ(y.to_vector<float>(), std::vector<float>(30000, 20 * 21));
}

}  // namespace
