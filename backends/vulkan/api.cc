#include "api.h"

#include <dlfcn.h>

namespace sy::vulkan {

bool LoadApi(const std::string& path, Api* out, std::string* reason) {
  void* library = dlopen(path.empty() ? "libvulkan.so.1" : path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    *reason = std::string("no Vulkan loader: ") + dlerror();
    return false;
  }
  out->vkGetInstanceProcAddr =
      reinterpret_cast<PFN_vkGetInstanceProcAddr>(dlsym(library, "vkGetInstanceProcAddr"));
  if (out->vkGetInstanceProcAddr) {
    out->vkCreateInstance = reinterpret_cast<PFN_vkCreateInstance>(
        out->vkGetInstanceProcAddr(nullptr, "vkCreateInstance"));
    out->vkEnumerateInstanceVersion = reinterpret_cast<PFN_vkEnumerateInstanceVersion>(
        out->vkGetInstanceProcAddr(nullptr, "vkEnumerateInstanceVersion"));
  }
  if (!out->vkCreateInstance || !out->vkEnumerateInstanceVersion)
    *reason = "the Vulkan loader is older than 1.1";
  return reason->empty();
}

bool LoadInstance(const Api& api, VkInstance instance, InstanceApi* out, std::string* reason) {
#define X(name)                                                                         \
  out->name = reinterpret_cast<PFN_##name>(api.vkGetInstanceProcAddr(instance, #name)); \
  if (!out->name) *reason = "the Vulkan loader lacks " #name;
  SY_VULKAN_INSTANCE_FUNCTIONS(X)
#undef X
  return reason->empty();
}

bool LoadDevice(const InstanceApi& api, VkDevice device, DeviceApi* out, std::string* reason) {
#define X(name)                                                                     \
  out->name = reinterpret_cast<PFN_##name>(api.vkGetDeviceProcAddr(device, #name)); \
  if (!out->name) *reason = "the driver lacks " #name;
  SY_VULKAN_DEVICE_FUNCTIONS(X)
#undef X
#define X(name)                                                                             \
  out->name = reinterpret_cast<PFN_##name>(api.vkGetDeviceProcAddr(device, #name));         \
  if (!out->name)                                                                           \
    out->name = reinterpret_cast<PFN_##name>(api.vkGetDeviceProcAddr(device, #name "KHR")); \
  if (!out->name) *reason = "the driver lacks " #name;
  SY_VULKAN_NEWER_FUNCTIONS(X)
#undef X
  out->vkCmdPushDescriptorSetKHR = reinterpret_cast<PFN_vkCmdPushDescriptorSetKHR>(
      api.vkGetDeviceProcAddr(device, "vkCmdPushDescriptorSetKHR"));
  return reason->empty();
}

const char* ResultName(VkResult result) {
  switch (result) {
#define CASE(name) \
  case name:       \
    return #name
    CASE(VK_ERROR_OUT_OF_HOST_MEMORY);
    CASE(VK_ERROR_OUT_OF_DEVICE_MEMORY);
    CASE(VK_ERROR_INITIALIZATION_FAILED);
    CASE(VK_ERROR_DEVICE_LOST);
    CASE(VK_ERROR_MEMORY_MAP_FAILED);
    CASE(VK_ERROR_LAYER_NOT_PRESENT);
    CASE(VK_ERROR_EXTENSION_NOT_PRESENT);
    CASE(VK_ERROR_FEATURE_NOT_PRESENT);
    CASE(VK_ERROR_INCOMPATIBLE_DRIVER);
    CASE(VK_ERROR_TOO_MANY_OBJECTS);
    CASE(VK_ERROR_FRAGMENTED_POOL);
    CASE(VK_ERROR_OUT_OF_POOL_MEMORY);
    CASE(VK_TIMEOUT);
#undef CASE
    default:
      return "Vulkan error";
  }
}

}  // namespace sy::vulkan
