// The functions of the Vulkan loader, opened at run time, so that the plugin loads on a machine
// without Vulkan and can say so.
#ifndef BACKENDS_VULKAN_API_H_
#define BACKENDS_VULKAN_API_H_

#define VK_NO_PROTOTYPES
#include <vulkan/vulkan.h>

#include <string>

namespace sy::vulkan {

#define SY_VULKAN_INSTANCE_FUNCTIONS(X)       \
  X(vkDestroyInstance)                        \
  X(vkEnumeratePhysicalDevices)               \
  X(vkGetPhysicalDeviceProperties2)           \
  X(vkGetPhysicalDeviceFeatures2)             \
  X(vkGetPhysicalDeviceMemoryProperties2)     \
  X(vkGetPhysicalDeviceQueueFamilyProperties) \
  X(vkEnumerateDeviceExtensionProperties)     \
  X(vkCreateDevice)                           \
  X(vkGetDeviceProcAddr)

#define SY_VULKAN_DEVICE_FUNCTIONS(X) \
  X(vkDestroyDevice)                  \
  X(vkGetDeviceQueue)                 \
  X(vkQueueWaitIdle)                  \
  X(vkDeviceWaitIdle)                 \
  X(vkCreateBuffer)                   \
  X(vkDestroyBuffer)                  \
  X(vkGetBufferMemoryRequirements)    \
  X(vkAllocateMemory)                 \
  X(vkFreeMemory)                     \
  X(vkBindBufferMemory)               \
  X(vkMapMemory)                      \
  X(vkCreateCommandPool)              \
  X(vkDestroyCommandPool)             \
  X(vkAllocateCommandBuffers)         \
  X(vkBeginCommandBuffer)             \
  X(vkEndCommandBuffer)               \
  X(vkResetCommandBuffer)             \
  X(vkQueueSubmit)                    \
  X(vkCreateSemaphore)                \
  X(vkDestroySemaphore)               \
  X(vkCreateShaderModule)             \
  X(vkDestroyShaderModule)            \
  X(vkCreateDescriptorSetLayout)      \
  X(vkDestroyDescriptorSetLayout)     \
  X(vkCreatePipelineLayout)           \
  X(vkDestroyPipelineLayout)          \
  X(vkCreatePipelineCache)            \
  X(vkDestroyPipelineCache)           \
  X(vkGetPipelineCacheData)           \
  X(vkCreateComputePipelines)         \
  X(vkDestroyPipeline)                \
  X(vkCreateDescriptorPool)           \
  X(vkDestroyDescriptorPool)          \
  X(vkResetDescriptorPool)            \
  X(vkAllocateDescriptorSets)         \
  X(vkUpdateDescriptorSets)           \
  X(vkCmdBindPipeline)                \
  X(vkCmdBindDescriptorSets)          \
  X(vkCmdPushConstants)               \
  X(vkCmdDispatch)                    \
  X(vkCmdPipelineBarrier)             \
  X(vkCreateQueryPool)                \
  X(vkDestroyQueryPool)               \
  X(vkGetQueryPoolResults)            \
  X(vkCmdResetQueryPool)              \
  X(vkCmdWriteTimestamp)              \
  X(vkCmdCopyBuffer)                  \
  X(vkCmdFillBuffer)

// Core in 1.2, extensions of 1.1: found under either name.
#define SY_VULKAN_NEWER_FUNCTIONS(X) \
  X(vkGetSemaphoreCounterValue)      \
  X(vkWaitSemaphores)                \
  X(vkGetBufferDeviceAddress)

struct Api {
  PFN_vkGetInstanceProcAddr vkGetInstanceProcAddr = nullptr;
  PFN_vkCreateInstance vkCreateInstance = nullptr;
  PFN_vkEnumerateInstanceVersion vkEnumerateInstanceVersion = nullptr;
};

struct InstanceApi {
#define X(name) PFN_##name name = nullptr;
  SY_VULKAN_INSTANCE_FUNCTIONS(X)
#undef X
};

struct DeviceApi {
#define X(name) PFN_##name name = nullptr;
  SY_VULKAN_DEVICE_FUNCTIONS(X)
  SY_VULKAN_NEWER_FUNCTIONS(X)
#undef X
  PFN_vkCmdPushDescriptorSetKHR vkCmdPushDescriptorSetKHR = nullptr;  // null: not there
};

// Opens the loader, by its path or, where that is empty, by its usual name, and keeps it. False
// with a reason where there is none.
bool LoadApi(const std::string& path, Api* out, std::string* reason);
bool LoadInstance(const Api& api, VkInstance instance, InstanceApi* out, std::string* reason);
bool LoadDevice(const InstanceApi& api, VkDevice device, DeviceApi* out, std::string* reason);

// "VK_ERROR_DEVICE_LOST"
const char* ResultName(VkResult result);

}  // namespace sy::vulkan

#endif  // BACKENDS_VULKAN_API_H_
