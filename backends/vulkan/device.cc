#include "device.h"

#include <algorithm>
#include <cstring>

namespace sy::vulkan {
namespace {

struct Features {
  VkPhysicalDeviceFeatures2 all = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, nullptr, {}};
  VkPhysicalDevice16BitStorageFeatures storage16 = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES, nullptr, 0, 0, 0, 0};
  VkPhysicalDevice8BitStorageFeatures storage8 = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES, nullptr, 0, 0, 0};
  VkPhysicalDeviceShaderFloat16Int8Features int8 = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES, nullptr, 0, 0};
  VkPhysicalDeviceBufferDeviceAddressFeatures address = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_BUFFER_DEVICE_ADDRESS_FEATURES, nullptr, 0, 0, 0};
  VkPhysicalDeviceTimelineSemaphoreFeatures timeline = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_TIMELINE_SEMAPHORE_FEATURES, nullptr, 0};
  VkPhysicalDeviceScalarBlockLayoutFeatures scalar = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SCALAR_BLOCK_LAYOUT_FEATURES, nullptr, 0};
  Features() {
    all.pNext = &storage16;
    storage16.pNext = &storage8;
    storage8.pNext = &int8;
    int8.pNext = &address;
    address.pNext = &timeline;
    timeline.pNext = &scalar;
  }
  Features(const Features&) = delete;
};

// Why the device cannot be used; empty if it can.
std::string Missing(const Features& f) {
  if (!f.all.features.shaderInt64) return "no 64-bit integers in shaders";
  if (!f.address.bufferDeviceAddress) return "no buffer device addresses";
  if (!f.timeline.timelineSemaphore) return "no timeline semaphores";
  if (!f.scalar.scalarBlockLayout) return "no scalar block layout";
  if (!f.all.features.shaderInt16 || !f.storage16.storageBuffer16BitAccess)
    return "no 16-bit storage";
  if (!f.int8.shaderInt8 || !f.storage8.storageBuffer8BitAccess) return "no 8-bit storage";
  return "";
}

bool Has(const std::vector<VkExtensionProperties>& list, const char* name) {
  return std::any_of(list.begin(), list.end(), [&](const VkExtensionProperties& e) {
    return std::strcmp(e.extensionName, name) == 0;
  });
}

// Extensions of 1.1 that became core in 1.2.
constexpr const char* kNewer[] = {
    VK_KHR_8BIT_STORAGE_EXTENSION_NAME,          VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME,
    VK_KHR_BUFFER_DEVICE_ADDRESS_EXTENSION_NAME, VK_KHR_TIMELINE_SEMAPHORE_EXTENSION_NAME,
    VK_EXT_SCALAR_BLOCK_LAYOUT_EXTENSION_NAME,   VK_KHR_SHADER_FLOAT_CONTROLS_EXTENSION_NAME,
    VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME};

std::string Describe(const State& s, VkPhysicalDevice physical, Facts* f) {
  VkPhysicalDeviceDriverProperties driver = {VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES,
                                             nullptr,
                                             VK_DRIVER_ID_MAX_ENUM,
                                             {},
                                             {},
                                             {}};
  VkPhysicalDeviceFloatControlsProperties floats = {};
  floats.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FLOAT_CONTROLS_PROPERTIES;
  floats.pNext = &driver;
  VkPhysicalDeviceSubgroupProperties subgroup = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES, &floats, 0, 0, 0, 0};
  VkPhysicalDeviceMaintenance3Properties maintenance = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES, &subgroup, 0, 0};
  VkPhysicalDeviceIDProperties id = {};
  id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
  id.pNext = &maintenance;
  VkPhysicalDeviceProperties2 properties = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &id, {}};
  s.vk.vkGetPhysicalDeviceProperties2(physical, &properties);
  const VkPhysicalDeviceProperties& p = properties.properties;
  f->physical = physical;
  f->name = p.deviceName;
  f->type = p.deviceType;
  f->limits = p.limits;
  f->api_version = p.apiVersion;
  std::memcpy(f->uuid, id.deviceUUID, sizeof f->uuid);
  std::memcpy(f->cache_uuid, p.pipelineCacheUUID, sizeof f->cache_uuid);
  if (p.apiVersion < VK_API_VERSION_1_1) return "older than Vulkan 1.1";
  f->driver = std::string(driver.driverName) + " " + driver.driverInfo;
  f->subgroup = static_cast<int32_t>(subgroup.subgroupSize);
  f->max_alloc_bytes = maintenance.maxMemoryAllocationSize;

  uint32_t count = 0;
  s.vk.vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  s.vk.vkEnumerateDeviceExtensionProperties(physical, nullptr, &count, extensions.data());
  if (p.apiVersion < VK_API_VERSION_1_2)
    for (const char* name : kNewer)
      if (Has(extensions, name)) f->extensions.push_back(name);
  f->has_push_descriptor = Has(extensions, VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME);
  if (f->has_push_descriptor) f->extensions.push_back(VK_KHR_PUSH_DESCRIPTOR_EXTENSION_NAME);

  Features features;
  s.vk.vkGetPhysicalDeviceFeatures2(physical, &features.all);
  if (std::string missing = Missing(features); !missing.empty()) return missing;
  f->types = features.all.features.shaderFloat64 ? SY_T_ALL : SY_T_ALL & ~SY_T_BIT(SY_T_F64);
  f->preserves_nan_f32 = floats.shaderSignedZeroInfNanPreserveFloat32;
  f->preserves_nan_f64 = floats.shaderSignedZeroInfNanPreserveFloat64;
  f->preserves_subnormals_f32 = floats.shaderDenormPreserveFloat32;
  f->preserves_subnormals_f64 = floats.shaderDenormPreserveFloat64;
  f->numeric = SY_NUMERIC_DETERMINISTIC;
  if (f->preserves_nan_f32) f->numeric |= SY_NUMERIC_NAN | SY_NUMERIC_SIGNED_ZERO;
  if (f->preserves_subnormals_f32 || f->type == VK_PHYSICAL_DEVICE_TYPE_CPU)
    f->numeric |= SY_NUMERIC_SUBNORMALS;
  if (f->type == VK_PHYSICAL_DEVICE_TYPE_CPU)
    f->numeric |= SY_NUMERIC_EXACT_DIV | SY_NUMERIC_EXACT_SQRT;

  s.vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  s.vk.vkGetPhysicalDeviceQueueFamilyProperties(physical, &count, families.data());
  for (uint32_t i = 0; i < count; ++i) {
    if (!(families[i].queueFlags & VK_QUEUE_COMPUTE_BIT)) continue;
    const bool better = f->queue_count == 0 || !(families[i].queueFlags & VK_QUEUE_GRAPHICS_BIT);
    if (!better) continue;
    f->queue_family = i;
    f->queue_count = std::min(families[i].queueCount, 4u);
    f->time_bits = families[i].timestampValidBits;
  }
  if (f->queue_count == 0) return "no queue that computes";
  if (f->limits.maxComputeWorkGroupInvocations < SY_GPU_MOST_ITEMS ||
      f->limits.maxComputeWorkGroupSize[0] < SY_GPU_MOST_ITEMS)
    return "work groups of fewer than " + std::to_string(SY_GPU_MOST_ITEMS) + " invocations";

  VkPhysicalDeviceMemoryProperties2 memory = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, nullptr, {}};
  s.vk.vkGetPhysicalDeviceMemoryProperties2(physical, &memory);
  for (uint32_t i = 0; i < memory.memoryProperties.memoryHeapCount; ++i)
    if (memory.memoryProperties.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT)
      f->total_bytes += memory.memoryProperties.memoryHeaps[i].size;
  return "";
}

void FindDevices(State* s) {
  if (!LoadApi(s->host->option_text(s->host, "loader"), &s->api, &s->reason)) return;
  VkApplicationInfo application = {VK_STRUCTURE_TYPE_APPLICATION_INFO,
                                   nullptr,
                                   "switchyard",
                                   1,
                                   "switchyard",
                                   1,
                                   VK_API_VERSION_1_2};
  uint32_t version = VK_API_VERSION_1_0;
  s->api.vkEnumerateInstanceVersion(&version);
  if (version < VK_API_VERSION_1_1) {
    s->reason = "the Vulkan loader is older than 1.1";
    return;
  }
  VkInstanceCreateInfo create = {};
  create.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  create.pApplicationInfo = &application;
  const VkResult result = s->api.vkCreateInstance(&create, nullptr, &s->instance);
  if (result != VK_SUCCESS) {
    s->instance = VK_NULL_HANDLE;
    s->reason = std::string("no Vulkan instance: ") + ResultName(result);
    return;
  }
  if (!LoadInstance(s->api, s->instance, &s->vk, &s->reason)) return;
  uint32_t count = 0;
  s->vk.vkEnumeratePhysicalDevices(s->instance, &count, nullptr);
  std::vector<VkPhysicalDevice> devices(count);
  s->vk.vkEnumeratePhysicalDevices(s->instance, &count, devices.data());
  if (count == 0) s->reason = "the Vulkan loader finds no device (no driver is installed)";
  for (VkPhysicalDevice physical : devices) {
    Facts facts;
    const std::string missing = Describe(*s, physical, &facts);
    if (missing.empty())
      s->devices.push_back(std::move(facts));
    else
      s->reason += (s->reason.empty() ? "" : "; ") + facts.name + ": " + missing;
  }
}

SyStatus Info(void* state, int32_t index, SyDeviceInfo* out_info) {
  const Facts* facts = gpu::FactsOf(static_cast<State*>(state), index);
  if (!facts) return SY_OUT_OF_RANGE;
  const Facts& f = *facts;
  SY_SET(out_info, type,
         f.type == VK_PHYSICAL_DEVICE_TYPE_CPU              ? SY_DEVICE_TYPE_CPU
         : f.type == VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU ? SY_DEVICE_TYPE_INTEGRATED
                                                            : SY_DEVICE_TYPE_GPU);
  SY_SET(out_info, kind, "vulkan");
  SY_SET(out_info, name, f.name.c_str());
  SY_SET(out_info, driver, f.driver.c_str());
  if (SY_HAS(out_info, uuid)) std::memcpy(out_info->uuid, f.uuid, sizeof f.uuid);
  SY_SET(out_info, total_bytes, f.total_bytes);
  SY_SET(out_info, max_alloc_bytes, f.max_alloc_bytes);
  SY_SET(out_info, buffer_alignment,
         std::max<uint64_t>(256, f.limits.minStorageBufferOffsetAlignment));
  SY_SET(out_info, dtypes_storage, f.types);
  SY_SET(out_info, dtypes_compute, f.types);
  SY_SET(out_info, memory_kinds, SY_MEMORY_DEVICE);
  SY_SET(out_info, numeric, f.numeric);
  SY_SET(out_info, max_threads, static_cast<int32_t>(f.limits.maxComputeWorkGroupInvocations));
  SY_SET(out_info, shared_bytes, static_cast<int32_t>(f.limits.maxComputeSharedMemorySize));
  SY_SET(out_info, subgroup, f.subgroup);
  return SY_OK;
}

// The first type with all of `want`, and with `wish` where there is one.
uint32_t MemoryType(const VkPhysicalDeviceMemoryProperties& m, VkMemoryPropertyFlags want,
                    VkMemoryPropertyFlags wish) {
  for (const VkMemoryPropertyFlags flags : {want | wish, want, VkMemoryPropertyFlags{0}})
    for (uint32_t i = 0; i < m.memoryTypeCount; ++i)
      if ((m.memoryTypes[i].propertyFlags & flags) == flags) return i;
  return 0;
}

SyGpuDriver DriverFor(const Facts& f) {
  SyGpuDriver d = {};
  d.dialect = SY_GPU_GLSL;
  d.is_cpu = f.type == VK_PHYSICAL_DEVICE_TYPE_CPU;
  d.vector = 4;
  d.lanes = 4;
  d.map_group = d.loop_group = 64;
  // Offsets of bindings are rounded down.
  d.narrow_bytes = static_cast<int64_t>(f.limits.maxStorageBufferRange) - 256;
  d.compile = Compile;
  d.release = ReleaseKernel;
  d.launch = Launch;
  return d;
}

SyStatus CreateDevice(Device* d) {
  const State& s = *d->state;
  const Facts& f = *d->facts;
  Features have;
  s.vk.vkGetPhysicalDeviceFeatures2(f.physical, &have.all);
  Features want;
  want.all.features.shaderInt64 = want.all.features.shaderInt16 = VK_TRUE;
  want.all.features.shaderFloat64 = have.all.features.shaderFloat64;
  want.storage16.storageBuffer16BitAccess = want.storage8.storageBuffer8BitAccess = VK_TRUE;
  want.int8.shaderInt8 = want.address.bufferDeviceAddress = VK_TRUE;
  want.timeline.timelineSemaphore = want.scalar.scalarBlockLayout = VK_TRUE;
  const std::vector<float> priorities(f.queue_count, 1.0F);
  VkDeviceQueueCreateInfo queues = {VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                    nullptr,
                                    0,
                                    f.queue_family,
                                    f.queue_count,
                                    priorities.data()};
  VkDeviceCreateInfo create = {};
  create.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO;
  create.pNext = &want.all;
  create.queueCreateInfoCount = 1;
  create.pQueueCreateInfos = &queues;
  create.enabledExtensionCount = static_cast<uint32_t>(f.extensions.size());
  create.ppEnabledExtensionNames = f.extensions.data();
  if (VkResult r = s.vk.vkCreateDevice(f.physical, &create, nullptr, &d->device))
    return d->Fail(r, "vkCreateDevice");
  std::string reason;
  if (!LoadDevice(s.vk, d->device, &d->vk, &reason))
    return d->host->fail(SY_UNAVAILABLE, "vulkan: %s", reason.c_str());
  if (!f.has_push_descriptor) d->vk.vkCmdPushDescriptorSetKHR = nullptr;
  for (uint32_t i = 0; i < f.queue_count; ++i)
    d->queue_mutexes.push_back(std::make_unique<std::mutex>());
  VkPhysicalDeviceMemoryProperties2 memory = {
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2, nullptr, {}};
  s.vk.vkGetPhysicalDeviceMemoryProperties2(f.physical, &memory);
  d->device_memory_type =
      MemoryType(memory.memoryProperties, VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, 0);
  d->host_memory_type =
      MemoryType(memory.memoryProperties,
                 VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT,
                 VK_MEMORY_PROPERTY_HOST_CACHED_BIT);
  return SY_OK;
}

SyStatus Open(void* state, int32_t index, uint64_t* out_device) {
  State* s = static_cast<State*>(state);
  return Guarded(s->host, [&]() -> SyStatus {
    const Facts* facts = gpu::FactsOf(s, index);
    if (!facts) return SY_OUT_OF_RANGE;
    auto device = std::make_unique<Device>(s->host);
    device->state = s;
    device->facts = facts;
    if (SyStatus e = CreateDevice(device.get())) return e;
    SyGpuDriver driver = DriverFor(*device->facts);
    driver.prefers_wide = static_cast<int32_t>(s->host->option_int(s->host, "wide"));
    device->gpu = sy_gpu_create(s->host, &driver, device.get());
    if (!device->gpu) return s->host->fail(SY_RESOURCE_EXHAUSTED, "vulkan: out of host memory");
    *out_device = sy_gpu_handle(device.release()->gpu);
    return SY_OK;
  });
}

void CloseDevice(void*, uint64_t handle) { delete DeviceOf(handle); }

SyStatus MemoryInfo(void*, uint64_t handle, uint64_t* out_free, uint64_t* out_total) {
  const Device& d = *DeviceOf(handle);
  const uint64_t used = static_cast<uint64_t>(d.used_bytes.load());
  *out_total = d.facts->total_bytes;
  *out_free = used < d.facts->total_bytes ? d.facts->total_bytes - used : 0;
  return SY_OK;
}

}  // namespace

Device::~Device() {
  if (gpu) code.Report(facts->name);
  if (device && vk.vkDeviceWaitIdle) {
    vk.vkDeviceWaitIdle(device);
    sy_gpu_destroy(gpu);
    vk.vkDestroyDevice(device, nullptr);
  }
}

SyStatus Device::Fail(VkResult result, const char* what) {
  const SyStatus status = result == VK_ERROR_OUT_OF_HOST_MEMORY ||
                                  result == VK_ERROR_OUT_OF_DEVICE_MEMORY ||
                                  result == VK_ERROR_TOO_MANY_OBJECTS
                              ? SY_RESOURCE_EXHAUSTED
                          : result == VK_ERROR_DEVICE_LOST ? SY_UNAVAILABLE
                                                           : SY_INTERNAL;
  if (status == SY_UNAVAILABLE) lost = true;
  return host->fail(status, "vulkan: %s: %s (%d)", what, ResultName(result),
                    static_cast<int>(result));
}

const SyDeviceFns kDeviceFns = {
    .size = sizeof(SyDeviceFns),
    .count = gpu::Count<State>,
    .info = Info,
    .open = Open,
    .close = CloseDevice,
    .memory_info = MemoryInfo,
};

SyStatus Start(const SyHost* host, void** out_state) {
  return gpu::Start(host, "vulkan", FindDevices, out_state);
}

void Close(void* state) {
  State* s = static_cast<State*>(state);
  if (s->instance && s->vk.vkDestroyInstance) s->vk.vkDestroyInstance(s->instance, nullptr);
  delete s;
}

}  // namespace sy::vulkan
