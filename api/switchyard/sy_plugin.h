// sy_plugin.h: the C ABI between libswitchyard.so and plugins. C99, C11 and C++11 up.
//
// A plugin is a shared library that exports one symbol, sy_plugin_main, and links nothing of ours:
// all it may call comes in SyHost. Read in this order: SyPlugin (what a plugin is), SyDeviceFns and
// SyMemoryFns (what a device needs), SyKernel and SyCall (what runs), the eight core kernels, and
// the rest when it is wanted. sy_plugin_kit.h has what a first plugin wants: an interpreter for
// scalar programs, strided loops, reduce.
//
// What is required: a kernel provider for somebody else's device needs kernels and nothing else. A
// new device needs count, info, open, close, alloc, free, copy_in, copy_out, copy_within and one
// kernel; with the eight core kernels it runs every op. Every entry that may be missing is NULL or
// 0, and the host has a default.
//
// Three sorts of struct, said at each:
//   sized    passed by pointer; begins with `size`. Whoever fills a struct sets nothing behind its
//            size. Structs that the plugin fills (SyDeviceInfo, SyAllocation, SyPlan) come zeroed
//            with `size` set by the host; the plugin leaves `size` alone and writes a field only
//            where SY_HAS says it is there.
//   strided  in arrays; the owner states count and element size, the reader steps by that.
//   frozen   hot and indexed by plugins; never grows; reserved words are zero.
// No struct has hidden padding. Zero means absent or default in every field.
//
// Tags at each function: [any] any thread at any time; [stream] calls on one stream never overlap,
// though the thread may change from call to call; [device] never overlaps anything on that device;
// [start] only while the plugin starts or closes. States: mapped, started, device open, device
// closed, closed; each entry names the earliest state in which the host calls it.
//
// Rules for every entry: no abort, exit, exception, longjmp across it; locale, rounding mode,
// signal handlers, environment and current directory stay as found; a status other than SY_OK means
// nothing was made, queued or kept. SY_UNAVAILABLE from a device that is open says that it is lost:
// nothing queued runs or touches the host's memory after it, and of its entries only free, destroy
// and close are called then. Device handles, stream handles and memory handles are the plugin's own
// 64-bit numbers.
// The contracts stand in columns.
// clang-format off
#ifndef SWITCHYARD_SY_PLUGIN_H_
#define SWITCHYARD_SY_PLUGIN_H_

#ifndef SWITCHYARD_SY_H_
#define SY_NO_PROTOTYPES
#include "sy.h"
#undef SY_NO_PROTOTYPES
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SyHost SyHost;
typedef struct SyCall SyCall;
typedef struct SyKernel SyKernel;

// Reads element `i` of a strided array whose owner stated `element_size`.
#define SY_AT(type, array, element_size, i) \
  ((const type*)(const void*)((const char*)(array) + (size_t)(element_size) * (size_t)(i)))

// Writes a field of a struct that the other side made, if it is long enough to have it.
#define SY_SET(p, field, value)                  \
  do {                                           \
    if (SY_HAS(p, field)) (p)->field = (value);  \
  } while (0)

// ------------------------------------------------------------------------------------------------
// Element types as small numbers: in programs, and as bits (1 << SY_T_*) of a device's dtype sets.

#define SY_T_BOOL 1
#define SY_T_I8 2
#define SY_T_I16 3
#define SY_T_I32 4
#define SY_T_I64 5
#define SY_T_U8 6
#define SY_T_U16 7
#define SY_T_U32 8
#define SY_T_U64 9
#define SY_T_F16 10
#define SY_T_BF16 11
#define SY_T_F32 12
#define SY_T_F64 13

#define SY_T_BIT(type) ((uint64_t)1 << (type))
#define SY_T_ALL ((uint64_t)0x3ffe)

// ------------------------------------------------------------------------------------------------
// Memory and views

typedef union SyPointer {
  void* p;
  uint64_t bits;
} SyPointer;

// A piece of device memory as the plugin named it. Frozen, 24 bytes.
typedef struct SyMemory {
  uint64_t handle;   // the plugin's number; 0: none
  uint64_t address;  // device address of its first byte, 0 where the device has none
  SyPointer host;    // host address of the same bytes, NULL where the host cannot see them
} SyMemory;
SY_CHECK_FROZEN(SyMemory, 24);

#define SY_VIEW_CONTIGUOUS 1u  // C order without gaps
#define SY_VIEW_READ_ONLY 2u
#define SY_VIEW_ALIGNED 4u     // offset is a multiple of the device's buffer_alignment
#define SY_VIEW_WEIGHT 8u      // does not change between calls: may be packed once
#define SY_VIEW_NO_DATA 16u    // shape and dtype only; memory is zero

// A strided view. Frozen, 320 bytes. Entries of shape and strides beyond rank are unspecified.
typedef struct SyView {
  SyMemory memory;
  int64_t offset;          // bytes from the start of the memory to element 0
  SyPointer data;          // address + offset where there is an address, else 0
  uint32_t dtype;          // SyDtype
  int32_t type;            // the same as SY_T_*
  int32_t rank;
  uint32_t flags;          // SY_VIEW_*
  int64_t count;           // elements
  int64_t bytes;           // count * element size
  int64_t shape[SY_MAX_RANK];
  int64_t strides[SY_MAX_RANK];  // in elements; 0, negative and overlapping strides are legal
  uint64_t reserved[7];
} SyView;
SY_CHECK_FROZEN(SyView, 320);

// Memory lent for the length of one call. Frozen, 40 bytes.
typedef struct SyRange {
  SyMemory memory;
  int64_t offset;
  int64_t bytes;
} SyRange;
SY_CHECK_FROZEN(SyRange, 40);

// ------------------------------------------------------------------------------------------------
// Scalar programs: what map, reduce, scan and row compute for each element. Static single
// assignment: instruction i defines value i; operands are numbers of earlier values.
//
// Results are defined to the bit for integers, comparisons, movement and the exact float
// operations: integer arithmetic wraps; x / 0 is 0 and x rem 0 is x; INT_MIN / -1 wraps; shifts by
// the width or more give 0 or the sign; float to integer truncates, saturates, and NaN becomes 0;
// anything to bool is x != 0; narrowing float casts round to nearest even; MIN and MAX propagate
// NaN, and -0 < +0; comparison with NaN is false but for NE; RINT is ties-to-even; a * b + c is not
// contracted unless it is FMA. The other functions are within a few units in the last place, see
// docs/abi.md.

#define SY_OP_CONST 1    // consts[imm], whose bits are read as the instruction's type
#define SY_OP_INPUT 2    // the element of input imm; type is the input's
#define SY_OP_INDEX 3    // i64: index of the element along axis imm of the call's shape
#define SY_OP_LINEAR 4   // i64: index of the element in C order of the call's shape
#define SY_OP_ADD 8
#define SY_OP_SUB 9
#define SY_OP_MUL 10
#define SY_OP_DIV 11     // integers truncate
#define SY_OP_NEG 12
#define SY_OP_ABS 13
#define SY_OP_FMA 14     // a * b + c, rounded once
#define SY_OP_MIN 15
#define SY_OP_MAX 16
#define SY_OP_REM 17     // exact, sign of a, as C's fmod and %
#define SY_OP_FLOOR 20
#define SY_OP_CEIL 21
#define SY_OP_TRUNC 22
#define SY_OP_RINT 23
#define SY_OP_SQRT 24
#define SY_OP_RSQRT 25
#define SY_OP_EXP 26
#define SY_OP_EXP2 27
#define SY_OP_EXPM1 28
#define SY_OP_LOG 29
#define SY_OP_LOG2 30
#define SY_OP_LOG1P 31
#define SY_OP_POW 32     // integers: by squaring, wrapping; a negative exponent gives 0 unless a is
                         // 1 or -1
#define SY_OP_SIN 36
#define SY_OP_COS 37
#define SY_OP_ASIN 38
#define SY_OP_ACOS 39
#define SY_OP_ATAN 40
#define SY_OP_ATAN2 41
#define SY_OP_TANH 42
#define SY_OP_ERF 44
#define SY_OP_ERFC 45
#define SY_OP_ERFINV 46
#define SY_OP_LGAMMA 47
#define SY_OP_DIGAMMA 48
#define SY_OP_EQ 52      // EQ NE LT LE: bool; a and b have one type
#define SY_OP_NE 53
#define SY_OP_LT 54
#define SY_OP_LE 55
#define SY_OP_SELECT 56  // a (bool) ? b : c
#define SY_OP_AND 60     // bool and integers
#define SY_OP_OR 61
#define SY_OP_XOR 62
#define SY_OP_NOT 63     // bool: logical; integers: all bits
#define SY_OP_SHL 64     // a shifted by b, same type
#define SY_OP_SHR 65     // arithmetic for signed types
#define SY_OP_POPCOUNT 66
#define SY_OP_MULHI 67   // high half of the double-width product, u32 and u64
#define SY_OP_CAST 72    // a converted to the instruction's type
#define SY_OP_BITCAST 73 // same width
#define SY_OP_ROW_SUM 80 // in `row` only: of a over the row, the same in every element of it
#define SY_OP_ROW_MAX 81
#define SY_OP_ROW_MIN 82
#define SY_OP_COUNT_ 96  // one past the highest opcode of this version

// Arithmetic runs on the compute types bool, i32, i64, u32, u64, f32, f64; the narrow types appear
// only at INPUT, CAST and BITCAST. The host writes the casts: f16 and bf16 compute in f32, 8- and
// 16-bit integers in i32, and a program's outputs already have the types of the output views.
typedef struct SyInstruction {  // frozen, 24 bytes
  uint16_t opcode;  // SY_OP_*
  uint16_t type;    // SY_T_* of the result
  uint32_t a, b, c; // operands, where the opcode has them; else 0
  uint64_t imm;     // CONST, INPUT, INDEX
} SyInstruction;
SY_CHECK_FROZEN(SyInstruction, 24);

// How many of a, b, c an instruction has; 1 for opcodes that this version does not know.
static inline int32_t sy_operand_count(int32_t opcode) {
  switch (opcode) {
    case SY_OP_CONST:
    case SY_OP_INPUT:
    case SY_OP_INDEX:
    case SY_OP_LINEAR:
      return 0;
    case SY_OP_FMA:
    case SY_OP_SELECT:
      return 3;
    case SY_OP_ADD:
    case SY_OP_SUB:
    case SY_OP_MUL:
    case SY_OP_DIV:
    case SY_OP_MIN:
    case SY_OP_MAX:
    case SY_OP_REM:
    case SY_OP_POW:
    case SY_OP_ATAN2:
    case SY_OP_EQ:
    case SY_OP_NE:
    case SY_OP_LT:
    case SY_OP_LE:
    case SY_OP_AND:
    case SY_OP_OR:
    case SY_OP_XOR:
    case SY_OP_SHL:
    case SY_OP_SHR:
    case SY_OP_MULHI:
      return 2;
    default:
      return 1;
  }
}

// Sized. Owned by the host; the same program has the same address for the life of the process, and
// its code the same hash everywhere. `consts` belongs to the call: two calls of one program may
// differ in it.
typedef struct SyProgram {
  uint32_t size;
  uint32_t version;            // of this format: 1
  uint8_t hash[32];            // SHA-256 over version, counts, outputs and instructions; not over
                               // consts
  const SyInstruction* instr;
  const uint32_t* outputs;     // value numbers, output_count of them
  const char* name;            // for humans: "add f32", not unique
  int32_t instr_count;
  int32_t input_count;
  int32_t output_count;
  int32_t const_count;
  SY_TEST_GROW
} SyProgram;
SY_CHECK_SIZE(SyProgram, 80);

// ------------------------------------------------------------------------------------------------
// Kernel calls

#define SY_CALL_DETERMINISTIC 1u
#define SY_CALL_ALLOW_TF32 2u
#define SY_CALL_CAPTURING 4u
#define SY_CALL_PROFILING 8u

// One kernel call. Sized. Everything in it lives until the call returns and not longer, but for
// `cache` and `plan`. Only SyHost is called from inside.
struct SyCall {
  uint32_t size;
  uint32_t flags;          // SY_CALL_*
  const SyHost* host;
  void* state;             // from SyPlugin.start of the kernel's plugin
  uint64_t device;         // the device's handle, of the plugin that owns the device
  uint64_t stream;         // 0 where the device has no streams
  uint64_t id;             // number of the call, for errors and profiles
  const SyView* in;        // in_count views; an absent optional input has rank 0, dtype 0,
                           // SY_VIEW_NO_DATA
  const SyView* out;       // out_count views; never overlap an input unless the kernel allows it
  int32_t in_count;
  int32_t out_count;
  int32_t op;              // the host's number of the op
  int32_t rev;
  const void* attrs;       // the op's attribute struct
  uint32_t attrs_size;
  uint32_t const_count;
  const SyProgram* program;  // map, reduce, scan, row; else NULL
  const uint64_t* consts;    // the program's constants for this call
  uint64_t* cache;         // one word kept by the host per (kernel, device, program), 0 at first.
                           // Written and read by kernels that may run at once: use atomic accesses
  void* plan;              // state that `plan` left for this signature
  SyRange scratch;         // of the size that `plan` asked for
  SyRange status;          // SyStatusWord of the stream, in device memory
  const SyKernel* kernel;  // the row of the plugin's own table that is called
  SY_TEST_GROW
};
SY_CHECK_SIZE(SyCall, 216);

// Where gather, scatter and kernels named after ops note a bad index; other core kernels do not.
// Only the first is kept: write it when code is 0. Frozen, 32 bytes.
typedef struct SyStatusWord {
  int32_t code;      // 0: fine; else SY_OUT_OF_RANGE
  int32_t op;        // SyCall.op
  int64_t position;  // linear position of the bad index among the indices
  int64_t value;     // the index found
  int64_t limit;     // the size of the indexed axis
} SyStatusWord;
SY_CHECK_FROZEN(SyStatusWord, 32);

#define SY_PLAN_CAPTURABLE 1u
#define SY_PLAN_IN_PLACE 2u

// Sized, filled by the plugin.
typedef struct SyPlan {
  uint32_t size;
  uint32_t flags;        // SY_PLAN_*
  int64_t scratch_bytes; // device memory wanted in SyCall.scratch
  void* state;           // handed back in SyCall.plan and, once, to drop
  char reason[120];      // why the call is refused
  SY_TEST_GROW
} SyPlan;
SY_CHECK_SIZE(SyPlan, 144);

// What a kernel takes beyond the plainest input. 0: only dense, aligned, non-empty views; the host
// copies and skips to make it so.
#define SY_ACCEPTS_STRIDES 1u      // any positive strides, gaps
#define SY_ACCEPTS_BROADCAST 2u    // stride 0 in inputs
#define SY_ACCEPTS_NEGATIVE 4u     // negative strides
#define SY_ACCEPTS_OVERLAPPING 8u  // inputs whose elements share memory (windows)
#define SY_ACCEPTS_EMPTY 16u       // a dimension of size 0
#define SY_ACCEPTS_UNALIGNED 32u   // any element offset; else offset is a multiple of
                                   // buffer_alignment
#define SY_ACCEPTS_ALL 63u

#define SY_KERNEL_NONDETERMINISTIC 1u
#define SY_KERNEL_NEVER_CAPTURABLE 2u
#define SY_KERNEL_BLOCKING 4u
#define SY_KERNEL_IN_PLACE 8u      // an output may be the very view of an input

typedef SyStatus(SY_CALL* SyKernelFn)(const SyCall* call);  // [stream], device open

// A kernel. Strided. Among those that match, higher priority wins; then the device's owner; then
// the plugin's name in byte order.
struct SyKernel {
  const char* op;          // name of an op, or of a core kernel: "map" "reduce" "copy" "gather"
                           // "scatter" "matmul" "scan" "sort" "row"
  int32_t rev;             // the op's revision that it implements
  uint32_t dtype;          // SyDtype of the first input (of the output for scatter, and where there
                           // is no input); 0: see dtypes
  SyKernelFn run;          // queues or runs. Without a plan, SY_UNIMPLEMENTED before anything is
                           // queued refuses the call: the host takes the next candidate. Then it
                           // must refuse all calls of that signature. With a plan, see there
  const char* device;      // device kind; NULL: the plugin's own
  const char* variant;     // name for humans and SY_KERNEL; NULL: the op's
  int32_t priority;        // 0 is normal
  uint32_t flags;          // SY_KERNEL_*
  uint32_t accepts;        // SY_ACCEPTS_*
  int32_t max_rank;        // 0: SY_MAX_RANK
  uint64_t dtypes;         // where dtype is 0: bits of SY_T_*; 0: any that the device computes in
  // [any], device open. Looks at the call's signature (shapes, strides, dtypes, attributes, code of
  // the program), never at data; queues nothing; gives the same answer for the same signature, so
  // the host keeps it. SY_UNIMPLEMENTED refuses the call; what it takes, `run` may not refuse, so
  // calls can be sent on without waiting for an answer. NULL: no scratch, and refusals by `run`.
  SyStatus(SY_CALL* plan)(const SyCall* call, SyPlan* out_plan);
  void(SY_CALL* drop)(void* state, void* plan_state);  // [any], until the plugin closes
  SY_TEST_GROW
};
SY_CHECK_SIZE(SyKernel, 80);

// ------------------------------------------------------------------------------------------------
// The core kernels. Inputs and outputs have one rank and arrive with broadcast axes at stride 0;
// unit axes may have been dropped and neighbouring axes joined where that changes nothing a program
// can see.
//
// map      program. Every in[i] and out[j] has the call's shape. out[j] = value outputs[j].
// reduce   program, SyReduceAttrs. Every in[i] has the full shape; out[j] has size 1 at the axes in
//          the mask. The program's one value per element is combined over those axes in its own
//          type (the accumulator's: f32 for f16 and bf16), starting from the combiner's identity,
//          and converted to out[0]'s dtype. ARGMAX and ARGMIN: out[0] is the value, out[1] (i64)
//          its index in C order of the reduced axes; NaN wins over numbers, the first wins among
//          equals. An axis of size 0 gives the identity; the host refuses it for MAX, MIN, ARG*.
//          The order of a float sum must depend on the shape only, and its error grow like that of
//          a blocked or pairwise sum.
// copy     in[0] to out[0], same shape and dtype, any strides.
// gather   SyAxisAttrs. in[0] x, in[1] i64 index of out[0]'s shape; x has out's sizes but at the
//          axis. out[..., j, ...] = x[..., index, ...]. A negative index counts from the end.
//          Beyond that: 0 is written and the status word is set.
// scatter  SyScatterAttrs. in[0] i64 index, in[1] source of its shape; out[0] holds the base
//          already and is updated in place; it has the index's sizes but at the axis. In C order of
//          the index: SET keeps the last. A bad index writes nothing and sets the status word.
// matmul   in[0] [..., m, k], in[1] [..., k, n], out[0] [..., m, n]. f16 and bf16 accumulate in f32
//          and round once; f64 in f64; integers wrap. k = 0 gives zeros.
// scan     program, SyScanAttrs. Inclusive prefix along the axis of the program's value, in its
//          type, each result converted to out[0]'s dtype. ARGMAX and ARGMIN also give the index in
//          out[1].
// sort     SySortAttrs. in[0] along the axis to out[0], and to out[1] (i64) where each came from.
//          Stable (also when descending), NaN last in both directions.
// row      program with ROW opcodes, over the last axis. in[i] have the call's shape; out[j] has it
//          too, or size 1 in the last axis, for a value that is the same in the whole row.
//          Optional: without it the host uses reduce and map.

#define SY_COMBINE_SUM 1
#define SY_COMBINE_PROD 2
#define SY_COMBINE_MAX 3
#define SY_COMBINE_MIN 4
#define SY_COMBINE_AND 5
#define SY_COMBINE_OR 6
#define SY_COMBINE_ARGMAX 7
#define SY_COMBINE_ARGMIN 8

#define SY_SCATTER_SET 0
#define SY_SCATTER_ADD 1
#define SY_SCATTER_MUL 2
#define SY_SCATTER_MIN 3
#define SY_SCATTER_MAX 4

// Attribute structs of the core kernels grow like any other: SyCall.attrs_size says how much there
// is. All fields are int64_t, now and later. Those of ops may hold lists and texts; op_info of the
// host's api describes them.
typedef struct SyReduceAttrs {
  int64_t combiner;  // SY_COMBINE_*
  int64_t axes;      // bit i: axis i is reduced
} SyReduceAttrs;
typedef struct SyAxisAttrs {
  int64_t axis;
} SyAxisAttrs;
typedef struct SyScatterAttrs {
  int64_t axis;
  int64_t mode;  // SY_SCATTER_*
} SyScatterAttrs;
typedef struct SyScanAttrs {
  int64_t axis;
  int64_t combiner;   // SUM PROD MAX MIN ARGMAX ARGMIN
  int64_t exclusive;  // 1: element i sees only those before it; starts at the identity
  int64_t reverse;    // 1: from the end
} SyScanAttrs;
typedef struct SySortAttrs {
  int64_t axis;
  int64_t descending;
} SySortAttrs;

// ------------------------------------------------------------------------------------------------
// Devices

#define SY_DEVICE_TYPE_CPU 1
#define SY_DEVICE_TYPE_GPU 2
#define SY_DEVICE_TYPE_INTEGRATED 3
#define SY_DEVICE_TYPE_ACCELERATOR 4
#define SY_DEVICE_TYPE_REMOTE 5
#define SY_DEVICE_TYPE_SIMULATOR 6

#define SY_MEMORY_DEVICE 1u
#define SY_MEMORY_HOST_VISIBLE 2u
#define SY_MEMORY_HOST_CACHED 4u
#define SY_MEMORY_HOST_COHERENT 8u
#define SY_MEMORY_UNIFIED 16u
#define SY_MEMORY_PINNED 32u

// What the device's arithmetic keeps. Bits of SyDeviceInfo.numeric; the conformance kit checks
// each.
#define SY_NUMERIC_SUBNORMALS 1u         // f32 subnormals are kept
#define SY_NUMERIC_NAN 2u                // NaN and infinities are kept
#define SY_NUMERIC_SIGNED_ZERO 4u
#define SY_NUMERIC_EXACT_DIV 8u          // f32 division is correctly rounded
#define SY_NUMERIC_EXACT_SQRT 16u
#define SY_NUMERIC_DETERMINISTIC 32u     // every kernel gives the same bits from run to run
#define SY_NUMERIC_FULL 63u

// Sized, filled by the plugin. Strings live as long as the plugin.
typedef struct SyDeviceInfo {
  uint32_t size;
  int32_t type;              // SY_DEVICE_TYPE_*
  const char* kind;          // "cuda": the word before the colon of the device's name
  const char* name;          // "NVIDIA H100"
  const char* vendor;
  const char* driver;
  uint8_t uuid[16];          // the chip's, zeros if unknown: two plugins may show one chip
  uint64_t total_bytes;
  uint64_t max_alloc_bytes;  // largest single allocation; 0: no limit
  uint64_t buffer_alignment; // power of two; the host's pool starts every block at a multiple. 0:
                             // 64
  uint64_t dtypes_storage;   // SY_T_BIT set it can hold; 0: SY_T_ALL
  uint64_t dtypes_compute;   // ... and compute in; 0: the same
  uint64_t opcodes[4];       // bit set of SY_OP_* that its map, reduce, scan, row take; all 0: all
                             // of 0.1
  uint32_t memory_kinds;     // SY_MEMORY_*; 0: SY_MEMORY_DEVICE
  uint32_t numeric;          // SY_NUMERIC_*
  int32_t dlpack_type;       // DLPack's device number; 0: not exchanged
  int32_t max_rank;          // of views in kernel calls; 0: SY_MAX_RANK
  int32_t stream_count;      // streams that can overlap; 0: unknown
  int32_t max_threads;       // per group, for choosing only
  int32_t shared_bytes;
  int32_t subgroup;
  SY_TEST_GROW
} SyDeviceInfo;
SY_CHECK_SIZE(SyDeviceInfo, 160);

typedef struct SyDeviceFns {  // sized
  uint32_t size;
  uint32_t reserved;
  // [any], started. How many devices there are; the same answer each time. 0 with a reason set
  // through host->fail is honest and no error. Does not initialise a driver for good.
  int32_t(SY_CALL* count)(void* state);
  SyStatus(SY_CALL* info)(void* state, int32_t index, SyDeviceInfo* out_info);  // [any], started
  // [device], started. The first call that may touch the driver for good.
  SyStatus(SY_CALL* open)(void* state, int32_t index, uint64_t* out_device);
  void(SY_CALL* close)(void* state, uint64_t device);  // [device]; all streams and memory are gone
  // [any], device open. May be NULL.
  SyStatus(SY_CALL* memory_info)(void* state, uint64_t device, uint64_t* out_free,
                                 uint64_t* out_total);
  // [any], device open. Functions by name for kernel providers, "sy.opencl.native/1". May be NULL.
  const void*(SY_CALL* extension)(void* state, uint64_t device, const char* name);
  SY_TEST_GROW
} SyDeviceFns;
SY_CHECK_SIZE(SyDeviceFns, 56);

typedef struct SyAllocation {  // sized, filled by the plugin
  uint32_t size;
  uint32_t kind;    // SY_MEMORY_* it really has
  SyMemory memory;
  uint64_t bytes;   // at least what was asked
  SY_TEST_GROW
} SyAllocation;
SY_CHECK_SIZE(SyAllocation, 40);

// `stream` is 0 on devices without streams; then every call is complete when it returns. With
// streams, copies are ordered on the stream; the host memory of copy_in may be reused when it
// returns, that of copy_out is filled once the stream has been synchronised.
typedef struct SyMemoryFns {  // sized
  uint32_t size;
  uint32_t reserved;
  // [any], device open. bytes > 0. SY_RESOURCE_EXHAUSTED when it does not fit: the host then trims
  // its pool and asks once more.
  SyStatus(SY_CALL* alloc)(void* state, uint64_t device, int64_t bytes, uint32_t kind,
                           SyAllocation* out_allocation);
  // [any], device open. All queued work that uses it has finished.
  void(SY_CALL* free)(void* state, uint64_t device, uint64_t handle);
  // [stream], device open.
  SyStatus(SY_CALL* copy_in)(void* state, uint64_t device, uint64_t stream, uint64_t handle,
                             int64_t offset, const void* host, int64_t bytes);
  SyStatus(SY_CALL* copy_out)(void* state, uint64_t device, uint64_t stream, uint64_t handle,
                              int64_t offset, void* host, int64_t bytes);
  SyStatus(SY_CALL* copy_within)(void* state, uint64_t device, uint64_t stream, uint64_t to,
                                 int64_t to_offset,
                                 uint64_t from, int64_t from_offset, int64_t bytes);
  // Repeats a pattern of 1, 2, 4, 8 or 16 bytes. May be NULL.
  SyStatus(SY_CALL* fill)(void* state, uint64_t device, uint64_t stream, uint64_t handle,
                          int64_t offset,
                          int64_t bytes, const void* pattern, int32_t pattern_bytes);
  // For host-visible memory that is not coherent. May be NULL.
  SyStatus(SY_CALL* flush_range)(void* state, uint64_t device, uint64_t handle, int64_t offset,
                                 int64_t bytes);
  SyStatus(SY_CALL* invalidate_range)(void* state, uint64_t device, uint64_t handle,
                                      int64_t offset, int64_t bytes);
  // From another open device of this plugin, whose queued writes of that memory have finished. SY_
  // UNIMPLEMENTED, or NULL: the host copies through its own memory.
  SyStatus(SY_CALL* copy_between)(void* state, uint64_t device, uint64_t stream, uint64_t to,
                                  int64_t to_offset, uint64_t from_device, uint64_t from,
                                  int64_t from_offset, int64_t bytes);
  SY_TEST_GROW
} SyMemoryFns;
SY_CHECK_SIZE(SyMemoryFns, 80);

// Streams. A tick is a mark in a stream: ticks start at 1, rise by one with each record, never
// jump. The table is NULL for devices whose calls are complete when they return. An error in queued
// work sticks to its stream: later calls on it return the same code until reset.
typedef struct SyStreamFns {  // sized
  uint32_t size;
  uint32_t reserved;
  // [any]. A new stream, empty and in order.
  SyStatus(SY_CALL* create)(void* state, uint64_t device, uint32_t flags, uint64_t* out_stream);
  // [stream]. Gives the handle up; the host has waited for its work.
  void(SY_CALL* destroy)(void* state, uint64_t device, uint64_t stream);
  // [stream]. Marks the work queued so far.
  SyStatus(SY_CALL* record)(void* state, uint64_t device, uint64_t stream, uint64_t* out_tick);
  // [stream]. What is queued on `stream` later waits until `other` has reached `tick`. Does not
  // block.
  SyStatus(SY_CALL* wait)(void* state, uint64_t device, uint64_t stream, uint64_t other,
                          uint64_t tick);
  // [any]. The last tick that was reached. Does not block.
  SyStatus(SY_CALL* query)(void* state, uint64_t device, uint64_t stream, uint64_t* out_tick);
  // [any]. Blocks until `tick` is reached; timeout_ns < 0: for ever. SY_DEADLINE_EXCEEDED.
  SyStatus(SY_CALL* sync)(void* state, uint64_t device, uint64_t stream, uint64_t tick,
                          int64_t timeout_ns);
  // [stream]. Starts work that is held back; never blocks. The host calls it before any wait, query
  // or use from elsewhere. May be NULL.
  SyStatus(SY_CALL* flush)(void* state, uint64_t device, uint64_t stream);
  // [stream]. Called after an error, stuck or not: lets what is queued finish or drops it, so that
  // nothing of it touches the host's memory any more when this returns, and forgets a stuck error.
  // May be NULL: the host waits once more.
  SyStatus(SY_CALL* reset)(void* state, uint64_t device, uint64_t stream);
  // Time stamps, to measure with: all three, or NULL. [stream]. Queues one, which takes the device's
  // clock when what was queued before it has finished. Streams without stamps must not be slower
  // for it.
  SyStatus(SY_CALL* timestamp)(void* state, uint64_t device, uint64_t stream,
                               uint64_t* out_timestamp);
  // [any]. Nanoseconds from one to the other, below 0 where `to` came first. Both are reached: the
  // host has waited for ticks behind them. They may be of two streams.
  SyStatus(SY_CALL* elapsed)(void* state, uint64_t device, uint64_t from, uint64_t to,
                             int64_t* out_ns);
  // [any]. Gives the handle up, reached or not.
  void(SY_CALL* drop_timestamp)(void* state, uint64_t device, uint64_t timestamp);
  SY_TEST_GROW
} SyStreamFns;
SY_CHECK_SIZE(SyStreamFns, 96);

// Capture and replay. NULL: the host replays the calls. [stream], device open.
typedef struct SyGraphFns {  // sized
  uint32_t size;
  uint32_t reserved;
  SyStatus(SY_CALL* begin)(void* state, uint64_t device, uint64_t stream);
  SyStatus(SY_CALL* end)(void* state, uint64_t device, uint64_t stream, uint64_t* out_graph);
  SyStatus(SY_CALL* launch)(void* state, uint64_t device, uint64_t stream, uint64_t graph);
  void(SY_CALL* release)(void* state, uint64_t device, uint64_t graph);
  SY_TEST_GROW
} SyGraphFns;
SY_CHECK_SIZE(SyGraphFns, 40);

// ------------------------------------------------------------------------------------------------
// Ops that a plugin adds

// Shape and dtype of one output, filled by `infer`. Frozen, 104 bytes.
typedef struct SyShape {
  uint32_t dtype;
  int32_t rank;
  int64_t dims[SY_MAX_RANK];
} SyShape;
SY_CHECK_FROZEN(SyShape, 104);

typedef struct SyShapeCall {  // sized
  uint32_t size;
  int32_t in_count;
  const SyHost* host;
  const SyView* in;        // shapes and dtypes; no memory. Absent inputs: dtype 0
  const void* attrs;
  uint32_t attrs_size;
  int32_t out_count;
  SyShape* out;
  SY_TEST_GROW
} SyShapeCall;
SY_CHECK_SIZE(SyShapeCall, 48);

typedef struct SyOpCall {  // sized
  uint32_t size;
  int32_t in_count;
  const SyHost* host;
  SyTensor* const* in;     // borrowed; NULL: absent
  const void* attrs;
  uint32_t attrs_size;
  int32_t out_count;
  SyTensor** out;          // each receives a tensor with one reference
  SY_TEST_GROW
} SyOpCall;
SY_CHECK_SIZE(SyOpCall, 48);

typedef struct SyGradCall {  // sized
  uint32_t size;
  int32_t in_count;
  const SyHost* host;
  SyTensor* const* in;        // the op's inputs
  SyTensor* const* out;       // its outputs
  SyTensor* const* out_grads; // NULL where no gradient arrives
  const void* attrs;
  uint32_t attrs_size;
  int32_t out_count;
  uint64_t wanted;            // bit i: a gradient of in[i] is wanted
  SyTensor** in_grads;        // each wanted one receives a tensor with one reference, or stays
                              // NULL: zero
  SY_TEST_GROW
} SyGradCall;
SY_CHECK_SIZE(SyGradCall, 72);

// An op. Strided. Its name must be new in the process: "vendor.op" is a good form.
typedef struct SyOpSpec {
  const char* name;
  const char* doc;
  int32_t rev;               // 1 or more
  int32_t in_min;
  int32_t in_max;
  int32_t out_count;
  const SyAttrSpec* attrs;   // strided
  int32_t attr_count;
  uint32_t attr_size;        // sizeof(SyAttrSpec)
  uint32_t attrs_size;       // bytes of the attribute struct
  uint32_t flags;            // 0
  // [any], mapped. Pure. Fills shape and dtype of each output, or fails with a text.
  SyStatus(SY_CALL* infer)(const SyShapeCall* call);
  // [any], device open. The op in other ops, through host->api: makes it run everywhere. May be
  // NULL.
  SyStatus(SY_CALL* composite)(const SyOpCall* call);
  // [any], device open. Its gradient in ops. NULL: not differentiable.
  SyStatus(SY_CALL* grad)(const SyGradCall* call);
  double domain_low;         // where conformance draws inputs; both 0: [-1, 1]
  double domain_high;
  SY_TEST_GROW
} SyOpSpec;
SY_CHECK_SIZE(SyOpSpec, 96);

// ------------------------------------------------------------------------------------------------
// Options that a plugin declares. Strided. Set as "<plugin>.<name>" or SY_<PLUGIN>_<NAME>.

#define SY_OPTION_BOOL 1
#define SY_OPTION_INT 2
#define SY_OPTION_FLOAT 3
#define SY_OPTION_TEXT 4

typedef struct SyOption {
  const char* name;
  const char* doc;
  const char* default_value;  // as text
  int64_t type;               // SY_OPTION_*
  double min;                 // INT and FLOAT, where min < max
  double max;
  SY_TEST_GROW
} SyOption;
SY_CHECK_SIZE(SyOption, 48);

// ------------------------------------------------------------------------------------------------
// The plugin

#define SY_PLUGIN_UNLOADABLE 1u    // its code may be unmapped after close
#define SY_PLUGIN_OWNS_THREADS 2u  // it has threads of its own and joins them in close
#define SY_PLUGIN_EXPERIMENTAL 4u

// Sized. Static: the same pointer and the same contents for every host in the process.
typedef struct SyPlugin {
  uint32_t size;
  uint32_t abi;                // SY_ABI
  const char* name;            // lower case letters, digits and '_', at most 32: "mychip"
  const char* version;         // its own, for humans; may be NULL
  const char* vendor;          // may be NULL
  const char* build;           // compiler and flags, for bug reports; may be NULL
  uint32_t flags;              // SY_PLUGIN_*
  int32_t kernel_count;
  uint32_t kernel_size;        // sizeof(SyKernel)
  int32_t op_count;
  uint32_t op_size;            // sizeof(SyOpSpec)
  int32_t option_count;
  uint32_t option_size;        // sizeof(SyOption)
  uint32_t reserved;
  const SyKernel* kernels;
  const SyOpSpec* ops;
  const SyOption* options;
  const SyDeviceFns* device;   // NULL: a provider of kernels or ops for others
  const SyMemoryFns* memory;   // required with device
  const SyStreamFns* stream;   // NULL: calls are complete when they return
  const SyGraphFns* graph;     // NULL
  const void* compile;         // reserved, NULL
  const void* profile;         // reserved, NULL
  // [start], mapped. Makes the instance's state; NULL: none. May fail with a reason; then nothing
  // remains.
  SyStatus(SY_CALL* start)(const SyHost* host, void** out_state);
  void(SY_CALL* close)(void* state);                               // [start]; joins its threads.
                                                                   // May be NULL
  const void*(SY_CALL* extension)(void* state, const char* name);  // [any], started. May be NULL
  SY_TEST_GROW
} SyPlugin;
SY_CHECK_SIZE(SyPlugin, 168);

// The one exported symbol. [any], mapped. Cheap and pure: touches no driver, keeps nothing, may be
// called more than once and by more than one host. Returns NULL after host->fail to refuse.
typedef const SyPlugin*(SY_CALL* SyPluginMainFn)(const SyHost* host);
SY_EXPORT const SyPlugin* sy_plugin_main(const SyHost* host);

// ------------------------------------------------------------------------------------------------
// The host. Sized. All entries [any] unless it is said otherwise, legal from inside every plugin
// entry.

typedef void(SY_CALL* SyRangeFn)(void* context, int64_t begin, int64_t end);

struct SyHost {
  uint32_t size;
  uint32_t abi;
  const char* name;         // "switchyard"
  const char* version;
  const char* plugin_path;  // resolved file of the plugin that is given this host
  const SyApi* api;         // all functions of sy.h: for composites, gradients, and kernels that
                            // run ops
  // Sets this thread's message and returns `code`. printf's formats.
  SyStatus(SY_CALL* fail)(SyStatus code, const char* format, ...);
  // The same without varargs.
  SyStatus(SY_CALL* fail_text)(SyStatus code, const char* text, int64_t length);
  // Reports an error of queued work, from any thread; it surfaces at the stream's next wait.
  void(SY_CALL* stream_fail)(const SyHost* host, uint64_t device, uint64_t stream, SyStatus code,
                             const char* text);
  int32_t(SY_CALL* log_level)(void);  // texts above it are dropped: test before building them
  void(SY_CALL* log)(int32_t level, const char* text);
  // Runs fn over [0, count) in pieces of at most `grain`, which start at multiples of it, on the
  // host's threads and the caller's; returns when all are done. Nested calls run inline. fn does
  // not block on a device.
  void(SY_CALL* parallel_for)(int64_t count, int64_t grain, SyRangeFn fn, void* context);
  int32_t(SY_CALL* thread_count)(void);  // threads that parallel_for uses, the caller's included
  void*(SY_CALL* host_alloc)(int64_t bytes, int64_t alignment);  // NULL when it does not fit
  void(SY_CALL* host_free)(void* memory);
  // Values of the plugin's declared options.
  int64_t(SY_CALL* option_int)(const SyHost* host, const char* name);  // INT and BOOL
  double(SY_CALL* option_float)(const SyHost* host, const char* name);
  const char*(SY_CALL* option_text)(const SyHost* host, const char* name);  // lives as long as the
                                                                            // plugin
  const char*(SY_CALL* cache_dir)(void);  // folder for compiled code; NULL: caching is off
  // Blobs by key. get: bytes of the blob, or -1; copies at most `capacity`. put: atomic, safe for
  // many processes.
  int64_t(SY_CALL* cache_get)(const char* key, void* data, int64_t capacity);
  SyStatus(SY_CALL* cache_put)(const char* key, const void* data, int64_t bytes);
  int64_t(SY_CALL* clock_ns)(void);  // monotonic
  int32_t(SY_CALL* op_find)(const char* name);  // -1: none
  const char*(SY_CALL* op_name)(int32_t op);    // NULL: none
  // Functions of the plugin that owns the device, e.g. "sy.opencl.native/1"; NULL: refused or
  // unknown. Called from inside run or plan, with SyCall.device.
  const void*(SY_CALL* device_extension)(uint64_t device, const char* name);
  const void*(SY_CALL* extension)(const char* name);  // of the host itself; NULL: unknown
  SY_TEST_GROW
};
SY_CHECK_SIZE(SyHost, 200);

#ifdef __cplusplus
}  // extern "C"
#endif

#endif  // SWITCHYARD_SY_PLUGIN_H_
