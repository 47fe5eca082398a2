// A kernel call as it travels: PutCall copies everything that a SyCall points to, GetCall makes one
// again. Memory is a handle, a program and a plan are numbers; the server puts its own pointers in.
#ifndef TESTS_PROXY_CALL_H_
#define TESTS_PROXY_CALL_H_

#include <vector>

#include "tests/proxy/message.h"

namespace proxy {

struct RangeRow {
  uint64_t handle;
  int64_t offset;
  int64_t bytes;
};

struct CallHead {
  uint64_t device;
  uint64_t id;
  uint64_t program;  // 0: none
  uint64_t plan;     // 0: none
  RangeRow scratch;
  RangeRow status;
  uint32_t kernel;  // the server's number
  uint32_t flags;
  int32_t op;
  int32_t rev;
  uint32_t in_count;
  uint32_t out_count;
  uint32_t const_count;
  uint32_t reserved;
};

inline RangeRow RowOf(const SyRange& r) { return {r.memory.handle, r.offset, r.bytes}; }

inline void PutCall(Writer* to, const SyCall& c, uint32_t kernel, uint64_t program, uint64_t plan,
                    const AttrLayout& layout) {
  CallHead h{};
  h.device = c.device;
  h.id = c.id;
  h.program = program;
  h.plan = plan;
  h.scratch = RowOf(c.scratch);
  h.status = RowOf(c.status);
  h.kernel = kernel;
  h.flags = c.flags;
  h.op = c.op;
  h.rev = c.rev;
  h.in_count = static_cast<uint32_t>(c.in_count);
  h.out_count = static_cast<uint32_t>(c.out_count);
  h.const_count = c.program ? c.const_count : 0;
  to->Put(h);
  to->Bytes(c.consts, sizeof(uint64_t) * h.const_count);
  for (int i = 0; i < c.in_count; ++i) PutView(to, c.in[i]);
  for (int i = 0; i < c.out_count; ++i) PutView(to, c.out[i]);
  PutAttrs(to, c.attrs, c.attrs_size, layout);
}

struct OwnedCall {
  CallHead head{};
  SyCall call{};
  std::vector<uint64_t> consts;
  std::vector<SyView> in, out;
  OwnedAttrs attrs;
};

// False: no call.
inline bool GetCall(Reader* from, OwnedCall* own) {
  constexpr uint32_t kMostViews = 256;
  const CallHead h = own->head = from->Get<CallHead>();
  if (h.in_count > kMostViews || h.out_count > kMostViews) return false;
  from->GetList(h.const_count, &own->consts);
  for (uint32_t i = 0; i < h.in_count; ++i) own->in.push_back(GetView(from));
  for (uint32_t i = 0; i < h.out_count; ++i) own->out.push_back(GetView(from));
  GetAttrs(from, &own->attrs);
  SyCall& c = own->call;
  c.size = sizeof c;
  c.flags = h.flags;
  c.id = h.id;
  c.in = own->in.data();
  c.out = own->out.data();
  c.in_count = static_cast<int32_t>(h.in_count);
  c.out_count = static_cast<int32_t>(h.out_count);
  c.op = h.op;
  c.rev = h.rev;
  c.attrs = own->attrs.data();
  c.attrs_size = own->attrs.size;
  c.const_count = h.const_count;
  c.consts = own->consts.data();
  return from->at_end();
}

}  // namespace proxy

#endif  // TESTS_PROXY_CALL_H_
