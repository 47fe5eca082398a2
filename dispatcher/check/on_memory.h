// A call of the table of memory.
#ifndef DISPATCHER_CHECK_ON_MEMORY_H_
#define DISPATCHER_CHECK_ON_MEMORY_H_

#include <memory>

#include "absl/strings/str_format.h"
#include "dispatcher/check/entry.h"

namespace sy::check {

struct OnMemory {
  OnMemory(void* state, uint64_t device_handle, const char* function)
      : layer(static_cast<Layer*>(state)),
        device(FindDevice(*layer, nullptr, device_handle)),
        entry(layer, device.get(), function) {
    if (!device)
      entry.Host(kHandles, absl::StrFormat("device %d is not open", device_handle));
    else if (device->told.load())
      entry.Host(kSticky, "called on a lost device; want only free, destroy and close");
  }
  Layer* layer;
  std::shared_ptr<DeviceWatch> device;
  Entry entry;

  // The block, with a span of it that the host names.
  std::shared_ptr<BlockWatch> Span(uint64_t handle, int64_t offset, int64_t bytes) const {
    std::shared_ptr<BlockWatch> block = device ? device->Block(handle) : nullptr;
    if (!block)
      entry.Host(kHandles, absl::StrFormat("memory %d was never allocated, or is freed", handle));
    else if (offset < 0 || bytes < 0 || offset + bytes > block->bytes)
      entry.Host(kBounds, absl::StrFormat("bytes %d to %d of an allocation of %d", offset,
                                          offset + bytes, block->bytes));
    return block;
  }
};

// copies.cc
void WrapCopies(Layer* layer);

}  // namespace sy::check

#endif  // DISPATCHER_CHECK_ON_MEMORY_H_
