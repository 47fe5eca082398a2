// Queue: a stream. Commands are held back until Flush or Sync and then run in order on the queue's
// own thread. An error sticks: what comes after it is skipped up to Reset, ticks go on. Threads:
// Finished and Sync from any; the others must not overlap, which BusyMark finds out.
#ifndef TESTS_ASYNC_DEVICE_QUEUE_H_
#define TESTS_ASYNC_DEVICE_QUEUE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include "api/switchyard/sy_plugin.h"

namespace async {

struct Error {
  SyStatus code = SY_OK;
  std::string text;
};

class Queue {
 public:
  Queue() : worker_([this] { Work(); }) {}
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  // Finishes what is queued and joins the thread.
  ~Queue() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      released_ = commands_.size();
      stopping_ = true;
    }
    changed_.notify_all();
    worker_.join();
  }

  // `run` returns an error or SY_OK and is skipped after one; `done` always runs, on the queue's
  // thread.
  void Push(std::function<Error()> run, std::function<void()> done) {
    std::lock_guard<std::mutex> lock(mutex_);
    commands_.push_back({std::move(run), std::move(done), 0});
  }

  uint64_t Record() {
    std::lock_guard<std::mutex> lock(mutex_);
    commands_.push_back({nullptr, nullptr, recorded_ + 1});
    return ++recorded_;
  }

  // Mistakes on purpose. A mark that is reached before the last command has run; two commands that
  // change places; and time for each command, so that mistakes of order show.
  void MoveMarkUp() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (commands_.size() > released_ + 1)
      std::swap(commands_.back(), commands_[commands_.size() - 2]);
  }
  void SwapLast() {
    std::lock_guard<std::mutex> lock(mutex_);
    const size_t n = commands_.size();
    if (n > released_ + 1 && !commands_[n - 1].tick && !commands_[n - 2].tick)
      std::swap(commands_[n - 1], commands_[n - 2]);
  }
  void Slow(std::chrono::microseconds each) { each_ = each; }

  // Starts what was held back.
  void Flush() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      released_ = commands_.size();
      flushed_ = recorded_;
    }
    changed_.notify_all();
  }

  uint64_t Recorded() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return recorded_;
  }
  uint64_t Flushed() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return flushed_;
  }
  uint64_t Finished() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return finished_;
  }
  Error error() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return error_;
  }
  // Finishes or skips what is queued and forgets the error.
  void Reset() {
    Flush();
    std::unique_lock<std::mutex> lock(mutex_);
    idle_.wait(lock, [&] { return released_ == 0 && !running_; });
    error_ = {};
  }

  // False if `tick` is not reached in time. timeout_ns < 0: for ever.
  bool Wait(uint64_t tick, int64_t timeout_ns) {
    std::unique_lock<std::mutex> lock(mutex_);
    auto reached = [&] { return finished_ >= tick; };
    if (timeout_ns >= 0)
      return reached_.wait_for(lock, std::chrono::nanoseconds(timeout_ns), reached);
    reached_.wait(lock, reached);
    return true;
  }

  // Marks that a call of the host is inside; false if another one is.
  class BusyMark {  // of a queue, or of none
   public:
    explicit BusyMark(Queue* q) : q_(q), alone_(q && !q->busy_.exchange(true)) {}
    ~BusyMark() {
      if (alone_) q_->busy_.store(false);
    }
    BusyMark(const BusyMark&) = delete;
    BusyMark& operator=(const BusyMark&) = delete;
    bool alone() const { return alone_; }

   private:
    Queue* q_;
    bool alone_;
  };

 private:
  struct Command {
    std::function<Error()> run;
    std::function<void()> done;
    uint64_t tick;  // not 0: a mark
  };

  void Work() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return released_ > 0 || stopping_; });
      if (released_ == 0) return;
      running_ = true;
      Command command = std::move(commands_.front());
      commands_.pop_front();
      --released_;
      const bool skip = error_.code != SY_OK;
      lock.unlock();
      Error error;
      if (command.run && each_.count()) std::this_thread::sleep_for(each_);
      if (command.run && !skip) error = command.run();
      if (command.done) command.done();
      const uint64_t tick = command.tick;
      command = {};
      lock.lock();
      running_ = false;
      if (released_ == 0) idle_.notify_all();
      if (error.code != SY_OK && error_.code == SY_OK) error_ = error;
      if (tick == 0) continue;
      finished_ = tick;
      reached_.notify_all();
    }
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_, reached_, idle_;
  std::deque<Command> commands_;
  size_t released_ = 0;   // commands at the front that may run
  bool running_ = false;  // a command
  uint64_t recorded_ = 0, flushed_ = 0, finished_ = 0;
  Error error_;
  bool stopping_ = false;
  std::atomic<bool> busy_{false};
  std::chrono::microseconds each_{0};
  std::thread worker_;
};

}  // namespace async

#endif  // TESTS_ASYNC_DEVICE_QUEUE_H_
