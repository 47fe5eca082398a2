// A plugin that is bad in one way out of many. Which one, its file's name says: libsy_bad copied to
// bad_NAME.so is bad in the way NAME (cases.bzl, cases.inc). Read from the bottom up; `is("name")`
// marks what each case does.
#include <fenv.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "switchyard/sy_plugin.h"

static const char* bad = "";

static int is(const char* name) { return strcmp(bad, name) == 0; }

// ---- a device that is good but for its case: memory of malloc, calls complete when they return

static const SyHost* its_host;  // one host is enough here
static int32_t counts;

static SyStatus bad_alloc(void* state, uint64_t device, int64_t bytes, uint32_t kind,
                          SyAllocation* out) {
  char* memory;
  (void)state, (void)device, (void)kind;
  if (is("alloc_fails")) return its_host->fail(SY_RESOURCE_EXHAUSTED, "full");
  memory = its_host->host_alloc(bytes + 64, 64);
  out->kind = SY_MEMORY_DEVICE | SY_MEMORY_HOST_VISIBLE | SY_MEMORY_HOST_COHERENT;
  out->memory.handle = (uint64_t)(uintptr_t)memory;
  out->memory.host.p = memory;
  out->bytes = (uint64_t)bytes;
  if (is("alloc_zero_handle")) {
    its_host->host_free(memory);
    out->memory.handle = 0;
  }
  if (is("alloc_short")) out->bytes = 1;
  if (is("alloc_misaligned")) out->memory.address = 0x1001;
  if (is("alloc_host_misaligned")) out->memory.host.p = memory + 1;
  return SY_OK;
}
static void bad_free(void* state, uint64_t device, uint64_t handle) {
  (void)state, (void)device;
  its_host->host_free((void*)(uintptr_t)handle);
}
static SyStatus bad_copy_in(void* state, uint64_t device, uint64_t stream, uint64_t handle,
                            int64_t offset, const void* host, int64_t bytes) {
  (void)state, (void)device, (void)stream;
  // The host's own status word, 32 bytes, goes through so that the device opens.
  if (is("copy_in_fails") && bytes != sizeof(SyStatusWord))
    return its_host->fail(SY_DATA_LOSS, "a wire came off");
  memcpy((char*)(uintptr_t)handle + offset, host, (size_t)bytes);
  return SY_OK;
}
static SyStatus bad_copy_out(void* state, uint64_t device, uint64_t stream, uint64_t handle,
                             int64_t offset, void* host, int64_t bytes) {
  (void)state, (void)device, (void)stream;
  memcpy(host, (char*)(uintptr_t)handle + offset, (size_t)bytes);
  return SY_OK;
}
static SyStatus bad_copy_within(void* state, uint64_t device, uint64_t stream, uint64_t to,
                                int64_t to_offset, uint64_t from, int64_t from_offset,
                                int64_t bytes) {
  (void)state, (void)device, (void)stream;
  memmove((char*)(uintptr_t)to + to_offset, (char*)(uintptr_t)from + from_offset, (size_t)bytes);
  return SY_OK;
}

static void misbehave(const char* where) {
  char name[64];
  snprintf(name, sizeof name, "aborts_in_%s", where);
  if (is(name)) abort();
  snprintf(name, sizeof name, "exits_in_%s", where);
  if (is(name)) exit(0);
  snprintf(name, sizeof name, "segfaults_in_%s", where);
  if (is(name)) raise(SIGSEGV);
  snprintf(name, sizeof name, "sleeps_in_%s", where);
  while (is(name)) sleep(3600);
}

static int32_t bad_count(void* state) {
  (void)state;
  misbehave("count");
  if (is("count_negative")) return -1;
  if (is("count_huge")) return 1000000000;
  if (is("count_changes")) return ++counts;
  if (is("count_zero")) return its_host->fail(SY_OK, "bad: no chip in this machine");
  return 1;
}
static SyStatus bad_info(void* state, int32_t index, SyDeviceInfo* out) {
  (void)state, (void)index;
  out->type = SY_DEVICE_TYPE_SIMULATOR;
  out->kind = is("info_kind_null") ? NULL : is("info_kind_taken") ? "tutorial" : "bad";
  out->name = is("texts_null") ? NULL : "bad device";
  out->memory_kinds = SY_MEMORY_DEVICE | SY_MEMORY_HOST_VISIBLE | SY_MEMORY_HOST_COHERENT;
  if (is("info_alignment")) out->buffer_alignment = 3;
  if (is("info_max_rank")) out->max_rank = 13;
  if (is("info_size")) out->size += 8;
  if (is("info_overrun")) memset(out + 1, 0, 64);
  return is("info_fails") ? its_host->fail(SY_UNAVAILABLE, "it sleeps") : SY_OK;
}
static SyStatus bad_open(void* state, int32_t index, uint64_t* out_device) {
  (void)state, (void)index;
  if (is("open_fails")) return its_host->fail(SY_UNAVAILABLE, "the door is locked");
  if (is("open_silent")) return SY_INTERNAL;
  *out_device = 1;
  return SY_OK;
}
static void bad_close(void* state, uint64_t device) { (void)state, (void)device; }

static SyStatus stream_create(void* state, uint64_t device, uint32_t flags, uint64_t* out_stream) {
  (void)state, (void)device, (void)flags;
  *out_stream = 1;
  return SY_OK;
}
static void stream_destroy(void* state, uint64_t device, uint64_t stream) {
  (void)state, (void)device, (void)stream;
}
static SyStatus stream_record(void* state, uint64_t device, uint64_t stream, uint64_t* out_tick) {
  static uint64_t records;
  (void)state, (void)device, (void)stream;
  ++records;
  *out_tick = is("tick_jumps")       ? 7
              : is("tick_repeats")   ? 1
              : is("tick_wraps")     ? UINT64_MAX
              : is("tick_goes_back") ? (records < 3 ? records : 1)
                                     : 0;
  return SY_OK;
}
static SyStatus stream_wait(void* state, uint64_t device, uint64_t stream, uint64_t other,
                            uint64_t tick) {
  (void)state, (void)device, (void)stream, (void)other, (void)tick;
  return SY_OK;
}
static SyStatus stream_query(void* state, uint64_t device, uint64_t stream, uint64_t* out_tick) {
  (void)state, (void)device, (void)stream;
  *out_tick = 0;
  return SY_OK;
}
static SyStatus stream_sync(void* state, uint64_t device, uint64_t stream, uint64_t tick,
                            int64_t timeout_ns) {
  (void)state, (void)device, (void)stream, (void)tick, (void)timeout_ns;
  return SY_OK;
}

static SyStatus relu_f32(const SyCall* c) {
  const float* x =
      (const float*)(const void*)((const char*)c->in[0].memory.host.p + c->in[0].offset);
  float* y = (float*)(void*)((char*)c->out[0].memory.host.p + c->out[0].offset);
  if (is("kernel_fails")) return c->host->fail(SY_INTERNAL, "the chip says no");
  if (is("kernel_unimplemented") || is("plan_takes_run_refuses"))
    return c->host->fail(SY_UNIMPLEMENTED, "not today");
  for (int64_t i = 0; i < c->out[0].count; ++i) y[i] = x[i] > 0 ? x[i] : 0;
  return SY_OK;
}
static SyStatus plan(const SyCall* call, SyPlan* out) {
  (void)call;
  if (is("plan_scratch_negative")) out->scratch_bytes = -1;
  if (is("plan_scratch_huge")) out->scratch_bytes = INT64_MAX;
  if (!is("plan_refuses")) return SY_OK;
  strcpy(out->reason, "only on Sundays");
  return SY_UNIMPLEMENTED;
}
static SyStatus infer(const SyShapeCall* call) {
  call->out[0].dtype = is("infer_dtype") ? 77 : SY_F32;
  call->out[0].rank = is("infer_rank") ? 99 : 1;
  call->out[0].dims[0] = is("infer_negative") ? -5 : 1;
  return SY_OK;
}

// ---- tables, filled in sy_plugin_main, so that each case can spoil its field

static SyDeviceFns device_fns;
static SyMemoryFns memory_fns;
static SyStreamFns stream_fns;
static SyKernel kernels[3];
static SyOpSpec ops[2];
static SyAttrSpec attrs[2];
static SyOption options[2];
static SyPlugin plugin;
static char megabyte[1 << 20];
static char op_name[64];  // of its own for each case

static SyStatus bad_start(const SyHost* host, void** out_state) {
  static int starts;
  its_host = host;
  *out_state = NULL;
  misbehave("start");
  if (is("changes_directory") && chdir("/") != 0) return SY_INTERNAL;
  if (is("changes_locale")) setlocale(LC_ALL, "C.UTF-8");
  if (is("changes_rounding")) fesetround(FE_UPWARD);
  if (is("start_fails")) return host->fail(SY_UNAVAILABLE, "the chip is on fire");
  if (is("start_silent")) return SY_INTERNAL;
  if (is("start_odd_code")) return host->fail(4711, "an odd number");
  if (is("start_fails_once") && starts++ == 0) return host->fail(SY_UNAVAILABLE, "not yet");
  if (is("error_newlines")) return host->fail(SY_FAILED_PRECONDITION, "line one\nline two");
  if (is("error_utf8")) return host->fail(SY_FAILED_PRECONDITION, "text \xff\xfe\xc0");
  if (is("error_huge")) return host->fail_text(SY_FAILED_PRECONDITION, megabyte, sizeof megabyte);
  return SY_OK;
}

static void fill(void) {
  memset(megabyte, 'a', sizeof megabyte - 1);
  snprintf(op_name, sizeof op_name, "bad.%.50s", bad);
  device_fns.size = is("device_size_short") ? sizeof device_fns - 8 : sizeof device_fns;
  device_fns.count = bad_count;
  device_fns.info = is("device_entry_null") ? NULL : bad_info;
  device_fns.open = bad_open;
  device_fns.close = bad_close;
  memory_fns.size = is("memory_size_short") ? 64 : sizeof memory_fns;
  memory_fns.alloc = bad_alloc;
  memory_fns.free = is("memory_entry_null") ? NULL : bad_free;
  memory_fns.copy_in = bad_copy_in;
  memory_fns.copy_out = bad_copy_out;
  memory_fns.copy_within = bad_copy_within;
  stream_fns.size = is("stream_size_short") ? 64 : sizeof stream_fns;
  stream_fns.create = stream_create;
  stream_fns.destroy = stream_destroy;
  stream_fns.record = stream_record;
  stream_fns.wait = stream_wait;
  stream_fns.query = stream_query;
  stream_fns.sync = is("stream_entry_null") ? NULL : stream_sync;
  if (is("stream_no_elapsed")) {
    stream_fns.timestamp = stream_record;
    stream_fns.drop_timestamp = stream_destroy;
  }

  kernels[0].op = "relu";
  kernels[0].rev = 1;
  kernels[0].dtype = SY_F32;
  kernels[0].run = relu_f32;
  kernels[1] = kernels[2] = kernels[0];
  plugin.kernel_count =
      is("kernel_twice") || is("kernel_priorities") || is("kernel_revision") ? 3 : 1;
  if (is("kernel_priorities")) {
    kernels[1].priority = INT32_MIN;
    kernels[2].priority = INT32_MAX;
  }
  if (is("kernel_revision")) {
    kernels[1].rev = 0;
    kernels[2].rev = INT32_MAX;
  }
  if (is("kernel_op_unknown")) {
    plugin.kernel_count = 2;
    kernels[1].op = "no_such_op";
  }
  if (is("kernel_op_null")) kernels[0].op = NULL;
  if (is("kernel_op_empty")) kernels[0].op = "";
  if (is("kernel_op_huge")) kernels[0].op = megabyte;
  if (is("kernel_op_utf8")) kernels[0].op = "re\xff\xfelu";
  if (is("kernel_run_null")) kernels[0].run = NULL;
  if (is("kernel_dtype")) kernels[0].dtype = 0x12345;
  if (is("kernel_max_rank")) kernels[0].max_rank = 13;
  if (strncmp(bad, "plan_", 5) == 0) kernels[0].plan = plan;

  ops[0].name = is("op_name_null") ? NULL
                : is("op_exists")  ? "add"
                : is("op_core")    ? "map"
                                   : op_name;
  ops[0].rev = is("op_revision") ? 0 : 1;
  ops[0].in_min = 1;
  ops[0].in_max = is("op_inputs") ? 99 : 1;
  ops[0].out_count = 1;
  ops[0].attrs = attrs;
  ops[0].attr_size = sizeof attrs[0];
  ops[0].infer = is("op_infer_null") ? NULL : infer;
  attrs[0].name = attrs[1].name = "depth";
  attrs[0].type = attrs[1].type = SY_ATTR_INT;
  if (is("op_attr_offset")) {
    ops[0].attr_count = 1;
    ops[0].attrs_size = attrs[0].offset = 8;
  }
  if (is("op_attr_twice")) {
    ops[0].attr_count = 2;
    ops[0].attrs_size = 16;
    attrs[1].offset = 8;
  }
  ops[1] = ops[0];

  options[0].name = options[1].name = is("option_name") ? "Sp eed" : "speed";
  options[0].default_value = is("option_range") ? "9" : "0";
  options[0].type = options[1].type = is("option_type") ? 9 : SY_OPTION_INT;
  options[0].max = 1;

  plugin.size = is("size_zero")    ? 0
                : is("size_three") ? 3
                : is("size_short") ? 160
                : is("size_huge")  ? 0x80000000u
                                   : sizeof plugin;
  plugin.abi = is("abi_zero")          ? 0
               : is("abi_other_major") ? 0x70003
               : is("abi_all_ones")    ? 0xffffffffu
               : is("abi_later_minor") ? SY_ABI + 999
                                       : SY_ABI;
  plugin.name = is("name_null")      ? NULL
                : is("name_empty")   ? ""
                : is("name_huge")    ? megabyte
                : is("name_utf8")    ? "b\xc3(d"
                : is("name_upper")   ? "Bad"
                : is("name_newline") ? "bad\nplugin"
                : is("name_taken")   ? "tutorial"
                                     : "bad";
  plugin.version = is("texts_null") ? NULL : "1.0";
  plugin.kernel_size = is("kernel_size_zero")    ? 0
                       : is("kernel_size_small") ? 72
                       : is("kernel_size_odd")   ? 84
                       : is("kernel_size_huge")  ? 1 << 20
                                                 : sizeof(SyKernel);
  if (is("kernels_none") || is("nothing")) plugin.kernel_count = 0;
  if (is("kernels_negative")) plugin.kernel_count = -1;
  if (is("kernels_many")) plugin.kernel_count = INT32_MAX;
  plugin.kernels = is("kernels_null") ? NULL : kernels;
  plugin.op_count =
      is("op_twice") ? 2 : strncmp(bad, "op_", 3) == 0 || strncmp(bad, "infer_", 6) == 0;
  plugin.op_size = sizeof(SyOpSpec);
  plugin.ops = ops;
  plugin.option_count = is("option_twice") ? 2 : strncmp(bad, "option_", 7) == 0;
  plugin.option_size = sizeof(SyOption);
  plugin.options = options;
  plugin.device = is("nothing") || is("kernel_device_missing") ? NULL : &device_fns;
  plugin.memory = is("memory_null") ? NULL : &memory_fns;
  plugin.stream =
      strncmp(bad, "tick_", 5) == 0 || strncmp(bad, "stream_", 7) == 0 ? &stream_fns : NULL;
  plugin.start = bad_start;
}

#ifdef BAD_CONSTRUCTOR_ABORTS
__attribute__((constructor)) static void constructor(void) { abort(); }
#endif

#ifdef BAD_MAIN_MISSING
SY_EXPORT const SyPlugin* another_main(const SyHost* host);
#define sy_plugin_main another_main
#endif
SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host) {
  static char name[64];
  const char* file = strrchr(host->plugin_path, '/');
  if (sscanf(file ? file : "", "/bad_%63[a-z_0-9].so", name) == 1) bad = name;
  misbehave("main");
  if (is("main_null")) return NULL;
  if (is("main_null_text")) {
    host->fail(SY_UNAVAILABLE, "bad: wants a chip that is not here");
    return NULL;
  }
  fill();
  return &plugin;
}
