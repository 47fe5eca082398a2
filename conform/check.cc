#include "conform/check.h"

#include <algorithm>

#include "conform/call.h"
#include "conform/draw.h"
#include "conform/expect.h"
#include "conform/failure.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

uint64_t Digest(uint64_t digest, const Bytes& bytes) {  // FNV-1a
  for (const unsigned char b : bytes) digest = (digest ^ b) * 0x100000001b3;
  return digest;
}

Status StatusOf(SyStatus code) {
  switch (code) {
    case SY_UNAVAILABLE:
      return Status::kDeviceLost;
    case SY_RESOURCE_EXHAUSTED:
      return Status::kResource;
    default:
      return Status::kFail;
  }
}

// Of the gradients that flow back: the same for every layout.
std::string Seed(const Test& test) {
  return test.of->op + test.of->Label() + Info(test.dtype).name;
}

}  // namespace

const char* Name(Status status) {
  constexpr const char* kNames[kStatuses] = {
      "pass",        "warning",        "fail",  "refused", "fallback", "resource",
      "device_lost", "internal_error", "crash", "timeout", "aborted",  "waived"};
  return kNames[static_cast<int>(status)];
}

bool IsBad(Status status) {
  switch (status) {
    case Status::kPass:
    case Status::kWarning:
    case Status::kRefused:
    case Status::kFallback:
    case Status::kWaived:
      return false;
    default:
      return true;
  }
}

Subject::Subject(const SyDevice* device, const SyDevice* rounded, const SyDevice* unrounded,
                 uint64_t seed)
    : device_(device),
      rounded_(rounded),
      unrounded_(unrounded),
      name_(sy_device_name(device)),
      seed_(seed) {
  SyDeviceReport report{};
  report.size = sizeof report;
  detail::Check(sy_device_report(device, &report));
  computes_ = report.dtypes_compute;
}

bool Subject::Computes(const Test& test) const {
  auto has = [&](SyDtype d) { return (computes_ >> Info(d ? d : test.dtype).type & 1) != 0; };
  return has(test.dtype) &&
         std::all_of(test.of->inputs.begin(), test.of->inputs.end(),
                     [&](const Input& i) { return has(i.dtype); }) &&
         std::all_of(test.of->attrs.begin(), test.of->attrs.end(), [&](const Attr& a) {
           return a.name != "dtype" || has(static_cast<SyDtype>(a.value.whole));
         });
}

Subject::Values Subject::Lay(const Test& test, Layout layout) const {
  return Lay(test, layout, seed_);
}
Subject::Values Subject::Lay(const Test& test, Layout layout, uint64_t seed) const {
  Values values{Draw(*test.of, test.dtype, test.fill, seed, test.part), {}};
  for (size_t i = 0; i < values.arrays.size(); ++i)
    values.tensors.push_back(Place(&values.arrays[i], LayoutOf(layout, i), name_));
  return values;
}

std::vector<Tensor> Subject::Call(const Test& test, const std::vector<Tensor>& inputs,
                                  const std::vector<Tensor>& targets) const {
  return conform::Call(*test.of, test.dtype, inputs, device_, targets);
}

std::vector<Tensor> Subject::Backward(const Test& test, const std::vector<Tensor>& inputs) const {
  return conform::Backward(*test.of, test.dtype, inputs, device_, Seed(test));
}

Subject::Outputs Subject::Dense(const Test& test) const {
  return DownloadAll(Call(test, Lay(test, Layout::kContiguous).tensors));
}

// ---- bounds

const std::vector<Bounds>& Subject::Expect(const Test& test, const Inputs& inputs) {
  const bool gradient = test.check == Check::kGradient;
  const std::string key =
      test.of->op + test.of->Label() + Info(test.dtype).name + (gradient ? " gradient" : "");
  const bool same =
      key == bounds_of_ &&
      std::equal(inputs.begin(), inputs.end(), bounds_inputs_.begin(), bounds_inputs_.end(),
                 [](const Array& a, const Array& b) { return Encode(a) == Encode(b); });
  if (same) return bounds_;
  try {
    // What a kernel may compute its own way has no rounded steps that are everybody's.
    const bool rounded = !gradient && RouteOf(*test.of, test.dtype, rounded_) != "composite";
    bounds_ = gradient
                  ? GradientBounds(*test.of, test.dtype, inputs, unrounded_, Seed(test))
                  : ResultBounds(*test.of, test.dtype, inputs, rounded ? rounded_ : unrounded_);
  } catch (const Error& e) {
    throw Error(SY_ABORTED, std::string("the oracle: ") + e.what());  // the kit's own fault
  }
  bounds_of_ = key;
  bounds_inputs_ = inputs;
  return bounds_;
}

// ---- checks

namespace {

void JudgeAll(const std::vector<Tensor>& got, const std::vector<Bounds>& want, const char* what,
              const char* device, Result* result) {
  if (got.size() != want.size())
    Fail(std::to_string(got.size()) + " " + what + "s, want " + std::to_string(want.size()));
  for (size_t k = 0; k < got.size(); ++k) {
    const std::string which = Which(k, got.size(), what);
    if (!got[k].defined() && want[k].centre.empty()) continue;
    if (!got[k].defined()) Fail(which + "none, want one");
    const std::string place = sy_device_name(sy_tensor_device(got[k].handle()));
    if (got[k].dtype().code != want[k].dtype || got[k].shape() != want[k].shape || place != device)
      Fail(which + "got " + got[k].describe() + ", want " + Info(want[k].dtype).name +
           Text(want[k].shape) + "@" + device);
    const Bytes bytes = Download(got[k]);
    const Array values = Decode(want[k].dtype, want[k].shape, bytes.data());
    const Verdict verdict = Judge(values, want[k]);
    if (verdict.wrong) Fail(which + Text(verdict, values, want[k]));
    result->digest = Digest(result->digest, bytes);
    result->elements += values.at.size();
    result->unknown += verdict.unknown;
    result->error = std::max(result->error, verdict.worst);
  }
}

}  // namespace

void Subject::Forward(const Test& test, Result* result) {
  const Values values = Lay(test, test.layout);
  const std::vector<Tensor> got = Call(test, values.tensors);
  JudgeAll(got, Expect(test, values.arrays), "output", name_, result);
  ExpectSame(DownloadAll(Call(test, values.tensors)), DownloadAll(got), "when run again");
  for (size_t i = 0; i < values.tensors.size(); ++i)
    if (Download(values.tensors[i]) != Encode(values.arrays[i]))
      Fail("input " + std::to_string(i) + " was changed");
}

void Subject::Gradient(const Test& test, Result* result) {
  const Values values = Lay(test, test.layout);
  std::vector<Tensor> got;
  bool none = false;
  try {
    got = Backward(test, values.tensors);
  } catch (const Error& e) {
    // Some modes of an op have no gradient, and say so on every device.
    if (e.code() != SY_UNIMPLEMENTED || !HasNoGradient(test, values.arrays)) throw;
    none = true;
  }
  if (!none) JudgeAll(got, Expect(test, values.arrays), "gradient", name_, result);
}

bool Subject::HasNoGradient(const Test& test, const Inputs& inputs) const {
  try {
    GradientBounds(*test.of, test.dtype, inputs, unrounded_, Seed(test));
    return false;
  } catch (const Error& e) {
    return e.code() == SY_UNIMPLEMENTED;
  }
}

bool Subject::CallInto(const Test& test, const Values& values, const std::vector<Tensor>& targets,
                       bool is_view) const {
  try {
    Call(test, values.tensors, targets);
    return true;
  } catch (const Error& e) {
    if (is_view && e.code() == SY_INVALID_ARGUMENT) return false;  // view ops write nowhere
    throw;
  }
}

void Subject::Target(const Test& test, Result* result) {
  const Values values = Lay(test, Layout::kContiguous);
  const std::vector<Tensor> dense = Call(test, values.tensors);
  std::vector<conform::Target> targets;
  std::vector<Tensor> views;
  for (const Tensor& t : dense) {
    targets.push_back(PlaceTarget(t.dtype().code, t.shape(), test.layout, name_));
    views.push_back(targets.back().view);
  }
  if (!CallInto(test, values, views, SharesMemory(dense, values.tensors))) return;
  JudgeAll(views, Expect(test, values.arrays), "output", name_, result);
  // Behind the view the block is as it was: once the same stands in the views, so it does in the
  // blocks.
  for (size_t k = 0; k < targets.size(); ++k) {
    const conform::Target fresh =
        PlaceTarget(dense[k].dtype().code, dense[k].shape(), test.layout, name_);
    const Bytes zeros(Download(dense[k]).size());
    for (const Tensor& view : {fresh.view, targets[k].view})
      detail::Check(
          sy_tensor_write(view.handle(), zeros.data(), static_cast<int64_t>(zeros.size())));
    if (Download(targets[k].block) != Download(fresh.block))
      Fail(Which(k, targets.size(), "output") + "wrote beside the view that it was given");
  }
}

void Subject::InPlace(const Test& test, Result* result) {
  const Values values = Lay(test, Layout::kContiguous);
  const std::vector<Tensor> probe = Call(test, values.tensors);
  if (probe.size() != 1 || probe[0].shape() != values.tensors[0].shape() ||
      probe[0].dtype() != values.tensors[0].dtype() ||
      !CallInto(test, values, {values.tensors[0]}, SharesMemory(probe, values.tensors)))
    return;
  JudgeAll({values.tensors[0]}, Expect(test, values.arrays), "output", name_, result);
}

void Subject::Same(const Test& test, Result* result) {
  Values values = Lay(test, Layout::kContiguous);
  for (size_t i = 1; i < values.arrays.size(); ++i) {
    if (values.arrays[i].shape != values.arrays[0].shape ||
        values.arrays[i].dtype != values.arrays[0].dtype || test.of->inputs[i].fill != Fill::kRange)
      return;
    values.arrays[i] = values.arrays[0];
    values.tensors[i] = values.tensors[0];
  }
  JudgeAll(Call(test, values.tensors), Expect(test, values.arrays), "output", name_, result);
}

Result Subject::Run(const Test& test) {
  Result result;
  result.digest = 0xcbf29ce484222325;
  const std::string route = RouteOf(*test.of, test.dtype, device_);
  result.path = route == "composite"                        ? "composed"
                : route == "fallback" || route == "refused" ? "fallback"
                                                            : "native";
  try {
    switch (test.check) {
      case Check::kForward:
        Forward(test, &result);
        break;
      case Check::kGradient:
        Gradient(test, &result);
        break;
      case Check::kTarget:
        Target(test, &result);
        break;
      case Check::kInPlace:
        InPlace(test, &result);
        break;
      case Check::kSame:
        Same(test, &result);
        break;
      case Check::kThreads:
        Threads(test);
        break;
      case Check::kStreams:
        Streams(test);
        break;
      case Check::kMemory:
        Memory(test);
        break;
      case Check::kTransfer:
        Transfer(test);
        break;
      case Check::kExhaust:
        Exhaust(test);
        break;
      case Check::kRefusal:
        Refusal(test);
        break;
    }
  } catch (const Failure& f) {
    result.status = Status::kFail;
    result.reason = f.reason;
  } catch (const Error& e) {
    result.reason = e.what();
    if (e.code() == SY_ABORTED)
      result.status = Status::kInternalError;
    else if (e.code() == SY_UNIMPLEMENTED)
      result.status = Computes(test) ? Status::kFallback : Status::kRefused;
    else
      result.status = StatusOf(e.code());
  }
  return result;
}

}  // namespace sy::conform
