// Memory of a Vulkan device: a handle is the address of a Block. Copies to and from the host go
// through mapped staging, in the stream's order.
#include <cstring>

#include "device.h"

namespace sy::vulkan {

VkResult Device::MakeBlock(int64_t bytes, bool on_host, Block* out) {
  VkBufferCreateInfo create = {};
  create.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO;
  create.size = (static_cast<VkDeviceSize>(bytes) + 15) & ~VkDeviceSize{15};
  create.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  Block b;
  b.bytes = bytes;
  VkResult r = vk.vkCreateBuffer(device, &create, nullptr, &b.buffer);
  if (r != VK_SUCCESS) return r;
  VkMemoryRequirements need;
  vk.vkGetBufferMemoryRequirements(device, b.buffer, &need);
  VkMemoryAllocateFlagsInfo flags = {VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO, nullptr,
                                     VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT, 0};
  VkMemoryAllocateInfo allocate = {VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &flags, need.size,
                                   on_host ? host_memory_type : device_memory_type};
  r = vk.vkAllocateMemory(device, &allocate, nullptr, &b.memory);
  if (r == VK_SUCCESS) r = vk.vkBindBufferMemory(device, b.buffer, b.memory, 0);
  void* mapped = nullptr;
  if (r == VK_SUCCESS && on_host)
    r = vk.vkMapMemory(device, b.memory, 0, VK_WHOLE_SIZE, 0, &mapped);
  if (r != VK_SUCCESS) {
    if (b.memory) vk.vkFreeMemory(device, b.memory, nullptr);
    vk.vkDestroyBuffer(device, b.buffer, nullptr);
    return r;
  }
  b.host = static_cast<char*>(mapped);
  VkBufferDeviceAddressInfo address = {VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO, nullptr,
                                       b.buffer};
  b.address = vk.vkGetBufferDeviceAddress(device, &address);
  used_bytes += bytes;
  *out = b;
  return VK_SUCCESS;
}

void Device::FreeBlock(const Block& b) {
  if (!b.buffer) return;
  vk.vkDestroyBuffer(device, b.buffer, nullptr);
  vk.vkFreeMemory(device, b.memory, nullptr);
  used_bytes -= b.bytes;
}

namespace {

VkDeviceSize Size(int64_t n) { return static_cast<VkDeviceSize>(n); }

SyStatus Alloc(void*, uint64_t handle, int64_t bytes, uint32_t, SyAllocation* out) {
  Device& d = *DeviceOf(handle);
  return Guarded(d.host, [&]() -> SyStatus {
    if (bytes <= 0 || Size(bytes) > d.facts->max_alloc_bytes)
      return d.host->fail(
          SY_RESOURCE_EXHAUSTED, "vulkan: no memory for %lld bytes, at most %llu at once",
          static_cast<long long>(bytes), static_cast<unsigned long long>(d.facts->max_alloc_bytes));
    auto block = std::make_unique<Block>();
    if (VkResult r = d.MakeBlock(bytes, false, block.get()))
      return d.Fail(r, ("no memory for " + std::to_string(bytes) + " bytes").c_str());
    SyMemory memory = {};
    memory.address = block->address;
    memory.handle = reinterpret_cast<uint64_t>(block.release());
    SY_SET(out, kind, SY_MEMORY_DEVICE);
    SY_SET(out, memory, memory);
    SY_SET(out, bytes, static_cast<uint64_t>(bytes));
    return SY_OK;
  });
}

void Free(void*, uint64_t handle, uint64_t memory) {
  Block* block = BlockOf(memory);
  DeviceOf(handle)->FreeBlock(*block);
  delete block;
}

// Records a copy between two buffers.
SyStatus RecordCopy(Stream* s, Batch* batch, VkBuffer from, int64_t from_offset, VkBuffer to,
                    int64_t to_offset, int64_t bytes) {
  const VkBufferCopy region = {Size(from_offset), Size(to_offset), Size(bytes)};
  s->device->vk.vkCmdCopyBuffer(batch->commands, from, to, 1, &region);
  return SY_OK;
}

SyStatus CopyIn(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t offset,
                const void* host, int64_t bytes) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    SyStatus status = SY_OK;
    Batch* batch = Record(s, &status);
    if (!batch) return status;
    VkBuffer staging;
    int64_t at;
    char* memory;
    if (SyStatus e = Stage(s, batch, bytes, 16, &staging, &at, &memory)) return e;
    std::memcpy(memory, host, static_cast<size_t>(bytes));
    return RecordCopy(s, batch, staging, at, BlockOf(to)->buffer, offset, bytes);
  });
}

SyStatus CopyOut(void*, uint64_t handle, uint64_t stream, uint64_t from, int64_t offset, void* host,
                 int64_t bytes) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    SyStatus status = SY_OK;
    Batch* batch = Record(s, &status);
    if (!batch) return status;
    VkBuffer staging;
    int64_t at;
    char* memory;
    if (SyStatus e = Stage(s, batch, bytes, 16, &staging, &at, &memory)) return e;
    batch->outs.push_back({memory, host, bytes});
    return RecordCopy(s, batch, BlockOf(from)->buffer, offset, staging, at, bytes);
  });
}

SyStatus CopyWithin(void*, uint64_t handle, uint64_t stream, uint64_t to, int64_t to_offset,
                    uint64_t from, int64_t from_offset, int64_t bytes) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  return Guarded(d.host, [&]() -> SyStatus {
    SyStatus status = SY_OK;
    Batch* batch = Record(s, &status);
    if (!batch) return status;
    return RecordCopy(s, batch, BlockOf(from)->buffer, from_offset, BlockOf(to)->buffer, to_offset,
                      bytes);
  });
}

SyStatus Fill(void* state, uint64_t handle, uint64_t stream, uint64_t to, int64_t offset,
              int64_t bytes, const void* pattern, int32_t pattern_bytes) {
  Device& d = *DeviceOf(handle);
  Stream* s = StreamOf(stream);
  uint32_t word = 0;
  for (int i = 0; i < 4; ++i)
    std::memcpy(reinterpret_cast<char*>(&word) + i,
                static_cast<const char*>(pattern) + i % pattern_bytes, 1);
  if (pattern_bytes <= 4 && offset % 4 == 0 && bytes % 4 == 0) {
    SyStatus status = SY_OK;
    return Guarded(d.host, [&]() -> SyStatus {
      Batch* batch = Record(s, &status);
      if (!batch) return status;
      d.vk.vkCmdFillBuffer(batch->commands, BlockOf(to)->buffer, Size(offset), Size(bytes), word);
      return SY_OK;
    });
  }
  return Guarded(d.host, [&]() -> SyStatus {
    std::string made(static_cast<size_t>(bytes), '\0');
    for (size_t i = 0; i < made.size(); ++i)
      made[i] = static_cast<const char*>(pattern)[i % static_cast<size_t>(pattern_bytes)];
    return CopyIn(state, handle, stream, to, offset, made.data(), bytes);
  });
}

}  // namespace

const SyMemoryFns kMemoryFns = {
    .size = sizeof(SyMemoryFns),
    .alloc = Alloc,
    .free = Free,
    .copy_in = CopyIn,
    .copy_out = CopyOut,
    .copy_within = CopyWithin,
    .fill = Fill,
};

}  // namespace sy::vulkan
