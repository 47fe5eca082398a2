// Guard pages, red zones and the search for what a bad address may have meant.
#include "tests/soft_cuda/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tests/soft_cuda/knobs.h"

namespace soft {
namespace {

constexpr size_t kAlignment = 256;
constexpr char kRedZone = static_cast<char>(0xd7);
// New memory holds NaN in every floating type, as far as it costs little to write it.
constexpr int kFresh = 0xff;
constexpr size_t kFreshBytes = 1 << 20;
constexpr size_t kRetired = 1024;

size_t RoundUp(size_t n, size_t to) { return (n + to - 1) / to * to; }
size_t Page() {
  static const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return page;
}

}  // namespace

Allocation::Allocation(int device, bool host, size_t size, uint64_t number)
    : device_(device), host_(host), size_(size), number_(number) {
  const size_t padded = RoundUp(size, kAlignment), data = RoundUp(padded, Page());
  map_bytes_ = data + 2 * Page();
  void* map =
      mmap(nullptr, map_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) return;
  map_ = static_cast<char*>(map);
  char* low = map_ + Page();
  if (mprotect(low, data, PROT_READ | PROT_WRITE)) return;
  start_ = low + data - padded;
  std::memset(low, kRedZone, static_cast<size_t>(start_ - low));
  std::memset(start_, kFresh, size < kFreshBytes ? size : kFreshBytes);
  std::memset(start_ + size, kRedZone, padded - size);
}

Allocation::~Allocation() {
  if (map_) munmap(map_, map_bytes_);
  if (cells_) munmap(cells_, size_ * sizeof(Cell));
}

Cell* Allocation::cells() {
  std::lock_guard<std::mutex> lock(cells_mutex_);
  if (cells_) return cells_;
  void* map = mmap(nullptr, size_ * sizeof(Cell), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map != MAP_FAILED) cells_ = static_cast<Cell*>(map);
  return cells_;
}

void Allocation::MarkWritten(const void* from, size_t bytes) {
  Cell* cell = cells();
  const size_t offset = static_cast<size_t>(static_cast<const char*>(from) - start_);
  if (!cell) return;
  for (size_t i = 0; i < bytes; ++i) cell[offset + i].write = 1 << 16;  // interval 1: the host's
}

std::ptrdiff_t Allocation::Damage() {
  const char* at = nullptr;
  for (const char* p = map_ + Page(); p < start_ && !at; ++p)
    if (*p != kRedZone) at = p;
  for (const char* p = start_ + size_; p < map_ + map_bytes_ - Page() && !at; ++p)
    if (*p != kRedZone) at = p;
  if (!at || told_) return 0;
  told_ = true;
  return at - start_;
}

void Allocation::Retire() {
  live_ = false;
  // Maps anew instead of protecting: so the pages go back at once.
  mmap(map_, map_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

Memory& Memory::Get() {
  static Memory* const memory = new Memory;
  return *memory;
}

CUresult Memory::Allocate(int device, bool host, size_t bytes, char** out) {
  *out = nullptr;
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  ++Value(kAllocations);
  if (Strikes(kFailAllocation)) return CUDA_ERROR_OUT_OF_MEMORY;
  std::lock_guard<std::mutex> lock(mutex_);
  const long long room = Value(kMemory) - used_[device];
  const size_t padded = RoundUp(bytes, kAlignment);
  if (!host && (padded < bytes || room < 0 || padded > static_cast<size_t>(room)))
    return CUDA_ERROR_OUT_OF_MEMORY;
  auto made = std::make_shared<Allocation>(device, host, bytes, next_number_++);
  if (!made->start()) return CUDA_ERROR_OUT_OF_MEMORY;
  *out = made->start();
  live_[reinterpret_cast<uintptr_t>(made->start())] = made;
  used_[host ? kMaxDevices : device] += static_cast<long long>(padded);
  if (!host) Value(kBytes) += static_cast<long long>(padded);
  ++Value(kBlocks);
  return CUDA_SUCCESS;
}

bool Memory::CheckRedZone(Allocation& a) {
  const std::ptrdiff_t at = a.Damage();
  if (at == 0) return true;
  Report("red zone overwritten at byte %td of allocation #%llu of %zu bytes on device %d", at,
         static_cast<unsigned long long>(a.number()), a.size(), a.device());
  return false;
}

CUresult Memory::Free(const void* p, bool host) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = live_.find(reinterpret_cast<uintptr_t>(p));
  if (it == live_.end() || it->second->host() != host) return CUDA_ERROR_INVALID_VALUE;
  std::shared_ptr<Allocation> a = it->second;
  const bool sound = CheckRedZone(*a);
  live_.erase(it);
  ++generation_;
  a->Retire();
  const long long padded = static_cast<long long>(RoundUp(a->size(), kAlignment));
  used_[host ? kMaxDevices : a->device()] -= padded;
  if (!host) Value(kBytes) -= padded;
  --Value(kBlocks);
  retired_.push_back(std::move(a));
  if (retired_.size() > kRetired) retired_.pop_front();
  return sound ? CUDA_SUCCESS : CUDA_ERROR_ILLEGAL_ADDRESS;
}

void Memory::FreeAll(int device) {
  for (;;) {
    std::shared_ptr<Allocation> a;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      for (const auto& [address, one] : live_)
        if (one->device() == device) a = one;
    }
    if (!a) return;
    Free(a->start(), a->host());
  }
}

std::shared_ptr<Allocation> Memory::Find(const void* p) {
  std::lock_guard<std::mutex> lock(mutex_);
  auto it = live_.upper_bound(reinterpret_cast<uintptr_t>(p));
  if (it == live_.begin()) return nullptr;
  --it;
  return it->second->Contains(p) ? it->second : nullptr;
}

bool Memory::Holds(const void* p, size_t bytes) {
  const std::shared_ptr<Allocation> a = Find(p);
  return a && bytes <= a->size() - static_cast<size_t>(static_cast<const char*>(p) - a->start());
}

std::string Memory::Describe(const void* p) {
  std::lock_guard<std::mutex> lock(mutex_);
  const uintptr_t at = reinterpret_cast<uintptr_t>(p);
  const Allocation* best = nullptr;
  uintptr_t distance = 0;
  auto consider = [&](const Allocation& a) {
    const uintptr_t low = reinterpret_cast<uintptr_t>(a.start()), high = low + a.size();
    const uintptr_t d = at < low ? low - at : at >= high ? at - high + 1 : 0;
    if (best && d >= distance) return;
    best = &a;
    distance = d;
  };
  for (const auto& [address, a] : live_) consider(*a);
  for (const auto& a : retired_) consider(*a);
  if (!best || distance > (1u << 30)) return "near no allocation";
  const uintptr_t low = reinterpret_cast<uintptr_t>(best->start());
  char where[80], text[240];
  if (at < low)
    std::snprintf(where, sizeof where, "%zu bytes before", static_cast<size_t>(low - at));
  else if (distance)
    std::snprintf(where, sizeof where, "%zu bytes after the end of",
                  static_cast<size_t>(distance - 1));
  else
    std::snprintf(where, sizeof where, "byte %zu of", static_cast<size_t>(at - low));
  std::snprintf(text, sizeof text, "%s %s #%llu of %zu bytes on device %d", where,
                best->live() ? "allocation" : "freed allocation",
                static_cast<unsigned long long>(best->number()), best->size(), best->device());
  return text;
}

bool Memory::CheckRedZones(int device) {
  std::lock_guard<std::mutex> lock(mutex_);
  bool sound = true;
  for (const auto& [address, a] : live_)
    if (a->device() == device && !CheckRedZone(*a)) sound = false;
  return sound;
}

long long Memory::Used(int device) {
  std::lock_guard<std::mutex> lock(mutex_);
  return used_[device];
}

}  // namespace soft
