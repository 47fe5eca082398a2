// Compiling and launching.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "device.h"

namespace sy::vulkan {
namespace {

struct Kernel {
  Device* device = nullptr;
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  VkPipeline pipeline = VK_NULL_HANDLE;
  uint32_t bindings = 0;
  bool pushes_params = false, wide = false;

  ~Kernel() {
    const DeviceApi& vk = device->vk;
    if (pipeline) vk.vkDestroyPipeline(device->device, pipeline, nullptr);
    if (layout) vk.vkDestroyPipelineLayout(device->device, layout, nullptr);
    if (set_layout) vk.vkDestroyDescriptorSetLayout(device->device, set_layout, nullptr);
  }
};

// What is kept of a kernel: SPIR-V, and what the driver made of it, in its own words. It refuses
// what is not its own.
struct Compiled {
  std::vector<uint32_t> words;
  std::string pipeline;
};

// What compiled code depends on beside the text.
std::string AboutOf(const Device& d) {
  std::string about = "SPIR-V by " + CompilerVersion() + "\n" + d.facts->driver + " ";
  for (const uint8_t byte : d.facts->cache_uuid) {
    char hex[3];
    std::snprintf(hex, sizeof hex, "%02x", byte);
    about += hex;
  }
  return about;
}

// A blob is the number of words, the words and the rest.
bool FromCache(Device* d, const SyGpuSource& source, Compiled* out) {
  std::string blob;
  uint32_t count = 0;
  if (!d->code.Get(source, AboutOf(*d), &blob) || blob.size() < sizeof count) return false;
  std::memcpy(&count, blob.data(), sizeof count);
  const size_t bytes = size_t{4} * count;
  if (count == 0 || blob.size() - sizeof count < bytes) return false;
  out->words.resize(count);
  std::memcpy(out->words.data(), blob.data() + sizeof count, bytes);
  out->pipeline = blob.substr(sizeof count + bytes);
  return true;
}

void ToCache(const Device& d, const SyGpuSource& source, const Compiled& compiled) {
  const auto count = static_cast<uint32_t>(compiled.words.size());
  std::string blob(reinterpret_cast<const char*>(&count), sizeof count);
  blob.append(reinterpret_cast<const char*>(compiled.words.data()), size_t{4} * count);
  d.code.Put(source, AboutOf(d), blob + compiled.pipeline);
}

SyStatus FromSource(Device* d, const SyGpuSource& source, std::vector<uint32_t>* words) {
  std::string error;
  *words = CompileGlsl(source.text, source.signature->name, &error);
  if (!words->empty()) return SY_OK;
  if (d->host->log_level() >= SY_LOG_DEBUG) d->host->log(SY_LOG_DEBUG, source.text);
  return d->host->fail(SY_INTERNAL, "vulkan: kernel %s does not compile: %s",
                       source.signature->name, error.substr(0, error.find('\n')).c_str());
}

// The cache of one pipeline.
class PipelineCache {
 public:
  explicit PipelineCache(const Device& d) : d_(d) {}
  ~PipelineCache() {
    if (cache_) d_.vk.vkDestroyPipelineCache(d_.device, cache_, nullptr);
  }
  PipelineCache(const PipelineCache&) = delete;
  PipelineCache& operator=(const PipelineCache&) = delete;

  VkResult Fill(const std::string& data) {
    const VkPipelineCacheCreateInfo create = {VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO, nullptr,
                                              0, data.size(), data.data()};
    return d_.vk.vkCreatePipelineCache(d_.device, &create, nullptr, &cache_);
  }
  std::string Data() const {
    size_t size = 0;
    if (d_.vk.vkGetPipelineCacheData(d_.device, cache_, &size, nullptr) != VK_SUCCESS) return "";
    std::string data(size, '\0');
    if (d_.vk.vkGetPipelineCacheData(d_.device, cache_, &size, data.data()) != VK_SUCCESS)
      return "";
    return data;
  }
  VkPipelineCache get() const { return cache_; }

 private:
  const Device& d_;
  VkPipelineCache cache_ = VK_NULL_HANDLE;
};

VkResult MakePipeline(Device* d, const SyGpuSource& source, const std::vector<uint32_t>& words,
                      VkPipelineCache cache, Kernel* k) {
  const SyGpuSignature& s = *source.signature;
  k->wide = source.wide;
  k->pushes_params = s.param_bytes <= SY_GPU_PUSH_BYTES;
  k->bindings = static_cast<uint32_t>((k->wide ? 0 : s.buffer_count) + (k->pushes_params ? 0 : 1));
  std::vector<VkDescriptorSetLayoutBinding> bindings;
  for (uint32_t i = 0; i < k->bindings; ++i)
    bindings.push_back(
        {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr});
  const VkDescriptorSetLayoutCreateFlags flags =
      d->vk.vkCmdPushDescriptorSetKHR ? VK_DESCRIPTOR_SET_LAYOUT_CREATE_PUSH_DESCRIPTOR_BIT_KHR : 0;
  VkDescriptorSetLayoutCreateInfo set = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
                                         nullptr, flags, k->bindings, bindings.data()};
  if (VkResult r = d->vk.vkCreateDescriptorSetLayout(d->device, &set, nullptr, &k->set_layout))
    return r;
  const VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0,
                                     static_cast<uint32_t>(s.param_bytes)};
  VkPipelineLayoutCreateInfo layout = {VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                       nullptr,
                                       0,
                                       1,
                                       &k->set_layout,
                                       k->pushes_params ? 1u : 0u,
                                       &range};
  if (VkResult r = d->vk.vkCreatePipelineLayout(d->device, &layout, nullptr, &k->layout)) return r;
  VkShaderModuleCreateInfo module = {VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, nullptr, 0,
                                     words.size() * 4, words.data()};
  VkShaderModule shader;
  if (VkResult r = d->vk.vkCreateShaderModule(d->device, &module, nullptr, &shader)) return r;
  VkComputePipelineCreateInfo create = {};
  create.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  create.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  create.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  create.stage.module = shader;
  create.stage.pName = "main";
  create.layout = k->layout;
  const VkResult r =
      d->vk.vkCreateComputePipelines(d->device, cache, 1, &create, nullptr, &k->pipeline);
  d->vk.vkDestroyShaderModule(d->device, shader, nullptr);
  return r;
}

}  // namespace

SyStatus Compile(void* context, const SyGpuSource* source, void** out_native) {
  Device* d = static_cast<Device*>(context);
  return Guarded(d->host, [&]() -> SyStatus {
    Compiled compiled;
    const bool cached = FromCache(d, *source, &compiled);
    if (!cached)
      if (SyStatus e = FromSource(d, *source, &compiled.words)) return e;
    std::vector<uint32_t> words = compiled.words;
    FixFloats(*d->facts, source->contracts, &words);
    PipelineCache cache(*d);
    if (VkResult r = cache.Fill(compiled.pipeline)) return d->Fail(r, "vkCreatePipelineCache");
    auto kernel = std::make_unique<Kernel>();
    kernel->device = d;
    if (VkResult r = MakePipeline(d, *source, words, cache.get(), kernel.get()))
      return d->Fail(r, source->signature->name);
    if (!cached) {
      compiled.pipeline = cache.Data();
      ToCache(*d, *source, compiled);
    }
    d->code.Count(cached);
    *out_native = kernel.release();
    return SY_OK;
  });
}

void ReleaseKernel(void*, void* native) { delete static_cast<Kernel*>(native); }

SyStatus Launch(void* context, const SyGpuLaunch* launch) {
  Device* d = static_cast<Device*>(context);
  return Guarded(d->host, [&]() -> SyStatus {
    const SyGpuSignature& s = launch->kernel->signature;
    const Kernel& k = *static_cast<Kernel*>(launch->kernel->native);
    Stream* stream = StreamOf(launch->call->stream);
    SyStatus status = SY_OK;
    Batch* batch = Record(stream, &status);
    if (!batch) return status;
    VkDescriptorBufferInfo infos[SY_GPU_MAX_BUFFERS + 1];
    VkWriteDescriptorSet writes[SY_GPU_MAX_BUFFERS + 1];
    const auto alignment = static_cast<int64_t>(d->facts->limits.minStorageBufferOffsetAlignment);
    for (int32_t i = 0; i < s.buffer_count; ++i) {
      const SyGpuBuffer& b = launch->buffers[i];
      const Block& block = *BlockOf(b.memory.handle);
      uint64_t word;
      if (k.wide) {
        word = block.address + static_cast<uint64_t>(b.offset);
      } else {
        // The binding starts at a multiple of what the device and four elements want.
        const int64_t unit = std::max<int64_t>(alignment, 32);
        const int64_t from = (b.offset + b.low) / unit * unit;
        const int64_t bytes = (b.offset + b.high - from + 15) / 16 * 16;
        word = static_cast<uint64_t>((b.offset - from) / s.element_bytes[i]);
        infos[i] = {block.buffer, static_cast<VkDeviceSize>(from),
                    static_cast<VkDeviceSize>(std::max<int64_t>(bytes, 16))};
      }
      std::memcpy(launch->params + 8 * i, &word, sizeof word);
    }
    if (!k.pushes_params) {
      VkBuffer buffer;
      int64_t at;
      char* memory;
      if (SyStatus e = Stage(stream, batch, s.param_bytes, std::max<int64_t>(alignment, 16),
                             &buffer, &at, &memory))
        return e;
      std::memcpy(memory, launch->params, static_cast<size_t>(s.param_bytes));
      infos[k.bindings - 1] = {buffer, static_cast<VkDeviceSize>(at),
                               static_cast<VkDeviceSize>(s.param_bytes)};
    }
    for (uint32_t i = 0; i < k.bindings; ++i)
      writes[i] = {VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, nullptr, VK_NULL_HANDLE, i,      0, 1,
                   VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,      nullptr, &infos[i],      nullptr};
    const DeviceApi& vk = d->vk;
    vk.vkCmdBindPipeline(batch->commands, VK_PIPELINE_BIND_POINT_COMPUTE, k.pipeline);
    if (k.bindings && vk.vkCmdPushDescriptorSetKHR) {
      vk.vkCmdPushDescriptorSetKHR(batch->commands, VK_PIPELINE_BIND_POINT_COMPUTE, k.layout, 0,
                                   k.bindings, writes);
    } else if (k.bindings) {
      VkDescriptorSetAllocateInfo allocate = {VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                              nullptr, batch->pool, 1, &k.set_layout};
      VkDescriptorSet set;
      if (VkResult r = vk.vkAllocateDescriptorSets(d->device, &allocate, &set))
        return d->Fail(r, "no descriptor set");
      for (uint32_t i = 0; i < k.bindings; ++i) writes[i].dstSet = set;
      vk.vkUpdateDescriptorSets(d->device, k.bindings, writes, 0, nullptr);
      vk.vkCmdBindDescriptorSets(batch->commands, VK_PIPELINE_BIND_POINT_COMPUTE, k.layout, 0, 1,
                                 &set, 0, nullptr);
    }
    if (k.pushes_params)
      vk.vkCmdPushConstants(batch->commands, k.layout, VK_SHADER_STAGE_COMPUTE_BIT, 0,
                            static_cast<uint32_t>(s.param_bytes), launch->params);
    // Groups in two dimensions where one does not hold them; those beyond the end do nothing.
    const int64_t most = d->facts->limits.maxComputeWorkGroupCount[0];
    const int64_t y = (launch->groups + most - 1) / most;
    const int64_t x = (launch->groups + y - 1) / y;
    vk.vkCmdDispatch(batch->commands, static_cast<uint32_t>(x), static_cast<uint32_t>(y), 1);
    return SY_OK;
  });
}

}  // namespace sy::vulkan
