#include "conform/oracle/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "conform/oracle/device.h"

namespace sy::conform {
namespace {

// Zeros, of which only touched pages take memory. Null: no room.
void* Map(int64_t bytes) {
  void* p = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : p;
}

void Unmap(void* p, int64_t bytes) {
  if (p) munmap(p, static_cast<size_t>(bytes));
}

Block* Of(uint64_t handle) { return reinterpret_cast<Block*>(handle); }

}  // namespace

Block* Block::Create(int64_t bytes) {
  std::unique_ptr<Block> block(new (std::nothrow) Block);
  if (!block || bytes > INT64_MAX / 32) return nullptr;
  block->size_ = bytes;
  const int64_t shadows = (bytes + 1) / 2 * static_cast<int64_t>(sizeof(Shadow));
  block->bytes_ = static_cast<unsigned char*>(Map(bytes));
  block->marked_ = static_cast<unsigned char*>(Map(bytes));
  block->shadows_ = static_cast<Shadow*>(Map(shadows));
  return block->bytes_ && block->marked_ && block->shadows_ ? block.release() : nullptr;
}

Block::~Block() {
  Unmap(bytes_, size_);
  Unmap(marked_, size_);
  Unmap(shadows_, (size_ + 1) / 2 * static_cast<int64_t>(sizeof(Shadow)));
}

Value Block::Load(int type, int64_t at) const {
  if (marked_[at]) {
    if (!IsFloatType(type)) return Value::Unknown();
    const Shadow& s = shadows_[at / 2];
    return Value::Float(s.v, s.e);
  }
  uint64_t bits = 0;
  std::memcpy(&bits, bytes_ + at, static_cast<size_t>(SizeOf(type)));
  return Decode(type, bits);
}

void Block::Store(int type, int64_t at, const Value& x) {
  const uint64_t bits = Encode(type, x);
  std::memcpy(bytes_ + at, &bits, static_cast<size_t>(SizeOf(type)));
  marked_[at] = !x.exact();
  if (marked_[at] && IsFloatType(type)) shadows_[at / 2] = {x.v, x.e};
}

void Block::Forget(int64_t at, int64_t bytes) {
  std::memset(marked_ + at, 0, static_cast<size_t>(bytes));
}

void Block::CopyFrom(const Block& from, int64_t from_at, int64_t at, int64_t bytes) {
  const auto size = static_cast<size_t>(bytes);
  std::memmove(bytes_ + at, from.bytes_ + from_at, size);
  std::memmove(marked_ + at, from.marked_ + from_at, size);
  // An odd distance moves elements of one byte, which have no shadows.
  if ((at - from_at) % 2 == 0 && std::memchr(marked_ + at, 1, size))
    std::memmove(shadows_ + at / 2, from.shadows_ + from_at / 2, (size + 1) / 2 * sizeof(Shadow));
}

namespace {

SyStatus Alloc(void* state, uint64_t, int64_t bytes, uint32_t, SyAllocation* out) {
  Block* block = Block::Create(bytes);
  if (!block)
    return StateOf(state).host->fail(SY_RESOURCE_EXHAUSTED, "oracle: no memory for %lld bytes",
                                     static_cast<long long>(bytes));
  out->kind = SY_MEMORY_DEVICE;
  out->memory.handle = reinterpret_cast<uint64_t>(block);
  out->bytes = static_cast<uint64_t>(bytes);
  return SY_OK;
}

void Free(void*, uint64_t, uint64_t handle) { delete Of(handle); }

SyStatus CopyIn(void*, uint64_t, uint64_t, uint64_t handle, int64_t at, const void* host,
                int64_t bytes) {
  Of(handle)->Forget(at, bytes);
  std::memcpy(Of(handle)->Bytes(at), host, static_cast<size_t>(bytes));
  return SY_OK;
}

SyStatus CopyOut(void*, uint64_t, uint64_t, uint64_t handle, int64_t at, void* host,
                 int64_t bytes) {
  std::memcpy(host, Of(handle)->Bytes(at), static_cast<size_t>(bytes));
  return SY_OK;
}

SyStatus CopyWithin(void*, uint64_t, uint64_t, uint64_t to, int64_t to_at, uint64_t from,
                    int64_t from_at, int64_t bytes) {
  Of(to)->CopyFrom(*Of(from), from_at, to_at, bytes);
  return SY_OK;
}

SyStatus Fill(void*, uint64_t, uint64_t, uint64_t handle, int64_t at, int64_t bytes,
              const void* pattern, int32_t pattern_bytes) {
  Of(handle)->Forget(at, bytes);
  for (int64_t i = 0; i < bytes; i += pattern_bytes)
    std::memcpy(Of(handle)->Bytes(at + i), pattern,
                static_cast<size_t>(std::min<int64_t>(pattern_bytes, bytes - i)));
  return SY_OK;
}

}  // namespace

const SyMemoryFns kOracleMemory = {
    .size = sizeof(SyMemoryFns),
    .alloc = Alloc,
    .free = Free,
    .copy_in = CopyIn,
    .copy_out = CopyOut,
    .copy_within = CopyWithin,
    .fill = Fill,
};

}  // namespace sy::conform
