// Vulkan devices with compute queues, and the plugin's state. Read in this order: State and Device
// here, device.cc, memory.cc, stream.cc (batches of commands), kernel.cc, glsl.cc, spirv.cc.
#ifndef BACKENDS_VULKAN_DEVICE_H_
#define BACKENDS_VULKAN_DEVICE_H_

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "api.h"
#include "driver.h"

namespace sy::vulkan {

// What is known of a device before it is opened.
struct Facts {
  VkPhysicalDevice physical = VK_NULL_HANDLE;
  std::string name, driver;
  VkPhysicalDeviceType type = VK_PHYSICAL_DEVICE_TYPE_OTHER;
  VkPhysicalDeviceLimits limits = {};
  uint8_t uuid[16] = {};
  uint8_t cache_uuid[VK_UUID_SIZE] = {};
  uint32_t api_version = 0, queue_family = 0, queue_count = 0;
  uint64_t total_bytes = 0, max_alloc_bytes = 0;
  uint32_t numeric = 0;  // SY_NUMERIC_*
  int32_t subgroup = 0;
  uint32_t time_bits = 0;  // of the queue family's time stamps; 0: it has none
  uint64_t types = 0;      // SY_T_BIT set
  bool has_push_descriptor = false, preserves_nan_f32 = false, preserves_nan_f64 = false,
       preserves_subnormals_f32 = false, preserves_subnormals_f64 = false;
  std::vector<const char*> extensions;  // to enable
};

struct State {
  const SyHost* host = nullptr;
  Api api;
  VkInstance instance = VK_NULL_HANDLE;
  InstanceApi vk;
  std::string reason;  // why there are no devices, or fewer
  std::vector<Facts> devices;
};

// A buffer with memory of its own; a memory handle is the address of one.
struct Block {
  VkBuffer buffer = VK_NULL_HANDLE;
  VkDeviceMemory memory = VK_NULL_HANDLE;
  VkDeviceAddress address = 0;
  char* host = nullptr;  // where it is mapped
  int64_t bytes = 0;
};

struct Device;

// A time stamp: a pool of one query. Its batch owns it, too; the handle is the address of another
// owner.
using SharedPool = std::shared_ptr<std::remove_pointer_t<VkQueryPool>>;

// Commands that are submitted together, and what they need until they are done.
struct Batch {
  VkCommandBuffer commands = VK_NULL_HANDLE;
  VkDescriptorPool pool = VK_NULL_HANDLE;  // where sets are not pushed
  int32_t command_count = 0;
  uint64_t value = 0;                  // the semaphore's when it is done
  int64_t ring_end = 0;                // staging up to here is free then
  std::vector<Block> blocks;           // staging that did not fit in the ring
  std::vector<SharedPool> timestamps;  // that it writes
  struct Out {
    const char* from;
    void* to;
    int64_t bytes;
  };
  std::vector<Out> outs;  // copies into the host's memory to make then
};

// A queue of batches. The semaphore counts them; a tick is a batch that it waits for. Calls on one
// stream do not overlap but for query and sync, so `mutex` guards what those touch.
struct Stream {
  Device* device = nullptr;
  VkQueue queue = VK_NULL_HANDLE;
  std::mutex* queue_mutex = nullptr;  // streams may share a queue
  VkSemaphore semaphore = VK_NULL_HANDLE;
  VkCommandPool pool = VK_NULL_HANDLE;
  Block ring;                            // mapped: staging and parameters
  int64_t ring_head = 0, ring_tail = 0;  // bytes [tail, head) of an endless ring are in use
  std::unique_ptr<Batch> open;           // being recorded; null: none
  std::vector<std::pair<VkSemaphore, uint64_t>> waits;  // of the next batch
  std::mutex mutex;
  std::deque<std::unique_ptr<Batch>> running;  // submitted
  std::vector<std::unique_ptr<Batch>> idle;
  std::deque<std::pair<uint64_t, uint64_t>> ticks;  // that are not reached, with the batch's value
  uint64_t last_tick = 0, done_tick = 0;
  uint64_t submitted = 0;       // value of the last batch submitted
  VkResult error = VK_SUCCESS;  // sticks until reset
};

// An open device: the context of the kit's SyGpu, whose address is the device's handle.
struct Device {
  State* state = nullptr;
  const SyHost* host = nullptr;
  const Facts* facts = nullptr;
  VkDevice device = VK_NULL_HANDLE;
  DeviceApi vk;
  SyGpu* gpu = nullptr;
  gpu::CompiledCode code;
  std::vector<std::unique_ptr<std::mutex>> queue_mutexes;
  std::atomic<uint32_t> next_queue{0};
  uint32_t device_memory_type = 0, host_memory_type = 0;
  std::atomic<int64_t> used_bytes{0};
  std::atomic<bool> lost{false};  // the host's memory is not touched any more

  explicit Device(const SyHost* h) : host(h), code(h, "vulkan") {}
  ~Device();
  // Sets the message and turns a result into one of our codes.
  SyStatus Fail(VkResult result, const char* what);
  // A buffer with memory; on the host's side mapped.
  VkResult MakeBlock(int64_t bytes, bool on_host, Block* out);
  void FreeBlock(const Block& block);
};

inline Device* DeviceOf(uint64_t handle) {
  return static_cast<Device*>(sy_gpu_context(sy_gpu_from(handle)));
}
inline Stream* StreamOf(uint64_t handle) { return reinterpret_cast<Stream*>(handle); }
inline Block* BlockOf(uint64_t handle) { return reinterpret_cast<Block*>(handle); }

// The batch in which the stream's next command is recorded; null with an error set. The barrier
// that orders it behind the last one is recorded too.
Batch* Record(Stream* stream, SyStatus* status);
// `bytes` of mapped memory that live until the batch is done.
SyStatus Stage(Stream* stream, Batch* batch, int64_t bytes, int64_t alignment, VkBuffer* out_buffer,
               int64_t* out_offset, char** out_host);

template <class Body>
SyStatus Guarded(const SyHost* host, Body body) {
  return gpu::Guarded(host, "vulkan", body);
}

// GLSL to SPIR-V by glslang; an empty result and a line in *error where it does not compile.
std::string CompilerVersion();
std::vector<uint32_t> CompileGlsl(const char* text, const char* name, std::string* error);
// Marks float arithmetic as not to be contracted, and asks for the modes that the device offers.
void FixFloats(const Facts& facts, bool contracts, std::vector<uint32_t>* spirv);

SyStatus Compile(void* context, const SyGpuSource* source, void** out_native);
void ReleaseKernel(void* context, void* native);
SyStatus Launch(void* context, const SyGpuLaunch* launch);

extern const SyDeviceFns kDeviceFns;
extern const SyMemoryFns kMemoryFns;
extern const SyStreamFns kStreamFns;
SyStatus Start(const SyHost* host, void** out_state);
void Close(void* state);

}  // namespace sy::vulkan

#endif  // BACKENDS_VULKAN_DEVICE_H_
