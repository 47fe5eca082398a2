// From an op with its tensors to kernel calls: choose a candidate, make inputs fit what it takes,
// plan, order against other streams, call. One Launch is one kernel call; it lives on the stack and
// its views are not initialised beyond the counts.
#ifndef DISPATCHER_DISPATCH_LAUNCH_H_
#define DISPATCHER_DISPATCH_LAUNCH_H_

#include <initializer_list>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/kernel.h"
#include "dispatcher/ops/op.h"
#include "dispatcher/tensor/tensor.h"

namespace sy {

struct Launch {
  static constexpr int kMaxIn = 16, kMaxOut = 8, kMaxConsts = 64;

  SyDevice* device = nullptr;
  SyStream* stream = nullptr;
  const Op* op = nullptr;        // for error texts and SyCall.op; may be null
  const Op* attrs_op = nullptr;  // the op whose attribute struct `attrs` is; null: a core kernel's
  uint32_t flags = 0;
  int in_count = 0, out_count = 0;
  const void* attrs = nullptr;
  uint32_t attrs_size = 0;
  const Program* program = nullptr;
  const uint64_t* consts = nullptr;
  std::atomic<uint64_t>* word = nullptr;  // null: the program's, or the kernel's own
  Storage* in_storage[kMaxIn];
  Storage* out_storage[kMaxOut];
  SyView in[kMaxIn];
  SyView out[kMaxOut];

  void AddIn(const SyTensor* t) {
    CopyView(&in[in_count], t->view);
    in_storage[in_count++] = t->storage.get();
  }
  void AddIn(const SyView& view, Storage* storage) {
    CopyView(&in[in_count], view);
    in_storage[in_count++] = storage;
  }
  void AddAbsent();
  void AddOut(const SyTensor* t) {
    CopyView(&out[out_count], t->view);
    out_storage[out_count++] = t->storage.get();
  }
  void AddOut(const SyView& view, Storage* storage) {
    CopyView(&out[out_count], view);
    out_storage[out_count++] = storage;
  }
};

// Memory that a call reads (null: none) and writes.
struct Touched {
  std::span<Storage*const> in, out;
};

// Runs `queue`, which queues work on the stream of a device that has streams, behind what others
// have queued on this memory. `op`: its number, for error texts; -1: none. Blocks where the memory
// is in use on another device.
absl::Status OnStream(SyStream* stream, const Touched& touched, int32_t op,
                      absl::FunctionRef<absl::Status()> queue);

// The same for a kernel.
absl::Status CallOnStream(const Kernel& kernel, SyStream* stream, const SyCall& call,
                          const Touched& touched);

// Can this kernel serve the launch, by dtype, program and rank? The reason goes to *why.
bool Matches(const Kernel& kernel, const Launch& l, std::string* why);

// Calls one kernel. SY_UNIMPLEMENTED: it refused before anything was queued.
absl::Status CallKernel(Kernel* kernel, Launch& l);

// Calls the first candidate for a core kernel that takes the launch. UNIMPLEMENTED lists the
// refusals.
absl::Status CallCore(Core core, Launch& l);

// The constants of a program for one call: `in` has its numbers, `attrs` its attributes.
void FillConsts(const Program& program, SyTensor* const* in, const Attrs& attrs, uint64_t* consts);

// A core kernel called with a program of one's own. UNIMPLEMENTED where the device cannot run it.
struct ProgramCall {
  const Op& op;  // for error texts
  const Program& program;
  const Attrs& attrs;
  uint32_t flags = 0;
  SyStream* stream = nullptr;  // null: the thread's of the device

  // Through `map`: inputs of one shape; the result is like in[0].
  absl::StatusOr<TensorRef> Map(std::span<SyTensor* const> in) const;

  // Through `row`, along axis `dim` of in[0]. The other inputs lack that axis or all axes, or have
  // size 1 where they are the same in the whole row. Results have the shape of in[0], or one
  // element for each row and not that axis.
  enum class Rows { kWhole, kOneElement };
  absl::Status Row(std::span<SyTensor* const> in, int64_t dim, Rows rows,
                   std::span<TensorRef> out) const;

 private:
  void Begin(Launch* l, std::span<SyTensor* const> in, uint64_t* consts) const;
};

// What a core-lowered op sees: inputs, allocated outputs.
struct CoreArgs {
  const Op& op;
  Attrs attrs;
  SyDevice* device;
  SyStream* stream;
  uint32_t flags;
  SyTensor* const* in;
  int in_count;
  SyTensor* const* out;
  int out_count;
  bool has(int i) const { return i < in_count && in[i]; }
  void Begin(Launch* l) const {
    l->device = device;
    l->stream = stream;
    l->op = &op;
    l->flags = flags;
  }
};

// Drops axes of size 1 and joins neighbours where that changes nothing, for views of one shape.
void Coalesce(SyView* const* views, int count);

// ---- pieces of the run path, in the order in which run.cc calls them

// Pointwise ops through `map`.
absl::Status RunPointwise(const Op& op, const void* attrs, const SyRun& run, SyTensor** out);
// Text for sy_op_route().
std::string RouteText(const Op& op, SyDevice* device, int type);

// Writes the bits of a value to every element.
absl::Status FillWith(SyTensor* t, uint64_t bits);
// Copies elements, same shape; converts when the types differ. Devices may differ. Blocks only
// across devices.
absl::Status CopyElements(const SyTensor* from, SyTensor* to);
// Whether what an op has made may be copied into output `i` that the caller gave: its shape, and a
// dtype of no lower category.
absl::Status CheckGiven(const Op& op, const SyTensor* made, int i, const SyTensor* given);
// Dense host copies. Blocks.
absl::Status ReadToHost(const SyTensor* t, void* data);
absl::Status WriteFromHost(SyTensor* t, const void* data);

// Runs the op on the CPU device with copies, counts it, warns once.
absl::Status RunFallback(const Op& op, const SyRun& run, SyDevice* device, const absl::Status& why,
                         SyTensor** out);

}  // namespace sy

#endif  // DISPATCHER_DISPATCH_LAUNCH_H_
