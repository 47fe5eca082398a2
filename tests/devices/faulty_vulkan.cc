// Stands in for libvulkan.so.1: hands out the entries of the real loader, and its own in the place
// of those that may fail or misuse what they are given. faulty_set() says what fails
// (faulty_loader.h); beside that "barriers" leaves all barriers out, and "ranges" binds ranges that
// end behind their buffers, so that a test of the validation layers sees that they look.
#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "tests/devices/faulty_loader.h"

namespace {

// FAULTY_SWITCH=barriers, FAULTY_SWITCH=ranges: for programs that cannot call faulty_set().
bool Switched(const char* name) {
  const char* given = std::getenv("FAULTY_SWITCH");
  return given && std::strcmp(given, name) == 0;
}
std::atomic<bool> no_barriers{Switched("barriers")}, wrong_ranges{Switched("ranges")};

// Entry I of the table below, forwarded unless it is to fail.
template <size_t I, class Function>
struct Fault;
extern const char* const kNames[];
PFN_vkVoidFunction real_entries[16];

template <size_t I, class... Parameters>
struct Fault<I, VkResult(VKAPI_PTR*)(Parameters...)> {
  static VkResult VKAPI_CALL Call(Parameters... parameters) {
    int code = 0;
    if (faulty::Fires(kNames[I], &code)) return static_cast<VkResult>(code);
    return reinterpret_cast<VkResult(VKAPI_PTR*)(Parameters...)>(real_entries[I])(parameters...);
  }
};

#define ENTRIES(X)               \
  X(0, vkAllocateMemory)         \
  X(1, vkCreateBuffer)           \
  X(2, vkQueueSubmit)            \
  X(3, vkWaitSemaphores)         \
  X(4, vkCreateComputePipelines) \
  X(5, vkCreateShaderModule)     \
  X(6, vkBeginCommandBuffer)     \
  X(7, vkEndCommandBuffer)       \
  X(8, vkAllocateCommandBuffers) \
  X(9, vkCreateSemaphore)        \
  X(10, vkCreatePipelineCache)   \
  X(11, vkMapMemory)             \
  X(12, vkCreateDevice)

#define X(index, name) #name,
const char* const kNames[] = {ENTRIES(X)};
#undef X

PFN_vkCmdPipelineBarrier real_barrier;
PFN_vkCmdPushDescriptorSetKHR real_push;
PFN_vkUpdateDescriptorSets real_update;

VKAPI_ATTR void VKAPI_CALL Barrier(VkCommandBuffer commands, VkPipelineStageFlags from,
                                   VkPipelineStageFlags to, VkDependencyFlags flags, uint32_t n,
                                   const VkMemoryBarrier* memory, uint32_t buffer_count,
                                   const VkBufferMemoryBarrier* buffers, uint32_t image_count,
                                   const VkImageMemoryBarrier* images) {
  if (!no_barriers)
    real_barrier(commands, from, to, flags, n, memory, buffer_count, buffers, image_count, images);
}

// The writes with ranges that no buffer of a test holds.
struct Writes {
  std::vector<VkDescriptorBufferInfo> infos;
  std::vector<VkWriteDescriptorSet> writes;
  Writes(uint32_t count, const VkWriteDescriptorSet* given) : writes(given, given + count) {
    infos.reserve(count);
    for (VkWriteDescriptorSet& w : writes) {
      infos.push_back(*w.pBufferInfo);
      if (wrong_ranges) infos.back().range += VkDeviceSize{1} << 26;
      w.pBufferInfo = &infos.back();
    }
  }
};

VKAPI_ATTR void VKAPI_CALL Push(VkCommandBuffer commands, VkPipelineBindPoint point,
                                VkPipelineLayout layout, uint32_t set, uint32_t count,
                                const VkWriteDescriptorSet* writes) {
  real_push(commands, point, layout, set, count, Writes(count, writes).writes.data());
}

VKAPI_ATTR void VKAPI_CALL Update(VkDevice device, uint32_t count,
                                  const VkWriteDescriptorSet* writes, uint32_t copies,
                                  const VkCopyDescriptorSet* copied) {
  real_update(device, count, Writes(count, writes).writes.data(), copies, copied);
}

PFN_vkGetSemaphoreCounterValue real_counter;

// A device whose loss only waits tell hangs: what it had finished before somebody looked would
// leave nothing to wait for. Where waits are to work first, what they waited for must be seen as
// done.
VKAPI_ATTR VkResult VKAPI_CALL Counter(VkDevice device, VkSemaphore semaphore, uint64_t* value) {
  if (!faulty::IsDead("vkWaitSemaphores")) return real_counter(device, semaphore, value);
  *value = 0;
  return VK_SUCCESS;
}

PFN_vkGetDeviceProcAddr real_device_proc;

PFN_vkVoidFunction Ours(const char* name, PFN_vkVoidFunction real) {
  if (!real) return nullptr;
#define X(index, entry)                                                            \
  if (std::strcmp(name, #entry) == 0) {                                            \
    real_entries[index] = real;                                                    \
    return reinterpret_cast<PFN_vkVoidFunction>(&Fault<index, PFN_##entry>::Call); \
  }
  ENTRIES(X)
#undef X
  auto swap = [&](const char* wanted, auto* keep, auto ours) {
    if (std::strcmp(name, wanted) != 0) return false;
    *keep = reinterpret_cast<std::remove_pointer_t<decltype(keep)>>(real);
    real = reinterpret_cast<PFN_vkVoidFunction>(ours);
    return true;
  };
  swap("vkCmdPipelineBarrier", &real_barrier, &Barrier) ||
      swap("vkCmdPushDescriptorSetKHR", &real_push, &Push) ||
      swap("vkUpdateDescriptorSets", &real_update, &Update) ||
      swap("vkGetSemaphoreCounterValue", &real_counter, &Counter);
  return real;
}

VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL DeviceProc(VkDevice device, const char* name) {
  return Ours(name, real_device_proc(device, name));
}

}  // namespace

void faulty_set(const char* entry, long long n, int code) {
  if (std::strcmp(entry, "barriers") == 0)
    no_barriers = n != 0;
  else if (std::strcmp(entry, "ranges") == 0)
    wrong_ranges = n != 0;
  else
    faulty::Set(entry, n, code);
}
long long faulty_calls() { return faulty::Calls(); }

FAULTY_EXPORT PFN_vkVoidFunction VKAPI_CALL vkGetInstanceProcAddr(VkInstance instance,
                                                                  const char* name) {
  static const auto real = reinterpret_cast<PFN_vkGetInstanceProcAddr>(
      faulty::Real("libvulkan.so.1", "vkGetInstanceProcAddr"));
  const PFN_vkVoidFunction entry = real(instance, name);
  if (entry && std::strcmp(name, "vkGetDeviceProcAddr") == 0) {
    real_device_proc = reinterpret_cast<PFN_vkGetDeviceProcAddr>(entry);
    return reinterpret_cast<PFN_vkVoidFunction>(&DeviceProc);
  }
  return Ours(name, entry);
}
