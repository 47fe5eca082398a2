// The checks of Subject that look at how a device behaves, not at what it computes.
#include <algorithm>
#include <thread>

#include "conform/call.h"
#include "conform/check.h"
#include "conform/draw.h"
#include "conform/failure.h"
#include "switchyard/switchyard.h"

namespace sy::conform {

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
  enum { kBeyond, kBelow, kFar };  // kFar: an index whose low 32 bits are a right one
  for (const int where : {kBeyond, kBelow, kFar}) {
    for (size_t i = 0; i < values.arrays.size(); ++i) {
      if (test.of->inputs[i].fill != Fill::kIndex) continue;
      Array index = values.arrays[i];
      const auto size = static_cast<Real>(test.of->inputs[i].high + 1);
      index.at.back() = where == kBelow                                ? -size - 1
                        : where == kFar && Info(index.dtype).size == 8 ? Real{1LL << 32}
                                                                       : size;
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
      Fail(std::string("an index ") +
           (where == kBelow ? "below"
            : where == kFar ? "far beyond"
                            : "beyond") +
           " the axis: " + sy_status_name(status) + ", want " + sy_status_name(SY_OUT_OF_RANGE) +
           " at the next wait");
  }
}

// Bytes that come and go: every view's elements and no others, whatever offset and step it has.
void Subject::Transfer(const Test& test) const {
  constexpr int64_t kLength = 1031;
  struct Part {
    int64_t from, to, step;
  };
  constexpr Part kParts[] = {{0, 1, 1},    {1, 2, 1},      {3, 10, 1},      {5, 69, 1},
                             {7, 262, 1},  {513, 1031, 1}, {0, kLength, 1}, {1030, 1031, 1},
                             {0, 1031, 2}, {1, 1000, 3},   {1029, 1031, 2}};
  Array mirror = DrawOne(test.dtype, {kLength}, Fill::kRamp, "transfer");
  const Tensor block = Upload(mirror, name_);
  int turn = 0;
  auto view_of = [](const Tensor& t, const Part& p) {
    return slice(t, {.dim = 0, .start = p.from, .end = p.to, .step = p.step});
  };
  for (const Part& p : kParts) {
    const Tensor view = view_of(block, p);
    const Array values =
        DrawOne(test.dtype, view.shape(), Fill::kBits, "transfer" + std::to_string(turn++));
    Bytes bytes = Encode(values);
    for (size_t i = 0; i < values.at.size(); ++i)
      mirror.at[static_cast<size_t>(p.from + p.step * static_cast<int64_t>(i))] = values.at[i];
    const std::string where = " elements " + std::to_string(p.from) + " to " +
                              std::to_string(p.to - 1) + " by " + std::to_string(p.step);
    detail::Check(sy_tensor_write(view.handle(), bytes.data(), static_cast<int64_t>(bytes.size())));
    // The host's memory is the caller's again.
    std::fill(bytes.begin(), bytes.end(), static_cast<unsigned char>(0x5a));
    ExpectSame({Download(view)}, {Encode(values)}, ("read after a write of" + where).c_str());
    ExpectSame({Download(block)}, {Encode(mirror)},
               ("in the block after a write of" + where).c_str());
    ExpectSame({Download(view.to("cpu:0"))}, {Encode(values)}, ("on the CPU:" + where).c_str());
    const Tensor other = Upload(mirror, "cpu:0");
    ExpectSame({Download(view_of(other, p).to(name_))}, {Encode(values)},
               ("from the CPU:" + where).c_str());
  }
}

// More memory than there is is refused; the device goes on, and nothing stays behind.
void Subject::Exhaust(const Test& test) const {
  const std::vector<Bytes> want = Dense(test);
  const auto live = [&] {
    detail::Check(sy_synchronize(device_));
    SyMemoryReport report{};
    report.size = sizeof report;
    detail::Check(sy_device_memory(device_, &report));
    return report.live_bytes;
  };
  const auto before = live();
  for (int i = 0; i < 3; ++i) {
    constexpr int64_t kShape[] = {int64_t{1} << 50};  // more than addresses reach
    SyTensor* out = nullptr;
    const SyStatus status = sy_tensor_empty(kShape, 1, test.dtype, name_, &out);
    if (status == SY_OK) {
      sy_tensor_release(out);
      Fail("2^50 elements were allocated");
    }
    if (status != SY_RESOURCE_EXHAUSTED)
      Fail(std::string("2^50 elements: ") + sy_status_name(status) + ", want " +
           sy_status_name(SY_RESOURCE_EXHAUSTED) + "; " + sy_last_message());
    ExpectSame(Dense(test), want, "after an allocation that was refused");
  }
  if (live() != before) Fail("memory is held after allocations that were refused");
}

}  // namespace sy::conform
