// tutorial: a device in one C file. It computes on the host's processor, in memory of its own, and
// so shows all that a device must have. Read from the bottom up: plugin, device, memory, one
// kernel. The other kernels come from sy_plugin_kit.h; replace them one by one by your own.
#include <stdlib.h>
#include <string.h>

#include "switchyard/sy_plugin_kit.h"

// What `start` makes: two copies of the library may run in one process, so nothing lives in
// globals.
typedef struct Tutorial {
  const SyHost* host;
} Tutorial;

// [kernel] One op in the device's own code. `accepts` is 0 in the table below, so the host sends
// dense views only.
static SyStatus relu_f32(const SyCall* c) {
  const float* x = sy_host_data(&c->in[0]);
  float* y = sy_host_data(&c->out[0]);
  const int64_t n = sy_count(&c->out[0]);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 || x[i] != x[i] ? x[i] : 0;  // NaN passes
  return SY_OK;
}

static const SyKernel kKernels[] = {
    {.op = "relu", .rev = 1, .dtype = SY_F32, .run = relu_f32},
    SY_KIT_CORE_KERNELS,  // map, reduce, copy, gather, scatter, matmul, scan, sort: with them every
                          // op runs
};

// [memory] The host pools above this and passes handle and offset everywhere. A handle is any
// number but 0: here it is the address of a Block, on a real device it may be the index of a buffer
// object.
typedef struct Block {
  void* raw;    // from malloc
  char* bytes;  // the first multiple of 64 in it
} Block;

static Block* block_of(uint64_t handle) { return (Block*)(uintptr_t)handle; }

static SyStatus memory_alloc(void* state, uint64_t device, int64_t bytes, uint32_t kind,
                             SyAllocation* out) {
  const Tutorial* t = state;
  (void)device, (void)kind;
  Block* block = malloc(sizeof *block);
  void* raw = block ? malloc((size_t)bytes + 63) : NULL;
  if (!raw) {
    free(block);
    return t->host->fail(SY_RESOURCE_EXHAUSTED, "tutorial: no memory for %lld bytes",
                         (long long)bytes);
  }
  block->raw = raw;
  block->bytes = (char*)(((uintptr_t)raw + 63) / 64 * 64);
  out->kind = SY_MEMORY_DEVICE | SY_MEMORY_HOST_VISIBLE | SY_MEMORY_HOST_COHERENT;
  out->memory.handle = (uint64_t)(uintptr_t)block;
  out->memory.host.p = block->bytes;  // NULL where the host cannot see the memory
  out->bytes = (uint64_t)bytes;
  return SY_OK;
}

static void memory_free(void* state, uint64_t device, uint64_t handle) {
  (void)state, (void)device;
  free(block_of(handle)->raw);
  free(block_of(handle));
}

static SyStatus memory_copy_in(void* state, uint64_t device, uint64_t stream, uint64_t handle,
                               int64_t offset, const void* host, int64_t bytes) {
  (void)state, (void)device, (void)stream;
  memcpy(block_of(handle)->bytes + offset, host, (size_t)bytes);
  return SY_OK;
}

static SyStatus memory_copy_out(void* state, uint64_t device, uint64_t stream, uint64_t handle,
                                int64_t offset, void* host, int64_t bytes) {
  (void)state, (void)device, (void)stream;
  memcpy(host, block_of(handle)->bytes + offset, (size_t)bytes);
  return SY_OK;
}

static SyStatus memory_copy_within(void* state, uint64_t device, uint64_t stream, uint64_t to,
                                   int64_t to_offset, uint64_t from, int64_t from_offset,
                                   int64_t bytes) {
  (void)state, (void)device, (void)stream;
  memmove(block_of(to)->bytes + to_offset, block_of(from)->bytes + from_offset, (size_t)bytes);
  return SY_OK;
}

static const SyMemoryFns kMemory = {.size = sizeof(SyMemoryFns),
                                    .alloc = memory_alloc,
                                    .free = memory_free,
                                    .copy_in = memory_copy_in,
                                    .copy_out = memory_copy_out,
                                    .copy_within = memory_copy_within};

// [device] How many there are, what they are, and a number for each that is open.
static int32_t device_count(void* state) { return (void)state, 1; }

static SyStatus device_info(void* state, int32_t index, SyDeviceInfo* out) {
  (void)state, (void)index;
  out->type = SY_DEVICE_TYPE_SIMULATOR;
  out->kind = "tutorial";  // the device is found as "tutorial:0"
  out->name = "tutorial device";
  out->memory_kinds = SY_MEMORY_DEVICE | SY_MEMORY_HOST_VISIBLE | SY_MEMORY_HOST_COHERENT;
  out->numeric = SY_NUMERIC_FULL;
  return SY_OK;
}

static SyStatus device_open(void* state, int32_t index, uint64_t* out_device) {
  (void)state;
  *out_device = (uint64_t)index + 1;
  return SY_OK;
}

static void device_close(void* state, uint64_t device) { (void)state, (void)device; }

static const SyDeviceFns kDevice = {.size = sizeof(SyDeviceFns),
                                    .count = device_count,
                                    .info = device_info,
                                    .open = device_open,
                                    .close = device_close};

// [plugin] Start, close, and the one symbol that the host looks for.
static SyStatus start(const SyHost* host, void** out_state) {
  Tutorial* t = malloc(sizeof *t);
  if (!t) return host->fail(SY_RESOURCE_EXHAUSTED, "tutorial: no memory");
  t->host = host;
  *out_state = t;
  return SY_OK;
}

static const SyPlugin kPlugin = {
    .size = sizeof(SyPlugin),
    .abi = SY_ABI,
    .name = "tutorial",
    .version = "1.0",
    .flags = SY_PLUGIN_UNLOADABLE,  // no threads, nothing at exit
    .kernels = kKernels,
    .kernel_count = SY_COUNT(kKernels),
    .kernel_size = sizeof(SyKernel),
    .device = &kDevice,
    .memory = &kMemory,
    .start = start,
    .close = free,
};

SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  (void)host;
  return &kPlugin;
}
