// sy::data::Loader: batches of a dataset, made ahead by worker threads, in an order that depends
// only on the seed and the epoch's number.
//
//   sy::data::Loader loader(set, {.batch = 64, .shuffle = true, .workers = 2});
//   for (const auto& [images, labels] : loader) ...      // each such loop is the next epoch
//
// A batch is what the dataset's examples are, each tensor with a new first axis. At most workers *
// prefetch batches wait for the consumer. What get(i) throws comes out of the loop when its batch
// is due, with the item's index. Leaving a loop early, by break or exception, joins the workers.
// Threads: a loader belongs to one thread; its workers record no gradients and use that thread's
// current device.
#ifndef SWITCHYARD_DATA_LOADER_H_
#define SWITCHYARD_DATA_LOADER_H_

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "dataset.h"
#include "shuffle.h"

namespace sy::data {

struct LoaderOptions {
  int64_t batch = 1;
  bool shuffle = false;
  int64_t workers = 0;   // threads; 0: the consumer makes each batch itself
  int64_t prefetch = 2;  // batches made ahead by each worker
  uint64_t seed = 0;
  bool drop_last = false;   // leave out a last batch that is not full
  int64_t epoch = 0;        // number of the first epoch
  int64_t start_batch = 0;  // in the first epoch only: where an interrupted one goes on
};

namespace detail {

// One pass over the dataset.
template <Dataset D>
class Epoch {
 public:
  using Batch = Example<D>;

  Epoch(std::shared_ptr<const D> dataset, const LoaderOptions& options, int64_t epoch,
        int64_t start, int64_t count)
      : dataset_(std::move(dataset)),
        batch_(options.batch),
        size_(dataset_->size()),
        count_(count),
        next_(start),
        due_(start) {
    if (options.shuffle) order_ = Permutation(size_, options.seed, static_cast<uint64_t>(epoch));
    const int64_t workers = std::min(options.workers, count_ - start);
    if (workers <= 0) return;
    slots_.resize(static_cast<size_t>(workers * std::max<int64_t>(options.prefetch, 1)));
    const SyDevice* device = sy_device_current();
    try {
      for (int64_t w = 0; w < workers; ++w) threads_.emplace_back([this, device] { Work(device); });
    } catch (...) {
      Stop();
      throw;
    }
  }
  ~Epoch() { Stop(); }
  Epoch(const Epoch&) = delete;
  Epoch& operator=(const Epoch&) = delete;

  // The next batch, or none at the end.
  std::optional<Batch> Next() {
    if (due_ >= count_) return std::nullopt;
    if (threads_.empty()) return Make(due_++);
    Slot slot;
    {
      std::unique_lock lock(mutex_);
      Slot& waiting = At(due_);
      ready_.wait(lock, [&] { return waiting.full; });
      slot = std::exchange(waiting, Slot());
      ++due_;
    }
    room_.notify_all();
    if (slot.error) std::rethrow_exception(slot.error);
    return std::move(slot.batch);
  }

 private:
  struct Slot {
    bool full = false;
    std::optional<Batch> batch;
    std::exception_ptr error;
  };

  Slot& At(int64_t batch) { return slots_[static_cast<size_t>(batch) % slots_.size()]; }

  void Work(const SyDevice* device) {
    NoGrad guard;
    sy_device_set_current(device);
    for (;;) {
      int64_t number = 0;
      {
        std::unique_lock lock(mutex_);
        room_.wait(lock, [&] {
          return stop_ || next_ >= count_ || next_ < due_ + static_cast<int64_t>(slots_.size());
        });
        if (stop_ || next_ >= count_) return;
        number = next_++;
      }
      Slot made;
      try {
        made.batch = Make(number);
      } catch (...) {
        made.error = std::current_exception();
      }
      made.full = true;
      {
        const std::scoped_lock lock(mutex_);
        At(number) = std::move(made);
      }
      ready_.notify_one();
    }
  }

  Batch Make(int64_t number) const {
    NoGrad guard;
    const int64_t first = number * batch_, last = std::min(first + batch_, size_);
    std::vector<int64_t> indices;
    for (int64_t i = first; i < last; ++i)
      indices.push_back(order_.empty() ? i : order_[static_cast<size_t>(i)]);
    if constexpr (BatchDataset<D>) {
      return Named("batch " + std::to_string(number),
                   [&] { return dataset_->batch(std::span<const int64_t>(indices)); });
    } else {
      std::vector<Batch> examples;
      for (const int64_t i : indices)
        examples.push_back(Named("item " + std::to_string(i), [&] { return dataset_->get(i); }));
      return Named("batch " + std::to_string(number), [&] { return Stack(examples); });
    }
  }

  template <class Function>
  static Batch Named(const std::string& what, const Function& function) {
    try {
      return function();
    } catch (const Error& e) {
      throw Error(e.code(), "loader: " + what + ": " + e.what());
    } catch (const std::exception& e) {
      throw Error(SY_UNKNOWN, "loader: " + what + ": " + e.what());
    } catch (...) {
      throw Error(SY_UNKNOWN, "loader: " + what + ": threw something that is not a std::exception");
    }
  }

  void Stop() {
    {
      const std::scoped_lock lock(mutex_);
      stop_ = true;
    }
    room_.notify_all();
    for (std::thread& t : threads_) t.join();
    threads_.clear();
  }

  const std::shared_ptr<const D> dataset_;
  const int64_t batch_, size_, count_;
  std::vector<int64_t> order_;
  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::vector<Slot> slots_;  // batch n waits in slot n modulo their count
  int64_t next_;             // the next to be made
  int64_t due_;              // the next to be handed out
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace detail

template <Dataset D>
class Loader {
 public:
  using Batch = Example<D>;

  Loader(D dataset, const LoaderOptions& options)
      : dataset_(std::make_shared<const D>(std::move(dataset))),
        options_(options),
        epoch_(options.epoch) {
    if (options.batch < 1 || options.workers < 0 || options.prefetch < 1 || options.epoch < 0)
      throw Error(SY_INVALID_ARGUMENT, "loader: batch " + std::to_string(options.batch) +
                                           ", workers " + std::to_string(options.workers) +
                                           ", prefetch " + std::to_string(options.prefetch) +
                                           ", epoch " + std::to_string(options.epoch) +
                                           "; want 1, 0, 1, 0 at least");
    if (options.start_batch < 0 || options.start_batch > batches())
      throw Error(SY_INVALID_ARGUMENT, "loader: start_batch " +
                                           std::to_string(options.start_batch) + " of " +
                                           std::to_string(batches()) + " batches");
  }

  const D& dataset() const { return *dataset_; }
  // Batches in a whole epoch.
  int64_t batches() const {
    const int64_t n = dataset_->size();
    return options_.drop_last ? n / options_.batch : (n + options_.batch - 1) / options_.batch;
  }
  // Number of the epoch that the next loop runs.
  int64_t epoch() const { return epoch_; }
  void set_epoch(int64_t epoch) { epoch_ = epoch; }

  struct End {};
  class Iterator {
   public:
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    const Batch& operator*() const { return *batch_; }
    const Batch* operator->() const { return &*batch_; }
    Iterator& operator++() {
      batch_ = epoch_->Next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& it, End) { return !it.batch_.has_value(); }

   private:
    friend Loader;
    explicit Iterator(std::shared_ptr<detail::Epoch<D>> epoch)
        : epoch_(std::move(epoch)), batch_(epoch_->Next()) {}
    std::shared_ptr<detail::Epoch<D>> epoch_;
    std::optional<Batch> batch_;
  };

  Iterator begin() {
    const int64_t start = std::exchange(options_.start_batch, 0);
    return Iterator(
        std::make_shared<detail::Epoch<D>>(dataset_, options_, epoch_++, start, batches()));
  }
  End end() const { return {}; }

 private:
  std::shared_ptr<const D> dataset_;
  LoaderOptions options_;
  int64_t epoch_;
};

}  // namespace sy::data

#endif  // SWITCHYARD_DATA_LOADER_H_
