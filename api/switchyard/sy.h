// sy.h: the C ABI between programs and libswitchyard.so. C99, C11 and C++11 up; needs no other
// header.
//
// Read the conventions below once; after them each declaration states only what is special to it.
// Plugins include sy_plugin.h instead, which includes this file for its types and reaches the same
// functions through SyHost.api, so that a plugin links nothing of ours.
//
// Conventions
//   Status      Functions that can fail return SyStatus: 0 is success, other values are Abseil's
//               canonical codes. The text of the last failure on this thread is sy_last_message();
//               nothing is freed on an error path. Bad input never aborts the process.
//   Out         Out-parameters come last, are named out_*, are cleared first and stay clear on
//               failure.
//   Ownership   Objects are opaque, made with one reference, shared by *_retain and dropped by
//               *_release (NULL is allowed). Arguments are borrowed for the call unless it is said
//               otherwise. Strings returned live until the process ends unless it is said
//               otherwise.
//   Threads     Any function may be called from any thread at any time unless it is said otherwise.
//               One tensor may be read from many threads; writing it in place while another thread
//               uses it is the caller's race, as with any array. Grad mode, current device and
//               current stream belong to the calling thread.
//   Blocking    Functions do not wait for a device unless they say "Blocks".
//   Fork        After fork() the child may only exec.
//   Growth      Every struct passed by pointer begins with its size in bytes, which the caller sets
//               to sizeof; new fields are appended only, and a field is read only where SY_HAS
//               holds. "Zero means absent or default" holds for every field. Arrays of structs are
//               stepped by a stated element size. See docs/abi.md.
//   Order       Work on one stream runs in order. Work on different streams and threads that
//               touches the same memory is ordered by the library; a program sees results as if
//               calls ran one by one.
//   Since       Everything here is since ABI 0.1 unless it is said otherwise.
// The contracts stand in columns.
// clang-format off
#ifndef SWITCHYARD_SY_H_
#define SWITCHYARD_SY_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// ------------------------------------------------------------------------------------------------
// Versions and growth

#define SY_ABI_MAJOR 0
#define SY_ABI_MINOR 1
// While the major is 0: the oldest minor this library still reads.
#define SY_ABI_MINOR_OLDEST 1
#define SY_ABI (((uint32_t)SY_ABI_MAJOR << 16) | (uint32_t)SY_ABI_MINOR)

#define SY_VERSION_STRING "0.1.0"

// The oldest ABI that this compilation wants to run on, major * 1000 + minor. Newer fields are
// hidden.
#ifdef SY_ABI_TARGET
#if SY_ABI_TARGET > SY_ABI_MAJOR * 1000 + SY_ABI_MINOR
#error "SY_ABI_TARGET is newer than this header: update the header or lower the target"
#endif
#endif

// True if the struct behind `p` is long enough to have `field`; never compares with our own sizeof.
#define SY_HAS(p, field) \
  ((p)->size >= (uint32_t)((const char*)(&(p)->field + 1) - (const char*)(p)))

#define SY_COUNT(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))

// Tests build both sides with SY_ABI_TEST_GROW to stand in for a future version of every growable
// struct.
#ifdef SY_ABI_TEST_GROW
#define SY_TEST_GROW uint64_t test_grow[2];
#else
#define SY_TEST_GROW
#endif

// Refuses to compile when a struct's size is not the one on record (C99 has no _Static_assert).
// Sizes are on record for machines with 64-bit pointers.
#define SY_CHECK_SIZE_(type, bytes, grown) \
  typedef char sy_size_check_##type[sizeof(void*) != 8 || sizeof(type) == (size_t)(grown) ? 1 : -1]
#ifdef SY_ABI_TEST_GROW
#define SY_CHECK_SIZE(type, bytes) SY_CHECK_SIZE_(type, bytes, (bytes) + 16)
#else
#define SY_CHECK_SIZE(type, bytes) SY_CHECK_SIZE_(type, bytes, bytes)
#endif
#define SY_CHECK_FROZEN(type, bytes) \
  typedef char sy_size_check_##type[sizeof(type) == (size_t)(bytes) ? 1 : -1]

#if defined(_WIN32)
#define SY_CALL __cdecl
#define SY_EXPORT __declspec(dllexport)
#define SY_API
#else
#define SY_CALL
#define SY_EXPORT __attribute__((visibility("default")))
#define SY_API __attribute__((visibility("default")))
#endif

// ------------------------------------------------------------------------------------------------
// Status

typedef int32_t SyStatus;  // Abseil's canonical codes; any other number is read as SY_UNKNOWN.

#define SY_OK 0
#define SY_CANCELLED 1
#define SY_UNKNOWN 2
#define SY_INVALID_ARGUMENT 3
#define SY_DEADLINE_EXCEEDED 4
#define SY_NOT_FOUND 5
#define SY_ALREADY_EXISTS 6
#define SY_PERMISSION_DENIED 7
#define SY_RESOURCE_EXHAUSTED 8
#define SY_FAILED_PRECONDITION 9
#define SY_ABORTED 10
#define SY_OUT_OF_RANGE 11
#define SY_UNIMPLEMENTED 12
#define SY_INTERNAL 13
#define SY_UNAVAILABLE 14
#define SY_DATA_LOSS 15
#define SY_UNAUTHENTICATED 16

// ------------------------------------------------------------------------------------------------
// Dtypes: DLPack's type code, bits and lanes in one word.

typedef uint32_t SyDtype;

#define SY_DTYPE(code, bits) ((SyDtype)(code) | ((SyDtype)(bits) << 8) | ((SyDtype)1 << 16))
#define SY_DTYPE_CODE(dtype) ((dtype) & 0xffu)
#define SY_DTYPE_BITS(dtype) (((dtype) >> 8) & 0xffu)
#define SY_DTYPE_LANES(dtype) ((dtype) >> 16)
#define SY_DTYPE_BYTES(dtype) ((int64_t)(SY_DTYPE_BITS(dtype) / 8))

#define SY_I8 SY_DTYPE(0, 8)
#define SY_I16 SY_DTYPE(0, 16)
#define SY_I32 SY_DTYPE(0, 32)
#define SY_I64 SY_DTYPE(0, 64)
#define SY_U8 SY_DTYPE(1, 8)
#define SY_U16 SY_DTYPE(1, 16)
#define SY_U32 SY_DTYPE(1, 32)
#define SY_U64 SY_DTYPE(1, 64)
#define SY_F16 SY_DTYPE(2, 16)
#define SY_F32 SY_DTYPE(2, 32)
#define SY_F64 SY_DTYPE(2, 64)
#define SY_BF16 SY_DTYPE(4, 16)
#define SY_BOOL SY_DTYPE(6, 8)
// Reserved, refused by every function today: complex numbers, 8-bit and 4-bit floats, packed
// integers.
#define SY_C64 SY_DTYPE(5, 64)
#define SY_C128 SY_DTYPE(5, 128)
#define SY_F8E4M3 SY_DTYPE(10, 8)
#define SY_F8E5M2 SY_DTYPE(12, 8)
#define SY_F4E2M1 SY_DTYPE(17, 4)
#define SY_I4 SY_DTYPE(0, 4)
#define SY_U4 SY_DTYPE(1, 4)

#define SY_MAX_RANK 12

typedef struct SyTensor SyTensor;  // a strided view of device memory, with its place on the tape
typedef struct SyDevice SyDevice;  // a device of a loaded plugin; never freed, compare by address
typedef struct SyStream SyStream;  // a queue of work on one device
typedef struct SyTimestamp SyTimestamp;  // when a stream of a device came to a point of its work

// A list of integers or a text inside an attribute struct. Borrowed.
typedef struct SyInts {
  const int64_t* data;
  int64_t count;
} SyInts;
typedef struct SyText {
  const char* data;
  int64_t length;
} SyText;

// ------------------------------------------------------------------------------------------------
// Attributes and ops, described at run time

#define SY_ATTR_INT 1    // int64_t
#define SY_ATTR_FLOAT 2  // double
#define SY_ATTR_BOOL 3   // int64_t, 0 or 1
#define SY_ATTR_DTYPE 4  // int64_t holding a SyDtype; 0: the op's default
#define SY_ATTR_INTS 5   // SyInts
#define SY_ATTR_TEXT 6   // SyText

// One attribute of an op. Strided: an array of these is stepped by its owner's stated element size.
typedef struct SyAttrSpec {
  const char* name;
  const char* doc;            // may be NULL
  int32_t type;               // SY_ATTR_*
  uint32_t offset;            // bytes into the op's attribute struct
  int64_t default_int;        // INT, BOOL, DTYPE
  double default_float;       // FLOAT
  const char* default_text;   // TEXT, and INTS written as "1,1"; NULL: empty
  int64_t required;           // 1: has no default, a run without attributes is refused
  SY_TEST_GROW
} SyAttrSpec;
SY_CHECK_SIZE(SyAttrSpec, 56);

// What sy_op_info() tells of an op. Sized.
typedef struct SyOpInfo {
  uint32_t size;
  int32_t rev;          // raised when the op's meaning changes
  const char* name;
  const char* doc;
  int32_t in_min;       // inputs wanted; between in_min and in_max. -1 in in_max: any number
  int32_t in_max;
  int32_t out_count;    // -1: depends on the attributes
  int32_t differentiable;  // 1: has a gradient
  const SyAttrSpec* attrs;
  int32_t attr_count;
  uint32_t attr_size;   // bytes from one SyAttrSpec to the next
  uint32_t attrs_size;  // bytes of the attribute struct
  int32_t pointwise;    // 1: runs as a scalar program through `map`
  int32_t out_main;     // outputs that a program wants; those behind serve the gradient. -1: all
  int32_t optional_from;  // inputs from here on may be NULL; -1: none
  SY_TEST_GROW
} SyOpInfo;
SY_CHECK_SIZE(SyOpInfo, 72);

#define SY_RUN_DETERMINISTIC 1u  // refuse kernels that are not deterministic
#define SY_RUN_ALLOW_TF32 2u     // f32 products may round their inputs to TF32

// One call of one op. Sized.
typedef struct SyRun {
  uint32_t size;
  uint32_t flags;             // SY_RUN_*
  int32_t op;                 // from sy_op_find()
  int32_t rev;                // revision the attributes were written for; 0: the current one
  SyTensor* const* in;        // in_count tensors, borrowed; NULL entries stand for absent optional
                              // inputs
  int32_t in_count;
  int32_t out_count;
  const void* attrs;          // the op's attribute struct, or NULL for its defaults; borrowed
  uint32_t attrs_size;        // bytes of it; a shorter struct takes defaults for the tail
  SyDtype dtype;              // ops without inputs: dtype wanted; 0: f32. Others: leave 0
  const SyDevice* device;     // ops without inputs: where; NULL: the thread's current device
  SyStream* stream;           // NULL: the thread's current stream of the device
  SyTensor** out;             // out_count slots, see sy_run()
  SY_TEST_GROW
} SyRun;
SY_CHECK_SIZE(SyRun, 72);

// ------------------------------------------------------------------------------------------------
// What the library tells about devices, plugins, memory and fall-backs. All sized: the caller
// zeroes the struct and sets size; the library fills what fits.

typedef struct SyDeviceReport {
  uint32_t size;
  int32_t index;              // among devices of its kind
  const char* name;           // "cpu:0"
  const char* description;    // "AMD EPYC, 2 threads, AVX-512"
  const char* plugin;         // name of the plugin that owns it
  uint64_t total_bytes;       // device memory; 0: unknown
  uint64_t dtypes_storage;    // bit (1 << SY_T_*) for each dtype it can hold (sy_plugin.h)
  uint64_t dtypes_compute;    // ... and compute in
  int32_t type;               // SY_DEVICE_TYPE_* (sy_plugin.h)
  int32_t is_default;         // 1: where ops without inputs run unless told otherwise
  uint32_t numeric;           // SY_NUMERIC_*: what its arithmetic keeps (sy_plugin.h)
  uint32_t memory_kinds;      // SY_MEMORY_* (sy_plugin.h)
  const char* driver;         // "550.54.15", "PoCL 3.1", "AVX-512"; "": the plugin does not say
  SY_TEST_GROW
} SyDeviceReport;
SY_CHECK_SIZE(SyDeviceReport, 80);

typedef struct SyMemoryReport {
  uint32_t size;
  uint32_t reserved;
  uint64_t live_bytes;        // held by tensors now
  uint64_t peak_bytes;        // most ever held by tensors
  uint64_t pooled_bytes;      // kept by the pool for reuse
  uint64_t allocations;       // calls to the plugin's alloc so far
  uint64_t device_free_bytes;   // of the device's memory, for everybody; both 0 where the device is
  uint64_t device_total_bytes;  // not open, or its plugin does not say
  SY_TEST_GROW
} SyMemoryReport;
SY_CHECK_SIZE(SyMemoryReport, 56);

#define SY_PLUGIN_LOADED 1
#define SY_PLUGIN_REFUSED 2
#define SY_PLUGIN_MANIFEST_ONLY 3  // a manifest was read; no code of the plugin has run
#define SY_PLUGIN_CLOSED 4

typedef struct SyPluginReport {
  uint32_t size;
  int32_t state;              // SY_PLUGIN_*
  const char* name;
  const char* file;           // the library's path
  const char* version;        // the plugin's own; "" if unknown
  const char* reason;         // why it was refused, or why it offers no device; "" if there is
                              // nothing to say
  uint32_t abi;               // major << 16 | minor it was built for; 0: unknown
  int32_t device_count;
  int32_t kernel_count;
  int32_t op_count;
  SY_TEST_GROW
} SyPluginReport;
SY_CHECK_SIZE(SyPluginReport, 56);

typedef struct SyFallbackReport {
  uint32_t size;
  int32_t op;
  const char* device;         // the device that lacked the kernel
  const char* reason;
  int64_t count;              // times it happened
  SY_TEST_GROW
} SyFallbackReport;
SY_CHECK_SIZE(SyFallbackReport, 32);

// ------------------------------------------------------------------------------------------------
// Autograd

#define SY_BACKWARD_RETAIN 1u        // keep the graph, so that backward may run again
#define SY_BACKWARD_CREATE_GRAPH 2u  // record the backward pass itself, for higher derivatives
#define SY_BACKWARD_ALLOW_UNUSED 4u  // an input that no output depends on gives NULL instead of an
                                     // error

typedef struct SyBackward {
  uint32_t size;
  uint32_t flags;                    // SY_BACKWARD_*
  SyTensor* const* outputs;          // what is differentiated; at least one
  SyTensor* const* output_grads;     // one per output; NULL, or a NULL entry: ones, for one-element
                                     // outputs
  SyTensor* const* inputs;           // NULL: add into .grad of every leaf. Else: gradients are
                                     // returned
  SyTensor** input_grads;            // out, one per input; each has one reference
  int32_t output_count;
  int32_t input_count;
  SY_TEST_GROW
} SyBackward;
SY_CHECK_SIZE(SyBackward, 48);

// Called when the gradient of a tensor is known. Returns a status; may put a replacement, with one
// reference, into *out_grad (NULL there: the gradient is kept).
typedef SyStatus(SY_CALL* SyHookFn)(void* context, SyTensor* grad, SyTensor** out_grad);
typedef void(SY_CALL* SyReleaseFn)(void* context);

// The backward half of a custom function. output_grads[i] is NULL where no gradient arrives. Puts a
// gradient with one reference into in_grads[i], or leaves NULL for none. What it runs is recorded
// if the caller asked for create_graph, so a backward made of ops is differentiable again.
typedef SyStatus(SY_CALL* SyBackwardFn)(void* context, SyTensor* const* saved, int32_t saved_count,
                                        SyTensor* const* output_grads, int32_t output_count,
                                        SyTensor** in_grads, int32_t in_count);

// Puts a custom function on the tape: its forward half has already run, under grad mode off.
typedef struct SyFunction {
  uint32_t size;
  uint32_t reserved;
  const char* name;                  // copied; used in error texts and graphs
  SyTensor* const* inputs;           // NULL entries are inputs without a gradient
  SyTensor* const* outputs;          // fresh tensors; on return they are part of the graph
  SyTensor* const* saved;            // kept for backward, checked for in-place changes there
  int32_t input_count;
  int32_t output_count;
  int32_t saved_count;
  uint32_t reserved2;
  SyBackwardFn backward;
  void* context;                     // handed to backward and, once, to release
  SyReleaseFn release;               // may be NULL; called from any thread when the node dies
  SY_TEST_GROW
} SyFunction;
SY_CHECK_SIZE(SyFunction, 80);

// ------------------------------------------------------------------------------------------------
// Logging

#define SY_LOG_ERROR 1
#define SY_LOG_WARNING 2
#define SY_LOG_INFO 3
#define SY_LOG_DEBUG 4

typedef void(SY_CALL* SyLogFn)(void* context, int32_t level, const char* text);

struct DLManagedTensor;           // dlpack.h, before 1.0
struct DLManagedTensorVersioned;  // dlpack.h, 1.0 and later

// ------------------------------------------------------------------------------------------------
// The same functions as a table, for plugins (SyHost.api) and for programs that open the library by
// hand. Sized; entries are only appended; each is the function of the same name.

typedef struct SyApi {
  uint32_t size;
  uint32_t abi;
  const char*(SY_CALL* version)(void);
  uint32_t(SY_CALL* abi_number)(void);
  const char*(SY_CALL* last_message)(void);
  const char*(SY_CALL* status_name)(SyStatus);
  SyStatus(SY_CALL* option_set)(const char*, const char*);
  const char*(SY_CALL* option_get)(const char*);
  void(SY_CALL* log_set)(SyLogFn, void*);
  int64_t(SY_CALL* counter)(const char*);
  SyStatus(SY_CALL* plugin_load)(const char*);
  SyStatus(SY_CALL* plugin_load_all)(void);
  SyStatus(SY_CALL* plugin_scan)(const char*, void(SY_CALL*)(void*, const SyPluginReport*), void*);
  SyStatus(SY_CALL* plugin_close)(const char*);
  int32_t(SY_CALL* plugin_count)(void);
  SyStatus(SY_CALL* plugin_report)(int32_t, SyPluginReport*);
  int32_t(SY_CALL* device_count)(void);
  const SyDevice*(SY_CALL* device_at)(int32_t);
  SyStatus(SY_CALL* device_find)(const char*, const SyDevice**);
  const char*(SY_CALL* device_name)(const SyDevice*);
  SyStatus(SY_CALL* device_report)(const SyDevice*, SyDeviceReport*);
  SyStatus(SY_CALL* device_memory)(const SyDevice*, SyMemoryReport*);
  SyStatus(SY_CALL* device_trim)(const SyDevice*);
  const SyDevice*(SY_CALL* device_current)(void);
  SyStatus(SY_CALL* device_set_current)(const SyDevice*);
  SyStatus(SY_CALL* synchronize)(const SyDevice*);
  SyStatus(SY_CALL* stream_create)(const SyDevice*, SyStream**);
  SyStream*(SY_CALL* stream_retain)(SyStream*);
  void(SY_CALL* stream_release)(SyStream*);
  SyStatus(SY_CALL* stream_set_current)(const SyDevice*, SyStream*);
  SyStatus(SY_CALL* stream_synchronize)(SyStream*);
  SyStatus(SY_CALL* timestamp_create)(const SyDevice*, SyTimestamp**);
  SyStatus(SY_CALL* timestamp_elapsed)(const SyTimestamp*, const SyTimestamp*, int64_t*);
  void(SY_CALL* timestamp_release)(SyTimestamp*);
  SyStatus(SY_CALL* tensor_empty)(const int64_t*, int32_t, SyDtype, const char*, SyTensor**);
  SyStatus(SY_CALL* tensor_full)(const int64_t*, int32_t, SyDtype, const char*, double, SyTensor**);
  SyStatus(SY_CALL* tensor_randn)(const int64_t*, int32_t, SyDtype, const char*, SyTensor**);
  SyStatus(SY_CALL* tensor_from_host)(const void*, const int64_t*, int32_t, SyDtype, const char*,
                                      SyTensor**);
  SyStatus(SY_CALL* tensor_wrap)(void*, const int64_t*, const int64_t*, int32_t, SyDtype,
                                 SyReleaseFn, void*,
                                 SyTensor**);
  SyStatus(SY_CALL* tensor_number_f64)(double, SyTensor**);
  SyStatus(SY_CALL* tensor_number_i64)(int64_t, SyTensor**);
  SyTensor*(SY_CALL* tensor_retain)(SyTensor*);
  void(SY_CALL* tensor_release)(SyTensor*);
  int32_t(SY_CALL* tensor_rank)(const SyTensor*);
  const int64_t*(SY_CALL* tensor_shape)(const SyTensor*);
  const int64_t*(SY_CALL* tensor_strides)(const SyTensor*);
  int64_t(SY_CALL* tensor_count)(const SyTensor*);
  SyDtype(SY_CALL* tensor_dtype)(const SyTensor*);
  const SyDevice*(SY_CALL* tensor_device)(const SyTensor*);
  int32_t(SY_CALL* tensor_is_contiguous)(const SyTensor*);
  int64_t(SY_CALL* tensor_version)(const SyTensor*);
  int32_t(SY_CALL* tensor_same_storage)(const SyTensor*, const SyTensor*);
  SyStatus(SY_CALL* tensor_data)(const SyTensor*, void**);
  SyStatus(SY_CALL* tensor_read)(const SyTensor*, void*, int64_t);
  SyStatus(SY_CALL* tensor_write)(SyTensor*, const void*, int64_t);
  SyStatus(SY_CALL* tensor_item_f64)(const SyTensor*, double*);
  SyStatus(SY_CALL* tensor_item_i64)(const SyTensor*, int64_t*);
  SyStatus(SY_CALL* tensor_to)(SyTensor*, const char*, SyTensor**);
  int32_t(SY_CALL* tensor_describe)(const SyTensor*, char*, int32_t);
  SyStatus(SY_CALL* tensor_from_dlpack)(struct DLManagedTensor*, SyTensor**);
  SyStatus(SY_CALL* tensor_from_dlpack_versioned)(struct DLManagedTensorVersioned*, SyTensor**);
  SyStatus(SY_CALL* tensor_to_dlpack)(SyTensor*, struct DLManagedTensor**);
  SyStatus(SY_CALL* tensor_to_dlpack_versioned)(SyTensor*, struct DLManagedTensorVersioned**);
  int32_t(SY_CALL* op_find)(const char*);
  int32_t(SY_CALL* op_count)(void);
  SyStatus(SY_CALL* op_info)(int32_t, SyOpInfo*);
  SyStatus(SY_CALL* run)(const SyRun*);
  int32_t(SY_CALL* op_route)(int32_t, const SyDevice*, SyDtype, char*, int32_t);
  int32_t(SY_CALL* fallback_count)(void);
  SyStatus(SY_CALL* fallback_report)(int32_t, SyFallbackReport*);
  void(SY_CALL* fallback_reset)(void);
  int32_t(SY_CALL* tensor_requires_grad)(const SyTensor*);
  SyStatus(SY_CALL* tensor_set_requires_grad)(SyTensor*, int32_t);
  int32_t(SY_CALL* tensor_is_leaf)(const SyTensor*);
  SyTensor*(SY_CALL* tensor_grad)(const SyTensor*);
  SyStatus(SY_CALL* tensor_set_grad)(SyTensor*, SyTensor*);
  const char*(SY_CALL* tensor_grad_op)(const SyTensor*);
  SyStatus(SY_CALL* backward)(const SyBackward*);
  int32_t(SY_CALL* grad_mode)(void);
  int32_t(SY_CALL* grad_mode_set)(int32_t);
  SyStatus(SY_CALL* tensor_hook_add)(SyTensor*, SyHookFn, void*, SyReleaseFn, int64_t*);
  SyStatus(SY_CALL* tensor_hook_remove)(SyTensor*, int64_t);
  SyStatus(SY_CALL* function_record)(const SyFunction*);
  void(SY_CALL* seed)(uint64_t);
  void(SY_CALL* random_state)(uint64_t*, uint64_t*);
  void(SY_CALL* random_state_set)(uint64_t, uint64_t);
  SyStatus(SY_CALL* fail)(SyStatus, const char*);
  SyStatus(SY_CALL* tensor_set_data)(SyTensor*, SyTensor*);
  SY_TEST_GROW
} SyApi;
SY_CHECK_SIZE(SyApi, 696);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SWITCHYARD_SY_H_

// The functions. Apart from the types, so that a file may include sy_plugin.h, which leaves them
// out, and this header in either order.
#if !defined(SY_NO_PROTOTYPES) && !defined(SWITCHYARD_SY_PROTOTYPES_)
#define SWITCHYARD_SY_PROTOTYPES_

#ifdef __cplusplus
extern "C" {
#endif

// ------------------------------------------------------------------------------------------------
// Runtime

// "0.1.0".
SY_API const char* sy_version(void);

// SY_ABI of the library itself; a program compares the major with its own.
SY_API uint32_t sy_abi(void);

// Text of the last failure on this thread, one line: op or file, what is wrong, what was given,
// what was wanted. "" if nothing has failed. Valid until the next call on this thread. Never NULL.
SY_API const char* sy_last_message(void);

// Sets this thread's message and returns `code`: for callbacks (hooks, custom functions) that fail.
SY_API SyStatus sy_fail(SyStatus code, const char* text);

// "INVALID_ARGUMENT" for 3, and so on; "UNKNOWN" for numbers that are none.
SY_API const char* sy_status_name(SyStatus status);

// Sets an option of the runtime ("threads", "fallback", "log", "sync", "check", "plugin_path",
// "plugins", "cache_dir", "anomaly", "pool") or of a plugin ("cuda.allow_tf32"). Plugin options and
// "threads", "plugin_path", "plugins" must be set before first use of a device:
// SY_FAILED_PRECONDITION after it. An unknown name is SY_NOT_FOUND and names the nearest. The
// environment's SY_THREADS ... give defaults. "pool" off, for devices opened later: each tensor's
// memory is an allocation of its own, for tools that look at accesses.
SY_API SyStatus sy_option_set(const char* name, const char* value);

// Value of an option as text; NULL if there is no such option. Valid until it is set again.
SY_API const char* sy_option_get(const char* name);

// Sends log lines to `log` instead of stderr; NULL restores stderr. `log` may be called from any
// thread.
SY_API void sy_log_set(SyLogFn log, void* context);

// A counter of the runtime, -1 if unknown: "tensors" (live), "nodes" (live on the tape), "ops" (run
// so far), "kernels", "fallbacks", "copies" (made to fit a kernel), "syncs", "programs" (distinct),
// "violations" (promises that SY_CHECK found broken).
SY_API int64_t sy_counter(const char* name);

// ------------------------------------------------------------------------------------------------
// Plugins and devices

// Loads one plugin by the path of its library or manifest, and publishes its devices, ops and
// kernels; all or nothing. Errors: SY_NOT_FOUND, SY_PERMISSION_DENIED (file or folder writable by
// others), SY_FAILED_PRECONDITION (other ABI, both numbers given), SY_INVALID_ARGUMENT (what is
// wrong with it), SY_ALREADY_EXISTS (a plugin of this name is loaded). Blocks while the plugin
// starts.
SY_API SyStatus sy_plugin_load(const char* path);

// Loads every plugin found: SY_PLUGIN_PATH, the folder "switchyard" beside the library, the install
// prefix. Runs by itself on first use of a device. A plugin that is refused never hurts the others.
SY_API SyStatus sy_plugin_load_all(void);

// Reads the manifests that sy_plugin_load_all() would see, or those in `folder` if it is not NULL,
// without running any code of theirs, and calls `visit` for each.
SY_API SyStatus sy_plugin_scan(const char* folder,
                               void(SY_CALL* visit)(void* context, const SyPluginReport* report),
                               void* context);

// Closes a plugin by name and forgets it. SY_FAILED_PRECONDITION while tensors of its devices live.
// Its code stays mapped unless the plugin says that unmapping is safe.
SY_API SyStatus sy_plugin_close(const char* name);

// Plugins seen by this process, refused ones included.
SY_API int32_t sy_plugin_count(void);
SY_API SyStatus sy_plugin_report(int32_t index, SyPluginReport* out_report);

SY_API int32_t sy_device_count(void);
SY_API const SyDevice* sy_device_at(int32_t index);  // NULL if out of range

// Finds "cuda:1", or "cuda" for "cuda:0". NULL or "": the thread's current device. SY_NOT_FOUND
// names the nearest and lists what there is.
SY_API SyStatus sy_device_find(const char* name, const SyDevice** out_device);
SY_API const char* sy_device_name(const SyDevice* device);  // "cuda:1"
SY_API SyStatus sy_device_report(const SyDevice* device, SyDeviceReport* out_report);
SY_API SyStatus sy_device_memory(const SyDevice* device, SyMemoryReport* out_report);

// Returns pooled memory that no tensor uses to the plugin. Blocks until the device is idle.
SY_API SyStatus sy_device_trim(const SyDevice* device);

// The thread's current device, where ops without inputs run. NULL in set: back to the default.
SY_API const SyDevice* sy_device_current(void);
SY_API SyStatus sy_device_set_current(const SyDevice* device);

// Waits until all work queued on the device has finished, NULL: on every device, and reports what
// went wrong since the last wait: SY_OUT_OF_RANGE (a bad index, with op and position),
// SY_UNAVAILABLE (device lost), or the plugin's own code. Blocks.
SY_API SyStatus sy_synchronize(const SyDevice* device);

SY_API SyStatus sy_stream_create(const SyDevice* device, SyStream** out_stream);
SY_API SyStream* sy_stream_retain(SyStream* stream);
SY_API void sy_stream_release(SyStream* stream);
// The stream on which this thread's ops on the stream's device run. NULL stream: the device's
// default.
SY_API SyStatus sy_stream_set_current(const SyDevice* device, SyStream* stream);
SY_API SyStatus sy_stream_synchronize(SyStream* stream);  // Blocks.

// Time on the device. A time stamp is queued on the thread's current stream of `device` and takes
// the device's clock when the work queued before it has finished; on a device without streams the
// host's clock, at once. SY_UNIMPLEMENTED where the device's plugin keeps no time. The plugin
// cannot be closed while one lives.
SY_API SyStatus sy_timestamp_create(const SyDevice* device, SyTimestamp** out_timestamp);
// Nanoseconds from one to the other, two of one device; below 0 where `to` came first. How fine the
// clock is, is the device's affair. Blocks until both are reached; errors as sy_synchronize(), but
// for bad indices.
SY_API SyStatus sy_timestamp_elapsed(const SyTimestamp* from, const SyTimestamp* to,
                                     int64_t* out_ns);
SY_API void sy_timestamp_release(SyTimestamp* timestamp);  // reached or not. NULL: nothing

// ------------------------------------------------------------------------------------------------
// Tensors. `shape` has `rank` entries, rank 0 to SY_MAX_RANK, each >= 0. `device` is a name as in
// sy_device_find(). Strides count elements and may be zero or negative.

// Uninitialised memory.
SY_API SyStatus sy_tensor_empty(const int64_t* shape, int32_t rank, SyDtype dtype,
                                const char* device, SyTensor** out_tensor);
SY_API SyStatus sy_tensor_full(const int64_t* shape, int32_t rank, SyDtype dtype,
                               const char* device, double value, SyTensor** out_tensor);
// Normally distributed, mean 0, standard deviation 1, from the process's generator.
SY_API SyStatus sy_tensor_randn(const int64_t* shape, int32_t rank, SyDtype dtype,
                                const char* device, SyTensor** out_tensor);
// Copies dense C-order host data.
SY_API SyStatus sy_tensor_from_host(const void* data, const int64_t* shape, int32_t rank,
                                    SyDtype dtype, const char* device, SyTensor** out_tensor);
// A tensor over the caller's host memory, on the CPU device, without a copy. strides NULL: dense.
// When the last user is done `deleter` (NULL: none) is called once, from any thread, with
// `context`.
SY_API SyStatus sy_tensor_wrap(void* data, const int64_t* shape, const int64_t* strides,
                               int32_t rank, SyDtype dtype, SyReleaseFn deleter, void* context,
                               SyTensor** out_tensor);
// A number of the host language: no device, and weak in promotion (x + 1.5 keeps x's float dtype).
SY_API SyStatus sy_tensor_number_f64(double value, SyTensor** out_tensor);
SY_API SyStatus sy_tensor_number_i64(int64_t value, SyTensor** out_tensor);

SY_API SyTensor* sy_tensor_retain(SyTensor* tensor);
SY_API void sy_tensor_release(SyTensor* tensor);

SY_API int32_t sy_tensor_rank(const SyTensor* tensor);
SY_API const int64_t* sy_tensor_shape(const SyTensor* tensor);    // rank entries; lives with the
                                                                  // tensor
SY_API const int64_t* sy_tensor_strides(const SyTensor* tensor);  // in elements
SY_API int64_t sy_tensor_count(const SyTensor* tensor);           // elements
SY_API SyDtype sy_tensor_dtype(const SyTensor* tensor);
SY_API const SyDevice* sy_tensor_device(const SyTensor* tensor);  // NULL for numbers of the host
                                                                  // language
SY_API int32_t sy_tensor_is_contiguous(const SyTensor* tensor);
SY_API int64_t sy_tensor_version(const SyTensor* tensor);         // in-place writes to its storage
                                                                  // so far
SY_API int32_t sy_tensor_same_storage(const SyTensor* a, const SyTensor* b);

// Host address of element 0, after waiting for work that writes it. SY_FAILED_PRECONDITION where
// the host cannot see the memory: use sy_tensor_read(). Blocks.
SY_API SyStatus sy_tensor_data(const SyTensor* tensor, void** out_data);
// Copies all elements in C order to `data`; `bytes` must be exactly what they take. Blocks.
SY_API SyStatus sy_tensor_read(const SyTensor* tensor, void* data, int64_t bytes);
// Overwrites all elements in C order from `data`; raises the version. Blocks until `data` is free
// again.
SY_API SyStatus sy_tensor_write(SyTensor* tensor, const void* data, int64_t bytes);
// The one element of a one-element tensor, converted. Blocks.
SY_API SyStatus sy_tensor_item_f64(const SyTensor* tensor, double* out_value);
SY_API SyStatus sy_tensor_item_i64(const SyTensor* tensor, int64_t* out_value);

// The tensor on another device; the same tensor where it is there already. Differentiable.
SY_API SyStatus sy_tensor_to(SyTensor* tensor, const char* device, SyTensor** out_tensor);

// `tensor` becomes another name for `data`'s memory, shape, dtype and device, and keeps
// requires_grad, its gradient (moved along) and hooks: how a module's parameters move to a device
// or take loaded values while optimizers hold them. Leaves only; no other thread may use `tensor`
// meanwhile.
SY_API SyStatus sy_tensor_set_data(SyTensor* tensor, SyTensor* data);

// "f32[64,128]@cuda:0" into buf (always ended with 0, cut where it does not fit). Returns the full
// length.
SY_API int32_t sy_tensor_describe(const SyTensor* tensor, char* buf, int32_t bytes);

// DLPack, without a copy in either direction. Import takes ownership: the deleter is called once,
// from any thread, also when import fails. Export gives a struct whose deleter drops one reference;
// it waits for queued writes first. SY_UNIMPLEMENTED names the device type or dtype that has no
// counterpart. Blocks.
SY_API SyStatus sy_tensor_from_dlpack(struct DLManagedTensor* managed, SyTensor** out_tensor);
SY_API SyStatus sy_tensor_from_dlpack_versioned(struct DLManagedTensorVersioned* managed,
                                                SyTensor** out_tensor);
SY_API SyStatus sy_tensor_to_dlpack(SyTensor* tensor, struct DLManagedTensor** out_managed);
SY_API SyStatus sy_tensor_to_dlpack_versioned(SyTensor* tensor,
                                              struct DLManagedTensorVersioned** out_managed);

// ------------------------------------------------------------------------------------------------
// Ops

// Id of an op by name, -1 if there is none. Ids are small, stable within the process only.
SY_API int32_t sy_op_find(const char* name);
SY_API int32_t sy_op_count(void);
SY_API SyStatus sy_op_info(int32_t op, SyOpInfo* out_info);

// Runs one op on the device that holds its inputs.
//
//   run->out      out_count slots. A NULL slot receives a new tensor with one reference; a tensor
//                 found in a slot is written in place. It must have the result's shape and its
//                 dtype; elementwise ops and those made of other ops also convert to a dtype of no
//                 lower category (bool, integer, float). View ops write nowhere: they refuse it.
//
// Errors: SY_INVALID_ARGUMENT (count, shape, dtype, devices differ; the message names both sides),
//         SY_UNIMPLEMENTED (no kernel and no fall-back; the message lists who has one),
//         SY_FAILED_PRECONDITION (an in-place write that autograd cannot allow),
//         SY_RESOURCE_EXHAUSTED (memory). New slots are NULL again and given tensors are unchanged.
SY_API SyStatus sy_run(const SyRun* run);

// Where sy_run() would find code for the op on the device for inputs of one dtype, as text in buf:
// "named relu_f32 (cpu)", "map", "composite", "fallback: ...", "refused: ...". Returns the full
// length.
SY_API int32_t sy_op_route(int32_t op, const SyDevice* device, SyDtype dtype, char* buf,
                           int32_t bytes);

// Fall-backs to another device since start or reset, one row per (op, device).
SY_API int32_t sy_fallback_count(void);
SY_API SyStatus sy_fallback_report(int32_t index, SyFallbackReport* out_report);
SY_API void sy_fallback_reset(void);

// ------------------------------------------------------------------------------------------------
// Autograd

SY_API int32_t sy_tensor_requires_grad(const SyTensor* tensor);
// Only leaves of floating dtype can be told: SY_FAILED_PRECONDITION otherwise.
SY_API SyStatus sy_tensor_set_requires_grad(SyTensor* tensor, int32_t requires_grad);
SY_API int32_t sy_tensor_is_leaf(const SyTensor* tensor);
// The accumulated gradient with one more reference, NULL if there is none.
SY_API SyTensor* sy_tensor_grad(const SyTensor* tensor);
// Replaces it; NULL clears it. Shape, dtype and device must match.
SY_API SyStatus sy_tensor_set_grad(SyTensor* tensor, SyTensor* grad);
// Name of the op that made the tensor on the tape, NULL for leaves and untracked tensors.
SY_API const char* sy_tensor_grad_op(const SyTensor* tensor);

// Reverse pass, see SyBackward. Errors: SY_FAILED_PRECONDITION (the graph was freed by an earlier
// pass; a saved tensor was changed in place, both ops named; nothing requires a gradient),
// SY_INVALID_ARGUMENT.
SY_API SyStatus sy_backward(const SyBackward* backward);

SY_API int32_t sy_grad_mode(void);               // 1: this thread records
SY_API int32_t sy_grad_mode_set(int32_t on);     // returns the mode before

// Calls `hook` whenever a gradient of `tensor` is computed. `context` is released with the hook.
SY_API SyStatus sy_tensor_hook_add(SyTensor* tensor, SyHookFn hook, void* context,
                                   SyReleaseFn release, int64_t* out_id);
SY_API SyStatus sy_tensor_hook_remove(SyTensor* tensor, int64_t id);

// Records a custom function. The function takes over `context` even when it fails.
SY_API SyStatus sy_function_record(const SyFunction* function);

// ------------------------------------------------------------------------------------------------
// Random numbers: Philox-4x32-10, key = seed, counter = (element block, offset). One seed gives the
// same bits on every device. Each draw of n elements moves the offset by ceil(n / 4).

SY_API void sy_seed(uint64_t seed);
SY_API void sy_random_state(uint64_t* out_seed, uint64_t* out_offset);
SY_API void sy_random_state_set(uint64_t seed, uint64_t offset);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SY_NO_PROTOTYPES
