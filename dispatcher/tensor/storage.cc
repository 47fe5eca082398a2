#include "dispatcher/tensor/storage.h"

#include "dispatcher/dispatch/device.h"

namespace sy {

absl::StatusOr<Ref<Storage>> Storage::Allocate(SyDevice* device, int64_t bytes) {
  Block* block = nullptr;
  if (absl::Status s = device->pool.Take(bytes, &block); !s.ok()) return s;
  Ref<Storage> storage = Ref<Storage>::Take(new Storage);
  storage->device_ = device;
  storage->memory_ = block->memory;
  storage->offset_ = block->offset;
  storage->bytes_ = bytes;
  storage->block_ = block;
  return storage;
}

Ref<Storage> Storage::Wrap(SyDevice* device, const SyMemory& memory, int64_t bytes,
                           SyReleaseFn deleter, void* context) {
  Ref<Storage> storage = Ref<Storage>::Take(new Storage);
  storage->device_ = device;
  storage->memory_ = memory;
  storage->bytes_ = bytes;
  storage->deleter_ = deleter;
  storage->context_ = context;
  device->wrapped.fetch_add(1, std::memory_order_relaxed);
  return storage;
}

Storage::~Storage() {
  if (block_) {
    device_->pool.Give(block_);
  } else {
    // The owner may reuse the memory at once: wait for queued work on it.
    if (!device_->synchronous) {
      if (const Use& u = own_uses_.writer(); u.stream) WaitFor(u.stream, u.sequence).IgnoreError();
      for (const Use& u : own_uses_.readers()) WaitFor(u.stream, u.sequence).IgnoreError();
    }
    if (deleter_) deleter_(context_);
    device_->wrapped.fetch_sub(1, std::memory_order_relaxed);
  }
}

}  // namespace sy
