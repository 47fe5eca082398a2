// Memory: every allocation of every device, each in pages of its own between two guard pages. The
// end lies flush with the second guard page, up to the alignment of 256; what is left over on both
// sides is a red zone with a pattern. Freed memory stays out of bounds until many others were
// freed. Threads: any; cells() belongs to the one launch that is checked at a time.
#ifndef TESTS_SOFT_CUDA_MEMORY_H_
#define TESTS_SOFT_CUDA_MEMORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "tests/soft_cuda/abi.h"

namespace soft {

// What check.h remembers of a byte: its last write and its last read.
struct Cell {
  uint64_t write, read;
};

class Allocation {
 public:
  Allocation(int device, bool host, size_t size,
             uint64_t number);  // start() is null if none is left
  ~Allocation();
  Allocation(const Allocation&) = delete;
  Allocation& operator=(const Allocation&) = delete;

  char* start() const { return start_; }
  size_t size() const { return size_; }
  bool host() const { return host_; }
  int device() const { return device_; }
  uint64_t number() const { return number_; }
  bool live() const { return live_; }
  bool Contains(const void* p) const {
    return reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(start_) < size_;
  }
  Cell* cells();  // one per byte, made when first asked for
  void MarkWritten(const void* from, size_t bytes);

  // Where a red zone was overwritten, as an offset from start(); 0: nowhere, or told already.
  std::ptrdiff_t Damage();
  void Retire();  // no access from here on

 private:
  const int device_;
  const bool host_;
  const size_t size_;
  const uint64_t number_;
  char* map_ = nullptr;
  size_t map_bytes_ = 0;
  char* start_ = nullptr;
  std::atomic<bool> live_{true};
  bool told_ = false;
  std::mutex cells_mutex_;
  Cell* cells_ = nullptr;
};

class Memory {
 public:
  static Memory& Get();

  CUresult Allocate(int device, bool host, size_t bytes, char** out);
  // ILLEGAL_ADDRESS if a red zone was damaged; the memory is gone then, too.
  CUresult Free(const void* p, bool host);
  void FreeAll(int device);

  std::shared_ptr<Allocation> Find(const void* p);  // live, or null
  bool Holds(const void* p, size_t bytes);          // inside one live allocation
  std::string Describe(const void* p);              // "4 bytes after allocation #7 (...)"
  bool CheckRedZones(int device);                   // false after reporting what is damaged
  long long Used(int device);
  uint64_t generation() const { return generation_; }  // changes with every free

 private:
  bool CheckRedZone(Allocation& a);

  std::mutex mutex_;
  std::map<uintptr_t, std::shared_ptr<Allocation>> live_;
  std::deque<std::shared_ptr<Allocation>> retired_;
  long long used_[17] = {};  // by device; the last counts host memory
  uint64_t next_number_ = 1;
  std::atomic<uint64_t> generation_{1};
};

}  // namespace soft

#endif  // TESTS_SOFT_CUDA_MEMORY_H_
