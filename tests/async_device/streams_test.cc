// Streams through sy.h on a device that does everything later: whatever stream an op runs on,
// programs see results as if ops ran one by one. The device itself checks what the host promises
// (async.cc).
#include <gtest/gtest.h>

#include <array>
#include <barrier>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/abi/run_ops.h"

namespace {

constexpr char kPlugin[] = "tests/async_device/libsy_async.so";
constexpr int kStreams = 4;
using Ints = std::vector<int32_t>;

class Streams : public testing::Test {
 protected:
  void SetUp() override {
    sy_option_set("plugin_path", "");
    ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
    ASSERT_EQ(sy_device_find("async:0", &device_), SY_OK);
    for (SyStream*& s : streams_)
      ASSERT_EQ(sy_stream_create(device_, &s), SY_OK) << sy_last_message();
  }
  void TearDown() override {
    for (SyStream* s : streams_) sy_stream_release(s);
    EXPECT_EQ(sy_plugin_close("async"), SY_OK) << sy_last_message();
  }
  SyTensor* From(const Ints& values) {
    const int64_t shape[1] = {static_cast<int64_t>(values.size())};
    SyTensor* t = nullptr;
    EXPECT_EQ(sy_tensor_from_host(values.data(), shape, 1, SY_I32, "async:0", &t), SY_OK)
        << sy_last_message();
    return t;
  }
  // *out = op(a, b) on a stream; *out is written in place if it is there.
  SyStatus Binary(const char* op, SyTensor* a, SyTensor* b, SyStream* stream, SyTensor** out) {
    SyTensor* in[2] = {a, b};
    SyRun r = {};
    r.size = sizeof r;
    r.op = sy_op_find(op);
    r.in = in;
    r.in_count = 2;
    r.stream = stream;
    r.out = out;
    r.out_count = 1;
    return sy_run(&r);
  }
  Ints Read(SyTensor* t) {
    Ints values(static_cast<size_t>(sy_tensor_count(t)));
    EXPECT_EQ(
        sy_tensor_read(t, values.data(), static_cast<int64_t>(values.size() * sizeof(int32_t))),
        SY_OK)
        << sy_last_message();
    return values;
  }

  SyStatus RunGraph(uint32_t seed);

  const SyDevice* device_ = nullptr;
  std::array<SyStream*, kStreams> streams_ = {};
};

int32_t Wrapped(int op, int32_t a, int32_t b) {
  const auto x = static_cast<uint32_t>(a), y = static_cast<uint32_t>(b);
  return static_cast<int32_t>(op == 0 ? x + y : op == 1 ? x - y : x * y);
}

TEST_F(Streams, DeviceWorks) { sy_test::ExpectWorks("async:0"); }

// Ops on random tensors and streams. SY_OK: all results were those of the program's order. Else the
// first failure.
SyStatus Streams::RunGraph(uint32_t seed) {
  static const char* const kOps[] = {"add", "sub", "mul"};
  constexpr size_t kTensors = 12, kSize = 300;
  std::mt19937 random(seed);
  auto below = [&](size_t n) { return random() % n; };
  std::vector<Ints> want(kTensors, Ints(kSize));
  std::vector<sy_test::Owned> got;
  for (Ints& values : want) {
    for (int32_t& v : values) v = static_cast<int32_t>(random());
    got.emplace_back(From(values));
  }
  auto read = [&](size_t i) {
    Ints values(kSize);
    const SyStatus status =
        sy_tensor_read(got[i].get(), values.data(), static_cast<int64_t>(kSize * sizeof(int32_t)));
    EXPECT_TRUE(status != SY_OK || values == want[i]) << "tensor " << i;
    return status;
  };
  for (int step = 0; step < 400; ++step) {
    const size_t a = below(kTensors), b = below(kTensors), c = below(kTensors), op = below(3);
    SyStream* stream = streams_[below(kStreams)];
    Ints result(kSize);
    for (size_t i = 0; i < kSize; ++i)
      result[i] = Wrapped(static_cast<int>(op), want[a][i], want[b][i]);
    // Into a tensor that other streams may still use, or into new memory; the old goes back to the
    // pool while it may still be in use.
    SyTensor* out = below(2) ? got[c].get() : nullptr;
    if (SyStatus s = Binary(kOps[op], got[a].get(), got[b].get(), stream, &out)) return s;
    if (out != got[c].get()) got[c].reset(out);
    want[c] = result;
    SyStatus status = SY_OK;
    if (below(40) == 0) status = read(c);
    if (status == SY_OK && below(60) == 0) status = sy_stream_synchronize(stream);
    if (status == SY_OK && below(100) == 0) status = sy_device_trim(device_);
    if (status != SY_OK || HasFailure()) return status;
  }
  for (size_t i = 0; i < kTensors; ++i)
    if (SyStatus s = read(i)) return s;
  return sy_synchronize(device_);
}

TEST_F(Streams, RandomGraphsGiveTheOrderOfTheProgram) {
  for (uint32_t seed = 0; seed < 8; ++seed) {
    SCOPED_TRACE(seed);
    ASSERT_EQ(RunGraph(seed), SY_OK) << sy_last_message();
  }
}

TEST_F(Streams, ThreadsWaitForOneAnother) {
  constexpr int kRounds = 60, kSize = 100;
  std::array<std::array<SyTensor*, kStreams>, 2> t = {};
  std::array<Ints, kStreams> want;
  for (int i = 0; i < kStreams; ++i) {
    want[static_cast<size_t>(i)] = Ints(kSize, i + 1);
    t[0][static_cast<size_t>(i)] = From(want[static_cast<size_t>(i)]);
    t[1][static_cast<size_t>(i)] = From(want[static_cast<size_t>(i)]);
  }
  std::barrier round_end(kStreams);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < kStreams; ++i)
    threads.emplace_back([&, i] {
      EXPECT_EQ(sy_stream_set_current(device_, streams_[i]), SY_OK);
      for (size_t round = 0; round < kRounds; ++round) {
        // Each reads what two streams wrote and writes what the others read in the round before.
        const auto& from = t[round % 2];
        EXPECT_EQ(Binary("add", from[i], from[(i + 1) % kStreams], nullptr, &t[(round + 1) % 2][i]),
                  SY_OK)
            << sy_last_message();
        round_end.arrive_and_wait();
      }
      EXPECT_EQ(sy_stream_set_current(device_, nullptr), SY_OK);
    });
  for (std::thread& thread : threads) thread.join();
  for (int round = 0; round < kRounds; ++round) {
    const std::array<Ints, kStreams> before = want;
    for (size_t i = 0; i < kStreams; ++i)
      for (size_t k = 0; k < kSize; ++k)
        want[i][k] = Wrapped(0, before[i][k], before[(i + 1) % kStreams][k]);
  }
  for (size_t i = 0; i < kStreams; ++i) {
    EXPECT_EQ(Read(t[kRounds % 2][i]), want[i]);
    sy_tensor_release(t[0][i]);
    sy_tensor_release(t[1][i]);
  }
}

TEST_F(Streams, ReleasedWhileInUse) {
  // Only the device knows that the memory is still wanted.
  SyTensor* sum = From(Ints(1000, 0));
  for (int i = 1; i <= 200; ++i) {
    SyTensor* one = From(Ints(1000, i));
    ASSERT_EQ(Binary("add", sum, one, streams_[static_cast<size_t>(i) % kStreams], &sum), SY_OK)
        << sy_last_message();
    sy_tensor_release(one);
  }
  EXPECT_EQ(Read(sum), Ints(1000, 200 * 201 / 2));
  sy_tensor_release(sum);
}

TEST_F(Streams, BadIndexSurfacesAtTheNextWait) {
  SyTensor* x = From({10, 20, 30});
  const int64_t indices[2] = {1, 7}, shape[1] = {2};
  SyTensor* index = nullptr;
  ASSERT_EQ(sy_tensor_from_host(indices, shape, 1, SY_I64, "async:0", &index), SY_OK)
      << sy_last_message();
  const int64_t dim = 0;
  SyTensor* y = sy_test::Run("gather", {x, index}, &dim, sizeof dim);
  ASSERT_NE(y, nullptr);
  EXPECT_EQ(sy_synchronize(device_), SY_OUT_OF_RANGE);
  const std::string text = sy_last_message();
  EXPECT_NE(text.find("index 7 at position 1"), std::string::npos) << text;
  EXPECT_EQ(sy_synchronize(device_), SY_OK) << sy_last_message();  // reported once
  EXPECT_EQ(Read(y), (Ints{20, 0}));
  sy_tensor_release(x);
  sy_tensor_release(y);
  sy_tensor_release(index);
}

TEST_F(Streams, HostDoesNotSeeItsMemory) {
  SyTensor* x = From({1});
  void* data = nullptr;
  EXPECT_EQ(sy_tensor_data(x, &data), SY_FAILED_PRECONDITION);
  EXPECT_EQ(data, nullptr);
  sy_tensor_release(x);
}

TEST_F(Streams, NoF64) {
  const double value = 1;
  SyTensor* x = nullptr;
  EXPECT_NE(sy_tensor_from_host(&value, nullptr, 0, SY_F64, "async:0", &x), SY_OK);
  EXPECT_EQ(x, nullptr);
  const std::string text = sy_last_message();
  EXPECT_NE(text.find("f64"), std::string::npos) << text;
}

// A kernel fails somewhere in the graph.
class StreamsWithAnError : public Streams, public testing::WithParamInterface<int> {
 protected:
  void SetUp() override {
    ASSERT_EQ(sy_option_set("async.fail_at", std::to_string(GetParam()).c_str()), SY_OK);
    Streams::SetUp();
  }
  void TearDown() override {
    Streams::TearDown();
    sy_option_set("async.fail_at", "0");
  }
};

TEST_P(StreamsWithAnError, TellItAndGoOn) {
  EXPECT_EQ(RunGraph(static_cast<uint32_t>(GetParam())), SY_INTERNAL);
  const std::string text = sy_last_message();
  EXPECT_NE(text.find("kernel " + std::to_string(GetParam()) + " fails"), std::string::npos)
      << text;
  sy_synchronize(device_);  // every stream that heard of it tells it once
  EXPECT_EQ(sy_synchronize(device_), SY_OK) << sy_last_message();
  EXPECT_EQ(RunGraph(1), SY_OK) << sy_last_message();
}
INSTANTIATE_TEST_SUITE_P(AtKernel, StreamsWithAnError,
                         testing::Values(1, 2, 17, 60, 111, 200, 305, 399),
                         testing::PrintToStringParamName());

TEST(StreamErrors, StickUntilTheyAreReported) {
  sy_option_set("plugin_path", "");
  ASSERT_EQ(sy_option_set("async.fail_at", "3"), SY_OK) << sy_last_message();
  ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
  const SyDevice* device = nullptr;
  ASSERT_EQ(sy_device_find("async:0", &device), SY_OK);
  SyTensor* x = sy_test::Tensor({1, -2}, {2}, "async:0");
  SyTensor* y[4];
  for (SyTensor*& t : y) t = sy_test::Run("relu", {x});
  EXPECT_EQ(sy_synchronize(device), SY_INTERNAL);
  const std::string text = sy_last_message();
  EXPECT_NE(text.find("async: kernel 3 fails, as option fail_at asks"), std::string::npos) << text;
  EXPECT_EQ(text.find('\n'), std::string::npos);
  // Once reported it is over; the stream works again.
  EXPECT_EQ(sy_synchronize(device), SY_OK) << sy_last_message();
  SyTensor* z = sy_test::Run("relu", {x});
  EXPECT_EQ(sy_test::Read(z), (std::vector<float>{1, 0}));
  for (SyTensor* t : y) sy_tensor_release(t);
  sy_tensor_release(z);
  sy_tensor_release(x);
  EXPECT_EQ(sy_plugin_close("async"), SY_OK) << sy_last_message();
  ASSERT_EQ(sy_option_set("async.fail_at", "0"), SY_OK) << sy_last_message();
}

// A thread whose stream begins anew because of another thread's error has read what it asked for,
// or hears of the error.
TEST(StreamErrors, EndTheReadsOfOtherThreadsLoudly) {
  sy_option_set("plugin_path", "");
  ASSERT_EQ(sy_option_set("async.fail_at", "1"), SY_OK) << sy_last_message();
  int all_told = 0;
  for (int round = 0; round < 300; ++round) {
    ASSERT_EQ(sy_plugin_load(kPlugin), SY_OK) << sy_last_message();
    const SyDevice* device = nullptr;
    ASSERT_EQ(sy_device_find("async:0", &device), SY_OK);
    SyTensor* x = sy_test::Tensor({1, -2}, {2}, "async:0");
    ASSERT_EQ(sy_synchronize(device), SY_OK) << sy_last_message();
    std::barrier begin(2);
    int told = 0;
    std::thread reader([&] {
      begin.arrive_and_wait();
      for (int i = 0; i < 3; ++i) {
        float values[2] = {7, 7};
        const SyStatus status = sy_tensor_read(x, values, sizeof values);
        told += status != SY_OK;
        if (status == SY_OK) {
          EXPECT_EQ(values[0], 1);
          EXPECT_EQ(values[1], -2);
        } else {
          EXPECT_NE(std::string(sy_last_message()).find("kernel 1 fails"), std::string::npos)
              << sy_last_message();
        }
      }
    });
    begin.arrive_and_wait();
    SyTensor* y = sy_test::Run("relu", {x});
    const SyStatus failed = sy_synchronize(device);
    reader.join();
    EXPECT_TRUE(failed != SY_OK || told > 0);
    all_told += told;
    sy_tensor_release(x);
    sy_tensor_release(y);
    EXPECT_EQ(sy_plugin_close("async"), SY_OK) << sy_last_message();
  }
  std::printf("%d reads were told\n", all_told);
  ASSERT_EQ(sy_option_set("async.fail_at", "0"), SY_OK) << sy_last_message();
}

}  // namespace
