#include "conform/check.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "conform/call.h"
#include "conform/draw.h"
#include "conform/expect.h"
#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

// Why a test failed; what went wrong elsewhere is an Error.
struct Failure {
  std::string reason;
};
[[noreturn]] void Fail(std::string reason) { throw Failure{std::move(reason)}; }

uint64_t Digest(uint64_t digest, const Bytes& bytes) {  // FNV-1a
  for (const unsigned char b : bytes) digest = (digest ^ b) * 0x100000001b3;
  return digest;
}

std::string Which(size_t k, size_t n, const char* what) {
  return n > 1 ? std::string(what) + " " + std::to_string(k) + ": " : "";
}

void ExpectSame(const std::vector<Bytes>& got, const std::vector<Bytes>& want, const char* when) {
  for (size_t k = 0; k < want.size(); ++k) {
    if (got[k] == want[k]) continue;
    const auto at = std::mismatch(got[k].begin(), got[k].end(), want[k].begin()).first;
    Fail(Which(k, want.size(), "output") + "other bits " + when + ", from byte " +
         std::to_string(at - got[k].begin()) + " of " + std::to_string(got[k].size()));
  }
}

std::vector<Bytes> DownloadAll(const std::vector<Tensor>& tensors) {
  std::vector<Bytes> all;
  for (const Tensor& t : tensors) all.push_back(Download(t));
  return all;
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
  Values values{Draw(*test.of, test.dtype, test.fill, seed), {}};
  for (size_t i = 0; i < values.arrays.size(); ++i)
    values.tensors.push_back(Place(&values.arrays[i], LayoutOf(layout, i), name_));
  return values;
}

std::vector<Tensor> Subject::Call(const Test& test, const std::vector<Tensor>& inputs,
                                  const std::vector<Tensor>& targets) const {
  return conform::Call(*test.of, test.dtype, inputs, device_, targets);
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
    got = Backward(*test.of, test.dtype, values.tensors, device_, Seed(test));
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

namespace {

bool SharesMemory(const std::vector<Tensor>& results, const std::vector<Tensor>& inputs) {
  for (const Tensor& r : results)
    for (const Tensor& i : inputs)
      if (sy_tensor_same_storage(r.handle(), i.handle())) return true;
  return false;
}

}  // namespace

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

void Subject::Threads(const Test& test) const {
  constexpr int kThreads = 4, kCalls = 4;
  struct Work {  // other values for each
    Values values;
    std::vector<Bytes> want;
    std::string wrong;
  };
  std::vector<Work> work(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    work[static_cast<size_t>(i)].values =
        Lay(test, Layout::kContiguous, seed_ + static_cast<uint64_t>(i));
    work[static_cast<size_t>(i)].want =
        DownloadAll(Call(test, work[static_cast<size_t>(i)].values.tensors));
  }
  std::vector<std::thread> threads;
  for (Work& w : work)
    threads.emplace_back([&] {
      try {
        for (int i = 0; i < kCalls; ++i)
          ExpectSame(DownloadAll(Call(test, w.values.tensors)), w.want, "from several threads");
      } catch (const Failure& f) {
        w.wrong = f.reason;
      } catch (const Error& e) {
        w.wrong = e.what();
      }
    });
  for (std::thread& t : threads) t.join();
  for (const Work& w : work)
    if (!w.wrong.empty()) Fail(w.wrong);
}

namespace {

// A stream that is the thread's current one for a scope.
class Stream {
 public:
  explicit Stream(const SyDevice* device) : device_(device) {
    detail::Check(sy_stream_create(device, &stream_));
  }
  ~Stream() {
    sy_stream_set_current(device_, nullptr);
    sy_stream_release(stream_);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  void Enter() { detail::Check(sy_stream_set_current(device_, stream_)); }

 private:
  const SyDevice* device_;
  SyStream* stream_ = nullptr;
};

}  // namespace

void Subject::Streams(const Test& test) const {
  const std::vector<Bytes> want = Dense(test);
  const Values values = Lay(test, Layout::kContiguous);
  Stream first(device_), second(device_);
  for (int i = 0; i < 4; ++i) {
    first.Enter();
    const std::vector<Tensor> got = Call(test, values.tensors);
    second.Enter();
    std::vector<Tensor> copies;
    for (const Tensor& t : got) copies.push_back(cat({reshape(t, {-1}), reshape(t, {-1})}));
    for (size_t k = 0; k < copies.size(); ++k) {
      Bytes twice = want[k];
      twice.insert(twice.end(), want[k].begin(), want[k].end());
      ExpectSame({Download(copies[k])}, {twice}, "when another stream reads the result");
    }
  }
}

void Subject::Memory(const Test& test) const {
  const Values values = Lay(test, Layout::kContiguous);
  auto live = [&] {
    detail::Check(sy_synchronize(device_));
    SyMemoryReport report{};
    report.size = sizeof report;
    detail::Check(sy_device_memory(device_, &report));
    return report;
  };
  auto run = [&](int times) {
    for (int i = 0; i < times; ++i) {
      const std::vector<Tensor> got = Call(test, values.tensors);
      DownloadAll(got);
      std::vector<Tensor> targets;
      for (const Tensor& t : got)
        targets.push_back(Upload(Array(t.dtype().code, t.shape()), name_));
      CallInto(test, values, targets, SharesMemory(got, values.tensors));
    }
  };
  run(3);
  const SyMemoryReport before = live();
  run(50);
  const SyMemoryReport after = live();
  if (after.live_bytes != before.live_bytes)
    Fail(std::to_string(after.live_bytes - before.live_bytes) +
         " bytes more are held after fifty calls");
  // A device that is watched has no pool (SY_CHECK).
  const char* check = sy_option_get("check");
  const bool pooled = !check || !*check || std::string(check) == "0";
  if (pooled && after.allocations > before.allocations + 8)
    Fail(std::to_string(after.allocations - before.allocations) +
         " allocations of the device in fifty calls: the pool does not find what was freed");
}

namespace {

// A call that must be refused.
void ExpectRefused(const char* what, const SyOpInfo& info, const PackedAttrs& attrs,
                   std::vector<SyTensor*> in, SyTensor* target, const SyDevice* device) {
  std::vector<SyTensor*> out(static_cast<size_t>(std::max(info.out_count, 1)), nullptr);
  out[0] = target;
  SyRun run =
      detail::MakeRun(detail::FindOp(info.name), in.data(), static_cast<int32_t>(in.size()),
                      attrs.data(), attrs.size(), out.data(), static_cast<int32_t>(out.size()));
  run.device = device;
  const SyStatus status = sy_run(&run);
  for (size_t i = target ? 1 : 0; i < out.size(); ++i) {
    const bool made = out[i] != nullptr;
    sy_tensor_release(out[i]);
    if (status != SY_OK && made) Fail(std::string(what) + ": refused, and a result given");
  }
  if (status == SY_OK) Fail(std::string(what) + " was accepted");
  if (status == SY_INTERNAL || status == SY_UNKNOWN)
    Fail(std::string(what) + ": " + sy_last_message());
}

}  // namespace

void Subject::Refusal(const Test& test) {
  const Case& c = *test.of;
  const SyOpInfo info = InfoOf(c.op);
  const Values values = Lay(test, Layout::kContiguous);
  const std::vector<SyTensor*> in = detail::Handles(values.tensors);
  const PackedAttrs attrs(info, c.attrs);

  if (info.in_min > 0) {
    ExpectRefused("an input too few", info, attrs, {in.begin(), in.begin() + (info.in_min - 1)},
                  nullptr, device_);
    std::vector<SyTensor*> missing = in;
    missing[0] = nullptr;
    ExpectRefused("no first input", info, attrs, missing, nullptr, device_);
  }
  if (info.in_max >= 0) {
    std::vector<SyTensor*> more = in;
    more.resize(static_cast<size_t>(info.in_max) + 1, in[0]);
    ExpectRefused("an input too many", info, attrs, more, nullptr, device_);
  }
  for (const Attr& a : c.attrs) {
    const std::string& name = a.name;
    if (name != "dim" && name != "dims") continue;
    Attrs wrong = c.attrs;
    for (Attr& w : wrong)
      if (w.name == name)
        w.value = a.value.kind == AttrValue::kList ? AttrValue(Shape{99}) : AttrValue(int64_t{99});
    ExpectRefused("axis 99", info, PackedAttrs(info, wrong), in, nullptr, device_);
  }
  const std::vector<Tensor> right = Call(test, values.tensors);
  Shape larger = right[0].shape();
  larger.push_back(3);
  const SyDtype dtype = right[0].dtype().code;
  ExpectRefused("a target of another shape", info, attrs, in,
                Upload(Array(dtype, larger), name_).handle(), device_);
  // Of a lower category: floats into integers, integers into bools.
  if (dtype != SY_BOOL)
    ExpectRefused(
        "a target of a lower dtype", info, attrs, in,
        Upload(Array(IsFloat(dtype) ? SyDtype{SY_I32} : SyDtype{SY_BOOL}, right[0].shape()), name_)
            .handle(),
        device_);
  BadIndex(test, values);
  ExpectSame(DownloadAll(Call(test, values.tensors)), DownloadAll(right),
             "after calls that were refused");
}

void Subject::BadIndex(const Test& test, Values values) const {
  constexpr const char* kOps[] = {"embedding",    "gather",  "index_add",
                                  "index_select", "scatter", "scatter_add"};
  if (std::none_of(std::begin(kOps), std::end(kOps),
                   [&](const char* op) { return test.of->op == op; }))
    return;
  for (const bool below : {false, true}) {
    for (size_t i = 0; i < values.arrays.size(); ++i) {
      if (test.of->inputs[i].fill != Fill::kIndex) continue;
      Array index = values.arrays[i];
      const auto size = static_cast<Real>(test.of->inputs[i].high + 1);
      index.at.back() = below ? -size - 1 : size;
      values.tensors[i] = Upload(index, name_);
    }
    SyStatus status = SY_OK;
    try {
      DownloadAll(Call(test, values.tensors));
      status = sy_synchronize(device_);
    } catch (const Error& e) {
      status = e.code();
      sy_synchronize(device_);
    }
    if (status != SY_OUT_OF_RANGE)
      Fail(std::string("an index ") + (below ? "below" : "beyond") +
           " the axis: " + sy_status_name(status) + ", want " + sy_status_name(SY_OUT_OF_RANGE) +
           " at the next wait");
  }
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
