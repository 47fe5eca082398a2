#include "tests/proxy/server.h"

#include <algorithm>
#include <cstring>

namespace proxy {
namespace {

std::string Number(uint64_t n) { return std::to_string(n); }

}  // namespace

Server::~Server() {
  while (!devices_.empty()) CloseDevice(devices_.begin()->first);
  SetLog(nullptr);
}

std::string Server::Serve() {
  SetLog([this](int32_t level, const char* text) {
    std::lock_guard<std::mutex> lock(out_mutex_);
    Writer w(&out_, kLog);
    w.Put(level);
    w.Text(text);
  });
  FrameReader frames(socket_);
  Kind kind;
  std::string_view payload;
  std::string why;
  while (why.empty() && frames.Next(&kind, &payload)) {
    Reader from(payload);
    if (!greeted_ && kind != kHello) {
      why = "the first message is no greeting";
    } else {
      why = Handle(kind, &from);
    }
    if (!why.empty()) why.insert(0, "message of kind " + std::to_string(kind) + ": ");
  }
  if (why.empty()) why = frames.wrong();
  if (!why.empty()) {
    std::lock_guard<std::mutex> lock(out_mutex_);
    Writer(&out_, kEnd).Text(why);
  }
  Send();
  return why;
}

void Server::Send() {
  std::string bytes;
  {
    std::lock_guard<std::mutex> lock(out_mutex_);
    bytes.swap(out_);
  }
  WriteAll(socket_, bytes);  // a client that went away is noticed at the next read
}

std::string Server::Handle(Kind kind, Reader* from) {
  switch (kind) {
    case kHello:
    case kOpen:
    case kAlloc:
    case kMemoryInfo:
    case kPlan:
    case kTry:
      return HandleQuestion(kind, from);
    case kClose:
      CloseDevice(from->Get<uint64_t>());
      break;
    case kFree:
      if (auto it = blocks_.find(from->Get<uint64_t>()); it != blocks_.end()) {
        hosted_.memory().free(hosted_.state(), it->second.device,
                              it->second.allocation.memory.handle);
        blocks_.erase(it);
      }
      break;
    case kProgram: {
      const auto number = from->Get<uint64_t>();
      auto program = std::make_unique<Program>();
      if (!GetProgram(from, &program->code) || number == 0) return "no sound program";
      programs_.emplace(number, std::move(program));  // a known one stays: kernels keep its address
      break;
    }
    case kOpName: {
      const auto op = from->Get<int32_t>();
      NameOp(op, std::string(from->Text()));
      break;
    }
    case kDrop:
      DropPlan(from->Get<uint64_t>());
      break;
    case kStreamCreate: {
      const auto stream = from->Get<uint64_t>();
      auto device = devices_.find(from->Get<uint64_t>());
      if (device == devices_.end()) return "no such device";
      streams_.insert_or_assign(stream, Stream{device->second.handle});
      break;
    }
    case kStreamDestroy:
      streams_.erase(from->Get<uint64_t>());
      break;
    case kRecord: {
      const auto stream = from->Get<uint64_t>(), tick = from->Get<uint64_t>();
      {
        std::lock_guard<std::mutex> lock(out_mutex_);
        Writer w(&out_, kTick);
        w.Put(stream);
        w.Put(tick);
      }
      Send();
      break;
    }
    case kReset: {
      auto stream = streams_.find(from->Get<uint64_t>());
      if (stream == streams_.end()) return "no such stream";
      stream->second.resets = from->Get<uint32_t>();
      stream->second.failed = false;
      break;
    }
    case kCopyIn:
    case kCopyOut:
    case kCopyWithin:
    case kFill:
    case kRun: {
      const auto number = from->Get<uint64_t>();
      auto it = streams_.find(number);
      if (it == streams_.end()) return "no such stream";
      if (it->second.failed) return "";
      TakeMessage();
      const SyStatus code = Execute(kind, from);
      if (!from->good()) return "it breaks off";
      // A refusal comes too late for the host to try another kernel; its code would make it try.
      if (code != SY_OK) FailStream(number, code == SY_UNIMPLEMENTED ? SY_INTERNAL : code);
      return "";
    }
    default:
      return "there is no such kind";
  }
  return from->good() ? "" : "it breaks off";
}

void Server::FailStream(uint64_t number, SyStatus code) {
  Stream& stream = streams_[number];
  stream.failed = true;
  {
    std::lock_guard<std::mutex> lock(out_mutex_);
    Writer w(&out_, kError);
    w.Put(number);
    w.Put(stream.resets);
    w.Put(code);
    w.Text(TakeMessage());
  }
  Send();
}

std::string Server::HandleQuestion(Kind kind, Reader* from) {
  const auto question = from->Get<uint64_t>();
  std::string rest;
  SyStatus code = SY_INTERNAL;
  TakeMessage();
  {
    Writer to(&rest, kNone);
    if (kind == kHello) code = Welcome(from, &to);
    if (kind == kOpen) code = Open(from);
    if (kind == kAlloc) code = Alloc(from, &to);
    if (kind == kMemoryInfo) code = MemoryInfo(from, &to);
    if (kind == kPlan) code = MakePlan(from, &to);
    if (kind == kTry) code = Try(from);
  }
  if (!from->good()) return "it breaks off";
  {
    std::lock_guard<std::mutex> lock(out_mutex_);
    Writer w(&out_, kAnswer);
    w.Put(question);
    w.Put(code);
    w.Text(TakeMessage());
    w.Bytes(rest.data() + sizeof(Head), rest.size() - sizeof(Head));
  }
  Send();
  return "";
}

SyStatus Server::Welcome(Reader* from, Writer* to) {
  const SyHost& host = *hosted_.host();
  const auto magic = from->Get<uint32_t>(), version = from->Get<uint32_t>(),
             abi = from->Get<uint32_t>();
  fail_at_ = from->Get<int64_t>();
  if (magic != kMagic || version != kVersion || abi != SY_ABI) {
    from->Fail();
    return SY_INVALID_ARGUMENT;
  }
  greeted_ = true;
  if (const std::string why = hosted_.Start(); !why.empty())
    return host.fail(SY_FAILED_PRECONDITION, "%s", why.c_str());
  const int32_t count = hosted_.device().count(hosted_.state());
  to->Put(count);
  for (int32_t i = 0; i < count; ++i) {
    SyDeviceInfo info{};
    info.size = sizeof info;
    if (const SyStatus code = hosted_.device().info(hosted_.state(), i, &info)) return code;
    PutDevice(to, info);
  }
  to->Put(static_cast<uint32_t>(hosted_.kernels().size()));
  for (const SyKernel& k : hosted_.kernels()) PutRow(to, RowOf(k));
  return SY_OK;
}

SyStatus Server::Open(Reader* from) {
  const auto number = from->Get<uint64_t>();
  const auto index = from->Get<int32_t>();
  Device device = {0, index};
  if (devices_.count(number))
    return hosted_.host()->fail(SY_FAILED_PRECONDITION, "the device is open already");
  const SyStatus code = hosted_.device().open(hosted_.state(), index, &device.handle);
  if (code == SY_OK) devices_[number] = device;
  return code;
}

void Server::CloseDevice(uint64_t number) {
  auto it = devices_.find(number);
  if (it == devices_.end()) return;
  const uint64_t device = it->second.handle;
  while (!plans_.empty()) DropPlan(plans_.begin()->first);
  std::erase_if(streams_, [&](const auto& s) { return s.second.device == device; });
  std::erase_if(blocks_, [&](const auto& b) {
    if (b.second.device != device) return false;
    hosted_.memory().free(hosted_.state(), device, b.second.allocation.memory.handle);
    return true;
  });
  hosted_.device().close(hosted_.state(), device);
  devices_.erase(it);
}

SyStatus Server::Alloc(Reader* from, Writer* to) {
  const SyHost& host = *hosted_.host();
  auto device = devices_.find(from->Get<uint64_t>());
  const auto handle = from->Get<uint64_t>();
  const auto bytes = from->Get<int64_t>();
  const auto kind = from->Get<uint32_t>();
  if (device == devices_.end() || handle == 0 || blocks_.count(handle) || bytes <= 0)
    return host.fail(SY_INVALID_ARGUMENT, "alloc of %s bytes as handle %s",
                     std::to_string(bytes).c_str(), Number(handle).c_str());
  Block block{device->second.handle, {}};
  block.allocation.size = sizeof(SyAllocation);
  const SyStatus code =
      hosted_.memory().alloc(hosted_.state(), block.device, bytes, kind, &block.allocation);
  if (code != SY_OK) return code;
  to->Put(block.allocation.bytes);
  blocks_[handle] = block;
  return SY_OK;
}

SyStatus Server::MemoryInfo(Reader* from, Writer* to) {
  auto device = devices_.find(from->Get<uint64_t>());
  uint64_t available = 0, total = 0;
  if (device == devices_.end() || !hosted_.device().memory_info)
    return hosted_.host()->fail(SY_UNIMPLEMENTED, "the plugin does not offer memory_info");
  const SyStatus code =
      hosted_.device().memory_info(hosted_.state(), device->second.handle, &available, &total);
  to->Put(available);
  to->Put(total);
  return code;
}

SyStatus Server::MakePlan(Reader* from, Writer* to) {
  OwnedCall own;
  if (!GetCall(from, &own)) {
    from->Fail();
    return SY_INVALID_ARGUMENT;
  }
  const SyKernel* kernel = nullptr;
  if (const SyStatus code = Bind(&own, &kernel)) return code;
  if (!kernel->plan) return hosted_.host()->fail(SY_INVALID_ARGUMENT, "the kernel has no plan");
  SyPlan plan{};
  plan.size = sizeof plan;
  const SyStatus code = kernel->plan(&own.call, &plan);
  plan.reason[sizeof plan.reason - 1] = 0;
  if (code != SY_OK) return plan.reason[0] ? hosted_.host()->fail(code, "%s", plan.reason) : code;
  if (plan.state) plans_[++last_plan_] = {own.head.kernel, plan.state};
  to->Put(plan.state ? last_plan_ : uint64_t{0});
  to->Put(plan.flags);
  to->Put(plan.scratch_bytes);
  return SY_OK;
}

// SY_OK or SY_UNIMPLEMENTED: the kernel's decision on such calls. SY_ABORTED: none was made, the
// stream has an error.
SyStatus Server::Try(Reader* from) {
  const auto number = from->Get<uint64_t>();
  auto it = streams_.find(number);
  if (it == streams_.end()) {
    from->Fail();
    return SY_INVALID_ARGUMENT;
  }
  if (it->second.failed) return SY_ABORTED;
  const SyStatus code = Run(from);
  if (code == SY_OK || code == SY_UNIMPLEMENTED) return code;
  FailStream(number, code);
  return SY_ABORTED;
}

void Server::DropPlan(uint64_t number) {
  auto it = plans_.find(number);
  if (it == plans_.end()) return;
  const SyKernel& kernel = hosted_.kernels()[it->second.kernel];
  if (kernel.drop) kernel.drop(hosted_.state(), it->second.state);
  plans_.erase(it);
}

}  // namespace proxy
