#include "switchyard/data/data.h"

#include <algorithm>
#include <atomic>
#include <set>

#include "switchyard/front_end_testing.h"

namespace {

using sy::Tensor;
namespace data = sy::data;

using Batches = std::vector<std::vector<int64_t>>;

auto Numbers(int64_t n) {
  return data::TensorDataset(sy::arange(n, {.dtype = sy::i64}),
                             10 * sy::arange(n, {.dtype = sy::i64}));
}

// One item at a time, through get().
struct Slow {
  int64_t n = 0, bad = -1;
  std::atomic<int64_t>* reads = nullptr;
  int64_t size() const { return n; }
  std::pair<Tensor, Tensor> get(int64_t i) const {
    if (reads) ++*reads;
    if (i == bad) throw std::runtime_error("the disk is on fire");
    return {sy::full({2}, static_cast<double>(i)),
            sy::from(std::vector<int64_t>{i}, {}).to(sy::i64)};
  }
};

template <class Loader>
Batches Epoch(Loader& loader) {
  Batches all;
  for (const auto& [x, y] : loader) all.push_back(x.template to_vector<int64_t>());
  return all;
}

TEST(Loader, CutsBatchesInOrder) {
  data::Loader loader(Numbers(7), {.batch = 3});
  EXPECT_EQ(loader.batches(), 3);
  EXPECT_EQ(Epoch(loader), (Batches{{0, 1, 2}, {3, 4, 5}, {6}}));
  data::Loader dropped(Numbers(7), {.batch = 3, .drop_last = true});
  EXPECT_EQ(Epoch(dropped), (Batches{{0, 1, 2}, {3, 4, 5}}));
  for (const auto& [x, y] : loader)
    EXPECT_EQ((10 * x).to_vector<int64_t>(), y.to_vector<int64_t>());
}

// A checkpoint of one version must resume on the next, and on every standard library. The numbers
// come from a second implementation of SplitMix64 and Fisher-Yates, in Python.
TEST(Shuffle, IsTheSameEverywhereAndForever) {
  data::SplitMix64 random(0);
  std::vector<uint64_t> below;
  for (int i = 0; i < 1000; ++i) below.push_back(random.Below(10));
  for (uint64_t digit = 0; digit < 10; ++digit)
    EXPECT_NEAR(static_cast<double>(std::count(below.begin(), below.end(), digit)), 100, 40);
  EXPECT_EQ(data::Permutation(10, 0), (std::vector<int64_t>{0, 1, 7, 2, 5, 4, 9, 3, 8, 6}));
  EXPECT_EQ(data::Permutation(10, 0, 1), (std::vector<int64_t>{6, 3, 5, 1, 9, 0, 4, 7, 2, 8}));
  EXPECT_EQ(data::Permutation(10, 1), (std::vector<int64_t>{1, 9, 6, 5, 7, 4, 3, 2, 8, 0}));
}

TEST(Loader, GivesOneOrderForAnyNumberOfWorkers) {
  data::Loader reference(Numbers(103), {.batch = 8, .shuffle = true, .seed = 5});
  const Batches first = Epoch(reference), second = Epoch(reference);
  EXPECT_NE(first, second);
  std::vector<int64_t> all;
  for (const auto& batch : first) all.insert(all.end(), batch.begin(), batch.end());
  std::sort(all.begin(), all.end());
  for (int64_t i = 0; i < 103; ++i) EXPECT_EQ(all[static_cast<size_t>(i)], i);
  for (const int64_t workers : {1, 2, 8})
    for (const int64_t prefetch : {1, 3}) {
      data::Loader fast(
          Numbers(103),
          {.batch = 8, .shuffle = true, .workers = workers, .prefetch = prefetch, .seed = 5});
      EXPECT_EQ(Epoch(fast), first);
      EXPECT_EQ(Epoch(fast), second);
      data::Loader slow(
          Slow{103},
          {.batch = 8, .shuffle = true, .workers = workers, .prefetch = prefetch, .seed = 5});
      EXPECT_EQ(slow.epoch(), 0);
      Batches got;
      for (const auto& [x, y] : slow) {
        EXPECT_EQ(x.shape(), (sy::Shape{y.size(0), 2}));
        got.push_back(reshape(y, {-1}).to_vector<int64_t>());
      }
      EXPECT_EQ(got, first);
    }
}

TEST(Loader, GoesOnInTheMiddleOfAnEpoch) {
  data::Loader whole(Numbers(50), {.batch = 4, .shuffle = true, .seed = 3});
  Epoch(whole);
  const Batches second = Epoch(whole), third = Epoch(whole);
  data::Loader resumed(
      Numbers(50),
      {.batch = 4, .shuffle = true, .workers = 2, .seed = 3, .epoch = 1, .start_batch = 5});
  EXPECT_EQ(Epoch(resumed), Batches(second.begin() + 5, second.end()));
  EXPECT_EQ(Epoch(resumed), third);
  EXPECT_EQ(resumed.epoch(), 3);
  resumed.set_epoch(1);
  EXPECT_EQ(Epoch(resumed), second);
  EXPECT_FAILS(data::Loader(Numbers(50), {.batch = 4, .start_batch = 14}),
               "loader: start_batch 14 of 13 batches");
  EXPECT_FAILS(data::Loader(Numbers(50), {.batch = 0}), "loader: batch 0");
}

TEST(Loader, SurfacesAnExceptionWhereItsBatchIsDue) {
  for (const int64_t workers : {0, 1, 2, 8}) {
    data::Loader loader(Slow{.n = 40, .bad = 17}, {.batch = 4, .workers = workers});
    int64_t seen = 0;
    const std::string text = sy::testing::Failure([&] {
      for (const auto& batch : loader) seen += batch.first.size(0);
    });
    EXPECT_EQ(text, "loader: item 17: the disk is on fire");
    EXPECT_EQ(seen, 16);
  }
}

TEST(Loader, StackingItemsOfDifferentShapesNamesTheBatch) {
  struct Ragged {
    int64_t size() const { return 4; }
    Tensor get(int64_t i) const { return sy::ones({i}); }
  };
  data::Loader loader(Ragged(), {.batch = 2, .workers = 1});
  EXPECT_FAILS(for (const Tensor& x : loader)(void) x, "loader: batch 0: ");
}

TEST(Loader, PrefetchIsBounded) {
  std::atomic<int64_t> reads = 0;
  data::Loader loader(Slow{.n = 1000, .reads = &reads}, {.batch = 1, .workers = 2, .prefetch = 3});
  int64_t taken = 0;
  for (const auto& batch : loader) {
    ++taken;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_LE(reads, taken + 2 * 3);
    EXPECT_EQ(batch.first.size(0), 1);
    if (taken == 50) break;
  }
}

TEST(Loader, CanBeLeftEarlyAThousandTimes) {
  data::Loader loader(Slow{64}, {.batch = 2, .shuffle = true, .workers = 3});
  int64_t batches = 0;
  for (int i = 0; i < 1000; ++i) {
    const int64_t leave = i % 7;
    int64_t n = 0;
    for (const auto& batch : loader) {
      batches += batch.first.size(0) == 2;
      if (n++ == leave) break;
    }
  }
  EXPECT_EQ(batches, 3997);  // 1 + ... + 7 for each seven, and six more
  for (int i = 0; i < 50; ++i) (void)loader.begin();
}

TEST(Loader, WorkersRecordNothingOnTheCallersDevice) {
  struct Probe {
    const Tensor w = sy::ones({1}, {.requires_grad = true});
    int64_t size() const { return 4; }
    Tensor get(int64_t i) const {
      const Tensor y = w * static_cast<double>(i);
      if (y.requires_grad() || !(y.device() == sy::zeros({1}).device()))
        throw std::runtime_error("recorded");
      return y;
    }
  };
  const SyDevice* last = sy_device_at(sy_device_count() - 1);
  sy_device_set_current(last);
  for (const int64_t workers : {0, 2}) {
    data::Loader loader(Probe(), {.workers = workers});
    for (const Tensor& x : loader) {
      EXPECT_FALSE(x.requires_grad());
      EXPECT_TRUE(x.device() == sy::Device(last));
      EXPECT_TRUE(sy_grad_mode());  // the consumer's own mode is what it was
    }
  }
  sy_device_set_current(nullptr);
}

TEST(Loader, TakesStructsOfTensorsAndEmptySets) {
  struct Item {
    Tensor image, label, weight;
  };
  struct Set {
    int64_t size() const { return 3; }
    Item get(int64_t i) const {
      const Tensor t = sy::full({2}, static_cast<double>(i));
      return {t, t[0], t + 1};
    }
  };
  data::Loader loader(Set(), {.batch = 3, .workers = 1});
  for (const auto& [image, label, weight] : loader) {
    EXPECT_EQ(image.shape(), (sy::Shape{3, 2}));
    EXPECT_EQ(label.to_vector<int64_t>(), (std::vector<int64_t>{0, 1, 2}));
    EXPECT_EQ(weight.to_vector<int64_t>(), (std::vector<int64_t>{1, 1, 2, 2, 3, 3}));
  }
  data::Loader empty(data::TensorDataset(sy::zeros({0, 2})), {.batch = 3, .workers = 2});
  for (const auto& [x] : empty) FAIL() << x.describe();
}

TEST(Dataset, SubsetAndTransformedCompose) {
  const data::Subset some(Numbers(10), {7, 2, 5});
  data::Loader direct(some, {.batch = 2});
  EXPECT_EQ(Epoch(direct), (Batches{{7, 2}, {5}}));
  data::Loader changed(data::Transformed(some,
                                         [](const auto& example) {
                                           const auto& [x, y] = example;
                                           return std::pair<Tensor, Tensor>(x + 1, y);
                                         }),
                       {.batch = 2, .workers = 2});
  EXPECT_EQ(Epoch(changed), (Batches{{8, 3}, {6}}));
  EXPECT_FAILS(data::Subset(Numbers(10), {10}), "Subset: item 10 of 10");
  EXPECT_FAILS(some.get(3), "Subset: item 3 of 3");
  EXPECT_FAILS(data::TensorDataset(sy::zeros({2}), sy::zeros({3})),
               "TensorDataset: first axes differ: f32[2]");
}

}  // namespace
