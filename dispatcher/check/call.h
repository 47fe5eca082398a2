// A kernel call as the plugin is given it: a copy of the host's, so that nothing of it can be kept,
// with the plugin's own numbers in it; and the memory that it touches.
#ifndef DISPATCHER_CHECK_CALL_H_
#define DISPATCHER_CHECK_CALL_H_

#include <memory>
#include <string>
#include <vector>

#include "dispatcher/check/image.h"

namespace sy::check {

// Where a call may read and write in one piece of memory. Bytes of the masks are 0 or 1.
struct Place {
  Region region;
  Bytes in, out, scratch, status;  // masks; empty: nowhere
  bool written() const { return !out.empty() || !scratch.empty() || !status.empty(); }
  bool At(const Bytes& mask, size_t i) const { return !mask.empty() && mask[i]; }
  // May the call change this byte?
  bool MayChange(size_t i) const { return At(out, i) || At(scratch, i) || At(status, i); }
};

class KernelCall {
 public:
  KernelCall(Layer* layer, int kernel, DeviceWatch* device, const SyCall& given);
  KernelCall(const KernelCall&) = delete;
  KernelCall& operator=(const KernelCall&) = delete;

  const SyCall& to() const { return to_; }
  const SyKernel& kernel() const { return kernel_; }
  bool is(const char* op) const;
  bool MayReport() const;     // in the status word
  bool MayBeForeign() const;  // views of memory that the plugin has not allocated
  bool MayBeInPlace() const { return kernel_.flags & SY_KERNEL_IN_PLACE; }

  // What the host promises of views: inside their memory, no overlap.
  void CheckViews(const Entry& entry) const;
  // Whether the plugin has written into what is the host's; once, after the call.
  bool WasChanged() const;
  // The call is over: what the plugin may have kept of it shows nothing any more.
  void End();

  // Empty: too large to be looked at.
  std::vector<Place> Places() const;
  // The same call on other memory: for each place, in order, an allocation and where in it the
  // first byte of the place's region lies.
  struct Elsewhere;
  std::unique_ptr<Elsewhere> On(const std::vector<Place>& places,
                                const std::vector<std::pair<SyMemory, int64_t>>& memory) const;

  // What the host may rely on: calls of one signature are planned or refused alike.
  uint64_t Signature() const;

  std::vector<BlockWatch*> Blocks() const;  // all that it uses

 private:
  const SyKernel& kernel_;
  DeviceWatch* device_;
  SyCall given_, to_, to_kept_;  // what is kept the plugin never sees
  std::vector<SyView> in_, out_, in_kept_, out_kept_;
  std::vector<uint64_t> attrs_, attrs_kept_, consts_, consts_kept_;
  std::vector<std::shared_ptr<BlockWatch>> blocks_;

  void Translate(SyView* view);
  SyRange Translate(SyRange range);
};

// plan.cc: asks for the plan of a call, and whether the answer keeps its rules.
SyStatus AskForPlan(Entry& entry, Layer* layer, int kernel, DeviceWatch* device,
                    const SyCall& given, SyPlan* out);

struct KernelCall::Elsewhere {
  SyCall call;
  std::vector<SyView> in, out;
  std::vector<uint64_t> attrs, consts;
};

}  // namespace sy::check

#endif  // DISPATCHER_CHECK_CALL_H_
