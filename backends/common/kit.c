#include "kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

// ---- kernels that were compiled

typedef struct Entry {
  struct Entry* next;
  SyGpuKernel kernel;
  char name[];
} Entry;

typedef struct Slots {
  struct Slots* next;
  _Atomic(SyGpuKernel*) kernels[SY_GPU_SLOTS];
} Slots;

#define BUCKETS 256

struct SyGpu {
  const SyHost* host;
  SyGpuDriver driver;
  void* context;
  SyGpuLibrary* library;
  pthread_mutex_t mutex;  // tables and compiling
  Entry* entries[BUCKETS];
  Slots* slots;
  int32_t kernel_count;
};

SyGpu* sy_gpu_create(const SyHost* host, const SyGpuDriver* driver, void* context) {
  SyGpu* gpu = (SyGpu*)calloc(1, sizeof *gpu);
  if (!gpu) return NULL;
  gpu->host = host;
  gpu->driver = *driver;
  gpu->context = context;
  gpu->library = sy_gpu_library_create(driver->dialect);
  if (!gpu->library || pthread_mutex_init(&gpu->mutex, NULL) != 0) {
    sy_gpu_library_free(gpu->library);
    free(gpu);
    return NULL;
  }
  return gpu;
}

void sy_gpu_destroy(SyGpu* gpu) {
  int i;
  if (!gpu) return;
  for (i = 0; i < BUCKETS; ++i) {
    while (gpu->entries[i]) {
      Entry* entry = gpu->entries[i];
      gpu->entries[i] = entry->next;
      gpu->driver.release(gpu->context, entry->kernel.native);
      free(entry);
    }
  }
  while (gpu->slots) {
    Slots* slots = gpu->slots;
    gpu->slots = slots->next;
    free(slots);
  }
  sy_gpu_library_free(gpu->library);
  pthread_mutex_destroy(&gpu->mutex);
  free(gpu);
}

void* sy_gpu_context(const SyGpu* gpu) { return gpu->context; }
const SyHost* sy_gpu_host(const SyGpu* gpu) { return gpu->host; }
int32_t sy_gpu_kernel_count(const SyGpu* gpu) { return gpu->kernel_count; }

static uint64_t hash_text(const char* text, size_t length, uint64_t hash) {  // FNV-1a
  size_t i;
  for (i = 0; i < length; ++i) hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
  return hash;
}

// Renders and compiles. The caller holds the mutex.
static SyStatus build(SyGpuCall* c, SyGpuMakeFn make, const void* what, SyGpuKernel* kernel) {
  const SyHost* host = c->gpu->host;
  SyGpuText neutral = {0}, text = {0}, reason = {0};
  SyStatus status = SY_OK;
  if (!make(c, what, &neutral, &reason)) {
    status = host->fail(SY_UNIMPLEMENTED, "%s", sy_gpu_text_get(&reason));
  } else if (neutral.failed) {
    status = host->fail(SY_RESOURCE_EXHAUSTED, "no host memory for the text of a kernel");
  } else if (sy_gpu_render(c->gpu->library, neutral.data, NULL, 0, c->wide, &text,
                           &kernel->signature, 1, &reason) != 1) {
    status = host->fail(SY_INTERNAL, "%s", sy_gpu_text_get(&reason));
  } else {
    char key[40];
    SyGpuSource source = {text.data, (int64_t)text.length, key, &kernel->signature,
                          c->wide,   c->contracts};
    snprintf(key, sizeof key, "%016llx%016llx",
             (unsigned long long)hash_text(text.data, text.length, 0xcbf29ce484222325u),
             (unsigned long long)hash_text(text.data, text.length, 0x84222325cbf29ce4u));
    kernel->wide = c->wide;
    status = c->driver->compile(c->gpu->context, &source, &kernel->native);
  }
  sy_gpu_text_free(&neutral);
  sy_gpu_text_free(&text);
  sy_gpu_text_free(&reason);
  return status;
}

SyGpuKernel* sy_gpu_find_named(SyGpuCall* c, const char* name, SyGpuMakeFn make, const void* what) {
  SyGpu* gpu = c->gpu;
  const size_t length = strlen(name);
  Entry** bucket = &gpu->entries[hash_text(name, length, 0xcbf29ce484222325u) % BUCKETS];
  Entry* entry;
  pthread_mutex_lock(&gpu->mutex);
  for (entry = *bucket; entry; entry = entry->next)
    if (entry->kernel.wide == c->wide && strcmp(entry->name, name) == 0) break;
  if (!entry) {
    entry = (Entry*)calloc(1, sizeof *entry + length + 1);
    if (!entry) {
      c->status = gpu->host->fail(SY_RESOURCE_EXHAUSTED, "no host memory for a kernel");
    } else if (memcpy(entry->name, name, length),
               (c->status = build(c, make, what, &entry->kernel)) != SY_OK) {
      free(entry);
      entry = NULL;
    } else {
      entry->next = *bucket;
      *bucket = entry;
      ++gpu->kernel_count;
    }
  }
  pthread_mutex_unlock(&gpu->mutex);
  return entry ? &entry->kernel : NULL;
}

// The slots of the call's program or kernel, kept behind the word that the host lends.
static Slots* slots_of(SyGpuCall* c) {
  _Atomic(uint64_t)* word = (_Atomic(uint64_t)*)c->call->cache;
  Slots* slots = (Slots*)(uintptr_t)atomic_load_explicit(word, memory_order_acquire);
  uint64_t none = 0;
  if (slots) return slots;
  slots = (Slots*)calloc(1, sizeof *slots);
  if (!slots) return NULL;
  if (!atomic_compare_exchange_strong(word, &none, (uint64_t)(uintptr_t)slots)) {
    free(slots);
    return (Slots*)(uintptr_t)none;
  }
  pthread_mutex_lock(&c->gpu->mutex);
  slots->next = c->gpu->slots;
  c->gpu->slots = slots;
  pthread_mutex_unlock(&c->gpu->mutex);
  return slots;
}

SyGpuKernel* sy_gpu_find(SyGpuCall* c, int32_t slot, int32_t variant, SyGpuMakeFn make,
                         const void* what) {
  Slots* slots = slots_of(c);
  SyGpuKernel* kernel;
  _Atomic(SyGpuKernel*)* place;
  char name[160];
  int length;
  if (!slots) {
    c->status = c->gpu->host->fail(SY_RESOURCE_EXHAUSTED, "no host memory for a kernel");
    return NULL;
  }
  place = &slots->kernels[2 * slot + c->wide];
  kernel = atomic_load_explicit(place, memory_order_acquire);
  if (kernel && kernel->variant == variant) return kernel;
  length = snprintf(name, sizeof name, "%p %d %d ", (void*)make, (int)slot, (int)variant);
  if (c->call->program) {
    int i;
    for (i = 0; i < 32; ++i)
      length +=
          snprintf(name + length, sizeof name - (size_t)length, "%02x", c->call->program->hash[i]);
  } else {
    snprintf(name + length, sizeof name - (size_t)length, " %p", (void*)c->call->cache);
  }
  kernel = sy_gpu_find_named(c, name, make, what);
  if (kernel) {
    kernel->variant = variant;  // the same whenever it is found by this name
    atomic_store_explicit(place, kernel, memory_order_release);
  }
  return kernel;
}

// ---- launches

int64_t sy_gpu_type_bytes(int32_t type) {
  static const uint8_t kBytes[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8};
  return type > 0 && type < 14 ? kBytes[type] : 0;
}

// Bytes that the view's elements may touch, from its first element on.
static void reach(const SyView* v, int64_t* low, int64_t* high) {
  const int64_t bytes = sy_gpu_type_bytes(v->type);
  int64_t least = 0, most = 0;
  int32_t d;
  if (v->flags & SY_VIEW_CONTIGUOUS) {
    *low = 0;
    *high = v->count * bytes;
    return;
  }
  for (d = 0; d < v->rank && v->count; ++d) {
    const int64_t span = (v->shape[d] - 1) * v->strides[d];
    if (span < 0)
      least += span;
    else
      most += span;
  }
  *low = least * bytes;
  *high = (most + (v->count != 0)) * bytes;
}

void sy_gpu_widen(SyGpuCall* c, int64_t count, int64_t bytes) {
  const int64_t limit = c->driver->narrow_bytes;
  // Work items are numbered up to a whole group.
  if (count > INT32_MAX - 4096 || (limit && bytes > limit)) c->wide = 1;
}

static void widen_for(SyGpuCall* c, const SyView* v) {
  const int64_t bytes = sy_gpu_type_bytes(v->type);
  int64_t low, high;
  if (!bytes) return;
  reach(v, &low, &high);
  sy_gpu_widen(c, v->count, high - low);
  sy_gpu_widen(c, (high - low) / bytes, 0);
}

SyStatus sy_gpu_check_program(const SyCall* call) {
  if (call->program->instr_count <= SY_GPU_MAX_VALUES) return SY_OK;
  return sy_gpu_from(call->device)
      ->host->fail(SY_UNIMPLEMENTED, "a program of %d instructions; at most %d",
                   (int)call->program->instr_count, SY_GPU_MAX_VALUES);
}

void sy_gpu_begin(SyGpuCall* c, const SyCall* call) {
  int32_t i;
  c->gpu = sy_gpu_from(call->device);
  c->driver = &c->gpu->driver;
  c->call = call;
  c->wide = c->driver->prefers_wide;
  c->contracts = 0;
  c->status = SY_OK;
  for (i = 0; i < call->in_count && !c->wide; ++i) widen_for(c, &call->in[i]);
  for (i = 0; i < call->out_count && !c->wide; ++i) widen_for(c, &call->out[i]);
  sy_gpu_again(c);
}

void sy_gpu_again(SyGpuCall* c) {
  c->buffer_count = 0;
  c->param_bytes = 0;  // the buffers' words are added by the launch
}

void sy_gpu_add_view(SyGpuCall* c, const SyView* view) {
  SyGpuBuffer* b = &c->buffers[c->buffer_count++];
  b->memory = view->memory;
  b->offset = view->offset;
  reach(view, &b->low, &b->high);
}

void sy_gpu_add_range(SyGpuCall* c, SyMemory memory, int64_t offset, int64_t bytes) {
  SyGpuBuffer* b = &c->buffers[c->buffer_count++];
  b->memory = memory;
  b->offset = offset;
  b->low = 0;
  b->high = bytes;
}

static void put(SyGpuCall* c, const void* value, int32_t bytes) {
  // The words of the buffers stand in front; their number is known only at the launch.
  const int32_t at = c->param_bytes + 8 * SY_GPU_MAX_BUFFERS;
  if (at + bytes <= SY_GPU_MAX_PARAM_BYTES) memcpy(c->params + at, value, (size_t)bytes);
  c->param_bytes += bytes;
}

void sy_gpu_put_u64(SyGpuCall* c, uint64_t value) { put(c, &value, 8); }

void sy_gpu_put_idx(SyGpuCall* c, int64_t value) {
  const int32_t narrow = (int32_t)value;
  if (c->wide)
    put(c, &value, 8);
  else
    put(c, &narrow, 4);
}

void sy_gpu_put_list(SyGpuCall* c, const int64_t* values, int32_t count, int32_t capacity) {
  int32_t i;
  for (i = 0; i < capacity; ++i) sy_gpu_put_idx(c, i < count ? values[i] : 0);
}

SyStatus sy_gpu_launch(SyGpuCall* c, SyGpuKernel* kernel, int64_t groups) {
  const SyHost* host = c->gpu->host;
  SyGpuLaunch launch;
  const int32_t before = 8 * c->buffer_count;
  if (!kernel) return c->status;
  if (groups == 0) return SY_OK;
  if (c->buffer_count != kernel->signature.buffer_count ||
      before + c->param_bytes != kernel->signature.param_bytes ||
      c->param_bytes > SY_GPU_MAX_PARAM_BYTES - 8 * SY_GPU_MAX_BUFFERS - 8)
    return host->fail(SY_INTERNAL, "kernel %s: %d buffers and %d bytes given, wants %d and %d",
                      kernel->signature.name, (int)c->buffer_count, (int)(before + c->param_bytes),
                      (int)kernel->signature.buffer_count, (int)kernel->signature.param_bytes);
  launch.call = c->call;
  launch.kernel = kernel;
  launch.buffers = c->buffers;
  launch.params = c->params + 8 * SY_GPU_MAX_BUFFERS - before;
  memset(launch.params + kernel->signature.param_bytes, 0,
         (size_t)(sy_gpu_struct_bytes(&kernel->signature) - kernel->signature.param_bytes));
  launch.groups = groups;
  return c->driver->launch(c->gpu->context, &launch);
}

int64_t sy_gpu_bands(const SyGpuCall* c, int64_t lines, int64_t size, int64_t most,
                     int64_t* out_band_size) {
  const int64_t filling = 16384;  // items that fill a device
  int64_t bands = 1;
  if (!c->driver->is_cpu && lines < filling) bands = sy_gpu_groups(filling, lines);
  if (bands > most) bands = most;
  *out_band_size = sy_gpu_groups(size, bands);
  return size > 0 ? sy_gpu_groups(size, *out_band_size) : 1;
}

SyStatus sy_gpu_launch_items(SyGpuCall* c, SyGpuKernel* kernel, int64_t items) {
  return sy_gpu_launch(c, kernel, sy_gpu_groups(items, kernel ? kernel->signature.group : 1));
}

int sy_gpu_fill(const char* file, const char* kernel, const char* const* pairs, int32_t pair_count,
                SyGpuText* out, SyGpuText* reason) {
  SyGpuText one = {0};
  char begin[80];
  const char *from, *to;
  int ok;
  snprintf(begin, sizeof begin, "\nkernel %s(", kernel);
  from = strstr(file, begin);
  to = from ? strstr(from, "\n}\n") : NULL;
  if (!to) {
    sy_gpu_text_add(reason, "no kernel %s", kernel);
    return 0;
  }
  sy_gpu_text_append(&one, from, (size_t)(to + 3 - from));
  ok = sy_gpu_substitute(sy_gpu_text_get(&one), pairs, pair_count, out, reason);
  sy_gpu_text_free(&one);
  return ok;
}

void sy_gpu_add_report(SyGpuText* out) {
  sy_gpu_text_add(out, "if (atomic_cas(status[0], 0, %d) == 0) {\n", SY_OUT_OF_RANGE);
  sy_gpu_text_add(out,
                  "status[1] = i32(op);\n"
                  "status[2] = i32(u32(u64(i64(i))));\nstatus[3] = i32(u32(u64(i64(i)) >> 32));\n"
                  "status[4] = i32(u32(u64(wanted)));\nstatus[5] = i32(u32(u64(wanted) >> 32));\n"
                  "status[6] = i32(u32(u64(i64(axis_size))));\n"
                  "status[7] = i32(u32(u64(i64(axis_size)) >> 32));\n}");
}
