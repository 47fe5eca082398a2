// The server's commands of streams: copies, fill, kernel calls. Every handle is looked up and every
// range measured against its block before the hosted plugin sees it.
#include <algorithm>
#include <cstring>
#include <string>

#include "tests/proxy/server.h"

namespace proxy {
namespace {

// Names a kernel in errors: the op that the host runs, and the kernel where that is another.
std::string Name(const SyCall& call, const SyKernel& kernel) {
  const char* op = OpName(call.op);
  if (!op || !std::strcmp(op, kernel.op)) return kernel.op;
  return std::string(op) + " (" + kernel.op + ")";
}

}  // namespace

SyStatus Server::Find(uint64_t handle, int64_t offset, int64_t bytes, Span* out) {
  auto it = blocks_.find(handle);
  const SyHost& host = *hosted_.host();
  if (it == blocks_.end())
    return host.fail(SY_INVALID_ARGUMENT, "memory handle %s is none",
                     std::to_string(handle).c_str());
  const auto size = static_cast<int64_t>(it->second.allocation.bytes);
  if (offset < 0 || bytes < 0 || bytes > size || offset > size - bytes)
    return host.fail(SY_INVALID_ARGUMENT, "%s bytes at %s of a block of %s",
                     std::to_string(bytes).c_str(), std::to_string(offset).c_str(),
                     std::to_string(size).c_str());
  *out = {it->second.device, it->second.allocation.memory.handle};
  return SY_OK;
}

SyStatus Server::Execute(Kind kind, Reader* from) {
  if (kind == kRun) return Run(from);
  if (kind == kCopyOut) return CopyOut(from);
  if (kind == kFill) return Fill(from);
  const auto to = from->Get<uint64_t>();
  const auto to_offset = from->Get<int64_t>();
  Span a, b;
  if (kind == kCopyIn) {
    const std::string_view data = from->Text();
    if (!from->at_end()) from->Fail();
    const auto bytes = static_cast<int64_t>(data.size());
    if (const SyStatus code = Find(to, to_offset, bytes, &a)) return code;
    return hosted_.memory().copy_in(hosted_.state(), a.device, 0, a.handle, to_offset, data.data(),
                                    bytes);
  }
  const auto source = from->Get<uint64_t>();
  const auto offset = from->Get<int64_t>();
  const auto bytes = from->Get<int64_t>();
  if (const SyStatus code = Find(to, to_offset, bytes, &a)) return code;
  if (const SyStatus code = Find(source, offset, bytes, &b)) return code;
  return hosted_.memory().copy_within(hosted_.state(), a.device, 0, a.handle, to_offset, b.handle,
                                      offset, bytes);
}

SyStatus Server::CopyOut(Reader* from) {
  const auto handle = from->Get<uint64_t>();
  const auto offset = from->Get<int64_t>();
  const auto bytes = from->Get<int64_t>();
  const auto copy = from->Get<uint64_t>();
  Span a;
  if (bytes > kPiece) from->Fail();
  if (!from->at_end()) return SY_OK;
  if (const SyStatus code = Find(handle, offset, bytes, &a)) return code;
  std::string data(static_cast<size_t>(bytes), 0);
  if (const SyStatus code = hosted_.memory().copy_out(hosted_.state(), a.device, 0, a.handle,
                                                      offset, data.data(), bytes))
    return code;
  std::lock_guard<std::mutex> lock(out_mutex_);
  Writer w(&out_, kCopied);
  w.Put(copy);
  w.Text(data);
  return SY_OK;
}

SyStatus Server::Fill(Reader* from) {
  const auto handle = from->Get<uint64_t>();
  const auto offset = from->Get<int64_t>();
  const auto bytes = from->Get<int64_t>();
  const std::string_view pattern = from->Text();
  Span a;
  if (!from->at_end() || pattern.empty() || pattern.size() > 16) from->Fail();
  if (!from->good()) return SY_OK;
  if (const SyStatus code = Find(handle, offset, bytes, &a)) return code;
  const SyMemoryFns& memory = hosted_.memory();
  if (memory.fill)
    return memory.fill(hosted_.state(), a.device, 0, a.handle, offset, bytes, pattern.data(),
                       static_cast<int32_t>(pattern.size()));
  std::string data(static_cast<size_t>(bytes), 0);
  for (size_t i = 0; i < data.size(); ++i) data[i] = pattern[i % pattern.size()];
  return memory.copy_in(hosted_.state(), a.device, 0, a.handle, offset, data.data(), bytes);
}

SyStatus Server::BindView(const char* what, int i, SyView* v) {
  if ((v->flags & SY_VIEW_NO_DATA) || v->rank < 0) return SY_OK;
  auto it = blocks_.find(v->memory.handle);
  const int64_t size = it == blocks_.end() ? 0 : static_cast<int64_t>(it->second.allocation.bytes);
  if (!LiesWithin(*v, size))
    return hosted_.host()->fail(
        SY_INVALID_ARGUMENT, "%s %d does not lie in memory handle %s of %s bytes", what, i,
        std::to_string(v->memory.handle).c_str(), std::to_string(size).c_str());
  v->memory = it == blocks_.end() ? SyMemory{} : it->second.allocation.memory;
  v->data.bits = v->memory.address ? v->memory.address + static_cast<uint64_t>(v->offset) : 0;
  return SY_OK;
}

SyStatus Server::BindRange(const char* what, const RangeRow& row, SyRange* out) {
  if (row.handle == 0) return SY_OK;
  Span span;
  if (const SyStatus code = Find(row.handle, row.offset, row.bytes, &span)) {
    const std::string text = TakeMessage();
    return hosted_.host()->fail(code, "%s: %s", what, text.c_str());
  }
  *out = {blocks_[row.handle].allocation.memory, row.offset, row.bytes};
  return SY_OK;
}

SyStatus Server::Bind(OwnedCall* own, const SyKernel** out_kernel) {
  const CallHead& h = own->head;
  const SyHost& host = *hosted_.host();
  SyCall& c = own->call;
  auto device = devices_.find(h.device);
  if (h.kernel >= hosted_.kernels().size() || device == devices_.end())
    return host.fail(SY_INVALID_ARGUMENT, "kernel %u of device %s: there is none", h.kernel,
                     std::to_string(h.device).c_str());
  *out_kernel = &hosted_.kernels()[h.kernel];
  c.kernel = hosted_.row(h.kernel);
  const std::pair<uint32_t, uint64_t> here(h.kernel, h.device);
  c.host = &host;
  c.state = hosted_.state();
  c.device = device->second.handle;
  c.cache = &words_[here];
  if (h.program) {
    auto it = programs_.find(h.program);
    if (it == programs_.end() ||
        it->second->code.program.const_count != static_cast<int32_t>(h.const_count) ||
        it->second->code.program.input_count > c.in_count)
      return host.fail(SY_INVALID_ARGUMENT, "program %s: there is none for such a call",
                       std::to_string(h.program).c_str());
    c.program = &it->second->code.program;
    c.cache = &it->second->words[here];
  }
  if (h.plan) {
    auto it = plans_.find(h.plan);
    if (it == plans_.end() || it->second.kernel != h.kernel)
      return host.fail(SY_INVALID_ARGUMENT, "plan %s: there is none",
                       std::to_string(h.plan).c_str());
    c.plan = it->second.state;
  }
  for (size_t i = 0; i < own->in.size(); ++i)
    if (const SyStatus code = BindView("input", static_cast<int>(i), &own->in[i])) return code;
  for (size_t i = 0; i < own->out.size(); ++i)
    if (const SyStatus code = BindView("output", static_cast<int>(i), &own->out[i])) return code;
  if (const SyStatus code = BindRange("scratch", h.scratch, &c.scratch)) return code;
  return BindRange("status word", h.status, &c.status);
}

SyStatus Server::Run(Reader* from) {
  OwnedCall own;
  if (!GetCall(from, &own)) {
    from->Fail();
    return SY_OK;
  }
  const SyKernel* kernel = nullptr;
  SyStatus code = Bind(&own, &kernel);
  const SyHost& host = *hosted_.host();
  if (code == SY_OK) {
    if (++kernels_run_ == fail_at_)
      code = host.fail(SY_INTERNAL, "kernel %s fails, as option fail_at asks",
                       std::to_string(fail_at_).c_str());
    else
      code = kernel->run(&own.call);
  }
  if (code == SY_OK) return SY_OK;
  const std::string text = TakeMessage();
  return host.fail(code, "%s: %s", kernel ? Name(own.call, *kernel).c_str() : "call", text.c_str());
}

}  // namespace proxy
