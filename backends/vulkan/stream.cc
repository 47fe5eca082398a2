#include <algorithm>
#include <cmath>
#include <cstring>

#include "device.h"

namespace sy::vulkan {
namespace {

constexpr int64_t kRingBytes = 4 << 20;
constexpr int32_t kMostCommands = 512;  // of a batch
constexpr uint32_t kSetsOfPool = 256;

// Finishes batches that are done: copies for the host, staging, ticks. The caller holds the mutex.
void Advance(Stream* s) {
  Device& d = *s->device;
  uint64_t value = 0;
  const VkResult r = d.vk.vkGetSemaphoreCounterValue(d.device, s->semaphore, &value);
  if (r != VK_SUCCESS && s->error == VK_SUCCESS) s->error = r;
  while (!s->running.empty() && s->running.front()->value <= value) {
    std::unique_ptr<Batch> batch = std::move(s->running.front());
    s->running.pop_front();
    for (const Batch::Out& out : batch->outs)
      if (!d.lost) std::memcpy(out.to, out.from, static_cast<size_t>(out.bytes));
    for (const Block& block : batch->blocks) d.FreeBlock(block);
    batch->outs.clear();
    batch->blocks.clear();
    batch->timestamps.clear();
    s->ring_tail = batch->ring_end;
    s->idle.push_back(std::move(batch));
  }
  while (!s->ticks.empty() && s->ticks.front().second <= value) {
    s->done_tick = s->ticks.front().first;
    s->ticks.pop_front();
  }
}

SyStatus Stuck(Stream* s) {
  return s->error == VK_SUCCESS ? SY_OK : s->device->Fail(s->error, "queued work failed");
}

VkResult NewBatch(Stream* s, std::unique_ptr<Batch>* out) {
  Device& d = *s->device;
  auto batch = std::make_unique<Batch>();
  VkCommandBufferAllocateInfo allocate = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, nullptr,
                                          s->pool, VK_COMMAND_BUFFER_LEVEL_PRIMARY, 1};
  if (VkResult r = d.vk.vkAllocateCommandBuffers(d.device, &allocate, &batch->commands)) return r;
  if (!d.vk.vkCmdPushDescriptorSetKHR) {
    const VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kSetsOfPool * 8};
    VkDescriptorPoolCreateInfo create = {
        VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, nullptr, 0, kSetsOfPool, 1, &size};
    if (VkResult r = d.vk.vkCreateDescriptorPool(d.device, &create, nullptr, &batch->pool))
      return r;
  }
  *out = std::move(batch);
  return VK_SUCCESS;
}

VkResult Begin(Stream* s) {
  Device& d = *s->device;
  {
    std::lock_guard<std::mutex> lock(s->mutex);
    Advance(s);
    if (!s->idle.empty()) {
      s->open = std::move(s->idle.back());
      s->idle.pop_back();
    }
  }
  if (!s->open)
    if (VkResult r = NewBatch(s, &s->open)) return r;
  s->open->command_count = 0;
  if (s->open->pool) d.vk.vkResetDescriptorPool(d.device, s->open->pool, 0);
  VkCommandBufferBeginInfo begin = {VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO, nullptr,
                                    VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT, nullptr};
  const VkResult r = d.vk.vkBeginCommandBuffer(s->open->commands, &begin);
  if (r != VK_SUCCESS) {
    std::lock_guard<std::mutex> lock(s->mutex);
    s->idle.push_back(std::move(s->open));
  }
  return r;
}

void Barrier(Stream* s, VkPipelineStageFlags to, VkAccessFlags access) {
  const VkMemoryBarrier barrier = {VK_STRUCTURE_TYPE_MEMORY_BARRIER, nullptr,
                                   VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
                                   access};
  s->device->vk.vkCmdPipelineBarrier(
      s->open->commands, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT, to,
      0, 1, &barrier, 0, nullptr, 0, nullptr);
}

// Submits the open batch.
SyStatus Submit(Stream* s) {
  Device& d = *s->device;
  if (!s->open) return SY_OK;
  Barrier(s, VK_PIPELINE_STAGE_HOST_BIT, VK_ACCESS_HOST_READ_BIT);
  VkResult r = d.vk.vkEndCommandBuffer(s->open->commands);
  std::vector<VkSemaphore> semaphores;
  std::vector<uint64_t> values;
  for (const auto& [semaphore, value] : s->waits) {
    semaphores.push_back(semaphore);
    values.push_back(value);
  }
  const std::vector<VkPipelineStageFlags> stages(semaphores.size(),
                                                 VK_PIPELINE_STAGE_ALL_COMMANDS_BIT);
  std::lock_guard<std::mutex> lock(s->mutex);
  s->open->value = s->submitted + 1;
  s->open->ring_end = s->ring_head;
  VkTimelineSemaphoreSubmitInfo timeline = {VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
                                            nullptr,
                                            static_cast<uint32_t>(values.size()),
                                            values.data(),
                                            1,
                                            &s->open->value};
  VkSubmitInfo submit = {VK_STRUCTURE_TYPE_SUBMIT_INFO,
                         &timeline,
                         static_cast<uint32_t>(semaphores.size()),
                         semaphores.data(),
                         stages.data(),
                         1,
                         &s->open->commands,
                         1,
                         &s->semaphore};
  if (r == VK_SUCCESS) {
    std::lock_guard<std::mutex> queue_lock(*s->queue_mutex);
    r = d.vk.vkQueueSubmit(s->queue, 1, &submit, VK_NULL_HANDLE);
  }
  s->waits.clear();
  if (r != VK_SUCCESS) {  // nothing of the batch will run
    if (s->error == VK_SUCCESS) s->error = r;
    for (auto& [tick, value] : s->ticks) value = std::min(value, s->submitted);
    for (const Block& block : s->open->blocks) d.FreeBlock(block);
    s->open->blocks.clear();
    s->open->outs.clear();
    s->open->timestamps.clear();
    s->idle.push_back(std::move(s->open));
    return d.Fail(r, "vkQueueSubmit");
  }
  ++s->submitted;
  s->running.push_back(std::move(s->open));
  return SY_OK;
}

SyStatus Create(void*, uint64_t handle, uint32_t, uint64_t* out_stream) {
  Device& d = *DeviceOf(handle);
  return Guarded(d.host, [&]() -> SyStatus {
    auto s = std::make_unique<Stream>();
    s->device = &d;
    const uint32_t queue = d.next_queue++ % d.facts->queue_count;
    d.vk.vkGetDeviceQueue(d.device, d.facts->queue_family, queue, &s->queue);
    s->queue_mutex = d.queue_mutexes[queue].get();
    VkSemaphoreTypeCreateInfo type = {VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, nullptr,
                                      VK_SEMAPHORE_TYPE_TIMELINE, 0};
    VkSemaphoreCreateInfo semaphore = {VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, &type, 0};
    VkCommandPoolCreateInfo pool = {
        VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, nullptr,
        VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT | VK_COMMAND_POOL_CREATE_TRANSIENT_BIT,
        d.facts->queue_family};
    VkResult r = d.vk.vkCreateSemaphore(d.device, &semaphore, nullptr, &s->semaphore);
    if (r == VK_SUCCESS) r = d.vk.vkCreateCommandPool(d.device, &pool, nullptr, &s->pool);
    if (r == VK_SUCCESS) r = d.MakeBlock(kRingBytes, true, &s->ring);
    if (r != VK_SUCCESS) {
      if (s->pool) d.vk.vkDestroyCommandPool(d.device, s->pool, nullptr);
      if (s->semaphore) d.vk.vkDestroySemaphore(d.device, s->semaphore, nullptr);
      return d.Fail(r, "no stream");
    }
    *out_stream = reinterpret_cast<uint64_t>(s.release());
    return SY_OK;
  });
}

void Destroy(void*, uint64_t handle, uint64_t stream) {
  Device& d = *DeviceOf(handle);
  std::unique_ptr<Stream> s(StreamOf(stream));
  if (s->open) s->idle.push_back(std::move(s->open));
  // After a lost device some may still count as running, and even run.
  {
    std::lock_guard<std::mutex> queue_lock(*s->queue_mutex);
    d.vk.vkQueueWaitIdle(s->queue);
  }
  for (auto& batch : s->running) s->idle.push_back(std::move(batch));
  for (const auto& batch : s->idle) {
    for (const Block& block : batch->blocks) d.FreeBlock(block);
    if (batch->pool) d.vk.vkDestroyDescriptorPool(d.device, batch->pool, nullptr);
  }
  d.vk.vkDestroyCommandPool(d.device, s->pool, nullptr);
  d.vk.vkDestroySemaphore(d.device, s->semaphore, nullptr);
  d.FreeBlock(s->ring);
}

SyStatus RecordTick(void*, uint64_t, uint64_t stream, uint64_t* out_tick) {
  Stream* s = StreamOf(stream);
  return Guarded(s->device->host, [&]() -> SyStatus {
    std::lock_guard<std::mutex> lock(s->mutex);
    if (SyStatus e = Stuck(s)) return e;
    s->ticks.emplace_back(s->last_tick + 1, s->submitted + (s->open ? 1 : 0));
    *out_tick = ++s->last_tick;
    return SY_OK;
  });
}

SyStatus Flush(void*, uint64_t, uint64_t stream) {
  Stream* s = StreamOf(stream);
  return Guarded(s->device->host, [&] { return Submit(s); });
}

SyStatus Wait(void*, uint64_t, uint64_t stream, uint64_t other, uint64_t tick) {
  Stream* s = StreamOf(stream);
  return Guarded(s->device->host, [&]() -> SyStatus {
    Stream* from = StreamOf(other);
    uint64_t value = 0;
    {
      std::lock_guard<std::mutex> lock(from->mutex);
      for (const auto& [number, batch] : from->ticks)
        if (number == tick) value = batch;
    }
    if (value == 0) return SY_OK;  // reached
    // A batch waits as a whole: what was queued before must not.
    if (SyStatus e = Submit(s)) return e;
    s->waits.emplace_back(from->semaphore, value);
    return SY_OK;
  });
}

SyStatus Query(void*, uint64_t, uint64_t stream, uint64_t* out_tick) {
  Stream* s = StreamOf(stream);
  std::lock_guard<std::mutex> lock(s->mutex);
  Advance(s);
  *out_tick = s->done_tick;
  return Stuck(s);
}

SyStatus Sync(void*, uint64_t, uint64_t stream, uint64_t tick, int64_t timeout_ns) {
  Stream* s = StreamOf(stream);
  Device& d = *s->device;
  return Guarded(d.host, [&]() -> SyStatus {
    uint64_t value = 0;
    {
      std::lock_guard<std::mutex> lock(s->mutex);
      Advance(s);
      if (s->error != VK_SUCCESS || s->done_tick >= tick) return Stuck(s);
      for (const auto& [number, batch] : s->ticks)
        if (number == tick) value = batch;
    }
    VkSemaphoreWaitInfo wait = {
        VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, nullptr, 0, 1, &s->semaphore, &value};
    const VkResult r = d.vk.vkWaitSemaphores(
        d.device, &wait, timeout_ns < 0 ? UINT64_MAX : static_cast<uint64_t>(timeout_ns));
    if (r == VK_TIMEOUT)
      return d.host->fail(SY_DEADLINE_EXCEEDED, "vulkan: tick %llu was not reached in time",
                          static_cast<unsigned long long>(tick));
    std::lock_guard<std::mutex> lock(s->mutex);
    if (r != VK_SUCCESS && s->error == VK_SUCCESS) s->error = r;
    Advance(s);
    return Stuck(s);
  });
}

SyStatus Reset(void*, uint64_t, uint64_t stream) {
  Stream* s = StreamOf(stream);
  Device& d = *s->device;
  return Guarded(d.host, [&] {
    Submit(s);
    const VkSemaphoreWaitInfo wait = {
        VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, nullptr, 0, 1, &s->semaphore, &s->submitted};
    d.vk.vkWaitSemaphores(d.device, &wait, UINT64_MAX);
    std::lock_guard<std::mutex> lock(s->mutex);
    Advance(s);
    for (const auto& batch : s->running) batch->outs.clear();  // the wait failed
    s->error = VK_SUCCESS;
    return SY_OK;
  });
}

SyStatus QueueTimestamp(void*, uint64_t handle, uint64_t stream, uint64_t* out_timestamp) {
  Device& d = *DeviceOf(handle);
  return Guarded(d.host, [&]() -> SyStatus {
    if (d.facts->time_bits == 0)
      return d.host->fail(SY_UNIMPLEMENTED, "vulkan: %s has no time stamps", d.facts->name.c_str());
    const VkQueryPoolCreateInfo create = {
        VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO, nullptr, 0, VK_QUERY_TYPE_TIMESTAMP, 1, 0};
    VkQueryPool made = VK_NULL_HANDLE;
    if (VkResult r = d.vk.vkCreateQueryPool(d.device, &create, nullptr, &made))
      return d.Fail(r, "vkCreateQueryPool");
    auto pool = std::make_unique<SharedPool>(
        made, [&d](VkQueryPool p) { d.vk.vkDestroyQueryPool(d.device, p, nullptr); });
    SyStatus status = SY_OK;
    Batch* batch = Record(StreamOf(stream), &status);
    if (!batch) return status;
    batch->timestamps.push_back(*pool);
    d.vk.vkCmdResetQueryPool(batch->commands, made, 0, 1);
    d.vk.vkCmdWriteTimestamp(batch->commands, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, made, 0);
    *out_timestamp = reinterpret_cast<uint64_t>(pool.release());
    return SY_OK;
  });
}

SyStatus Elapsed(void*, uint64_t handle, uint64_t from, uint64_t to, int64_t* out_ns) {
  Device& d = *DeviceOf(handle);
  uint64_t ticks[2] = {};
  for (int i = 0; i < 2; ++i) {
    const SharedPool& pool = *reinterpret_cast<SharedPool*>(i ? to : from);
    if (VkResult r = d.vk.vkGetQueryPoolResults(d.device, pool.get(), 0, 1, sizeof ticks[i],
                                                &ticks[i], sizeof ticks[i], VK_QUERY_RESULT_64_BIT))
      return d.Fail(r, "vkGetQueryPoolResults");
  }
  // Only the low bits count, and they may have run over in between.
  const uint32_t spare = 64 - d.facts->time_bits;
  const auto between = static_cast<int64_t>((ticks[1] - ticks[0]) << spare) >> spare;
  *out_ns = std::llround(static_cast<double>(between) * double{d.facts->limits.timestampPeriod});
  return SY_OK;
}

void DropTimestamp(void*, uint64_t, uint64_t timestamp) {
  delete reinterpret_cast<SharedPool*>(timestamp);
}

}  // namespace

Batch* Record(Stream* s, SyStatus* status) {
  if (s->open && s->open->command_count >= kMostCommands && (*status = Submit(s)) != SY_OK)
    return nullptr;
  if (!s->open) {
    if (const VkResult r = Begin(s)) {
      *status = s->device->Fail(r, "no command buffer");
      return nullptr;
    }
  }
  Barrier(s, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
          VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_READ_BIT |
              VK_ACCESS_TRANSFER_WRITE_BIT);
  ++s->open->command_count;
  return s->open.get();
}

SyStatus Stage(Stream* s, Batch* batch, int64_t bytes, int64_t alignment, VkBuffer* out_buffer,
               int64_t* out_offset, char** out_host) {
  int64_t at = (s->ring_head + alignment - 1) / alignment * alignment;
  if (at % kRingBytes + bytes > kRingBytes) at = (at / kRingBytes + 1) * kRingBytes;
  int64_t tail;
  {
    std::lock_guard<std::mutex> lock(s->mutex);
    tail = s->ring_tail;
  }
  if (bytes <= kRingBytes / 4 && at + bytes - tail <= kRingBytes) {
    s->ring_head = at + bytes;
    *out_buffer = s->ring.buffer;
    *out_offset = at % kRingBytes;
    *out_host = s->ring.host + at % kRingBytes;
    return SY_OK;
  }
  Block block;
  if (const VkResult r = s->device->MakeBlock(bytes, true, &block))
    return s->device->Fail(r, "no memory for staging");
  batch->blocks.push_back(block);
  *out_buffer = block.buffer;
  *out_offset = 0;
  *out_host = block.host;
  return SY_OK;
}

const SyStreamFns kStreamFns = {
    .size = sizeof(SyStreamFns),
    .create = Create,
    .destroy = Destroy,
    .record = RecordTick,
    .wait = Wait,
    .query = Query,
    .sync = Sync,
    .flush = Flush,
    .reset = Reset,
    .timestamp = QueueTimestamp,
    .elapsed = Elapsed,
    .drop_timestamp = DropTimestamp,
};

}  // namespace sy::vulkan
