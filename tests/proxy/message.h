// How what a kernel call points to is copied: views, attribute structs with their lists and texts,
// programs; and the rows in which the server describes its kernels and devices. Each Put has a Get,
// which returns false or fails the reader where the bytes make no sense. No op is known by name.
#ifndef TESTS_PROXY_MESSAGE_H_
#define TESTS_PROXY_MESSAGE_H_

#include <algorithm>
#include <deque>
#include <string>
#include <vector>

#include "api/switchyard/sy_plugin.h"
#include "tests/proxy/wire.h"

namespace proxy {

// ---- views

inline void PutView(Writer* to, const SyView& v) {
  to->Put(v.memory.handle);
  to->Put(v.offset);
  to->Put(v.dtype);
  to->Put(v.type);
  to->Put(v.rank);
  to->Put(v.flags);
  to->Put(v.count);
  to->Put(v.bytes);
  to->Bytes(v.shape, sizeof(int64_t) * static_cast<size_t>(v.rank));
  to->Bytes(v.strides, sizeof(int64_t) * static_cast<size_t>(v.rank));
}

// Of the memory, only the handle.
inline SyView GetView(Reader* from) {
  SyView v{};
  v.memory.handle = from->Get<uint64_t>();
  v.offset = from->Get<int64_t>();
  v.dtype = from->Get<uint32_t>();
  v.type = from->Get<int32_t>();
  v.rank = from->Get<int32_t>();
  v.flags = from->Get<uint32_t>();
  v.count = from->Get<int64_t>();
  v.bytes = from->Get<int64_t>();
  if (v.rank < 0 || v.rank > SY_MAX_RANK) {
    from->Fail();
    return SyView{};
  }
  for (int d = 0; d < v.rank; ++d) v.shape[d] = from->Get<int64_t>();
  for (int d = 0; d < v.rank; ++d) v.strides[d] = from->Get<int64_t>();
  return v;
}

// Do count and bytes follow from the shape, and do all elements lie in a block of `block` bytes?
inline bool LiesWithin(const SyView& v, int64_t block) {
  const int64_t element = SY_DTYPE_BYTES(v.dtype);
  if (element < 1) return false;
  __int128 count = 1, low = 0, high = 0;
  for (int d = 0; d < v.rank; ++d) {
    if (v.shape[d] < 0) return false;
    count *= v.shape[d];
    if (count > INT64_MAX) return false;
    const __int128 reach = static_cast<__int128>(v.shape[d] - 1) * v.strides[d];
    (reach < 0 ? low : high) += reach;
  }
  if (count != v.count || count * element != v.bytes) return false;
  if (count == 0) return true;
  return v.offset + low * element >= 0 && v.offset + (high + 1) * element <= block;
}

// ---- attributes

// A list or a text in an attribute struct, the only places where it has pointers.
struct AttrPointer {
  uint32_t offset;
  uint32_t element_bytes;
};
static_assert(sizeof(SyInts) == 16 && sizeof(SyText) == 16);

struct AttrLayout {
  std::vector<AttrPointer> pointers;

  AttrLayout() = default;
  explicit AttrLayout(const SyOpInfo& op) {
    for (int i = 0; i < op.attr_count; ++i) {
      const SyAttrSpec* a = SY_AT(SyAttrSpec, op.attrs, op.attr_size, i);
      if (a->type == SY_ATTR_INTS) pointers.push_back({a->offset, sizeof(int64_t)});
      if (a->type == SY_ATTR_TEXT) pointers.push_back({a->offset, 1});
    }
  }
};

inline void PutAttrs(Writer* to, const void* attrs, uint32_t size, const AttrLayout& layout) {
  if (!attrs) size = 0;
  const char* from = static_cast<const char*>(attrs);
  std::string plain(from, from + size);
  std::vector<AttrPointer> there;
  for (const AttrPointer& p : layout.pointers) {
    if (p.offset + sizeof(SyInts) > size) continue;  // a prefix: the rest are defaults
    there.push_back(p);
    std::memset(plain.data() + p.offset, 0, sizeof(SyInts));
  }
  to->Text(plain);
  to->Put(static_cast<uint32_t>(there.size()));
  for (const AttrPointer& p : there) {
    SyInts list;  // a SyText has the same form
    std::memcpy(&list, from + p.offset, sizeof list);
    to->Put(p);
    to->Put(list.count);
    to->Bytes(list.data, static_cast<size_t>(list.count) * p.element_bytes);
  }
}

struct OwnedAttrs {
  std::vector<uint64_t> words;
  uint32_t size = 0;
  std::deque<std::vector<int64_t>> lists;  // where the struct's pointers lead
  const void* data() const { return size ? words.data() : nullptr; }
};

inline void GetAttrs(Reader* from, OwnedAttrs* out) {
  const std::string_view plain = from->Text();
  out->size = static_cast<uint32_t>(plain.size());
  out->words.assign((plain.size() + 7) / 8, 0);
  if (!plain.empty()) std::memcpy(out->words.data(), plain.data(), plain.size());
  for (uint32_t n = from->Get<uint32_t>(); n > 0 && from->good(); --n) {
    const auto p = from->Get<AttrPointer>();
    const auto count = from->Get<int64_t>();
    if (p.offset % 8 || uint64_t{p.offset} + sizeof(SyInts) > out->size || count < 0 ||
        count > kMostPayload || (p.element_bytes != 1 && p.element_bytes != sizeof(int64_t)))
      return from->Fail();
    const uint64_t bytes = static_cast<uint64_t>(count) * p.element_bytes;
    const char* data = from->Bytes(bytes);
    if (!data) return;
    std::vector<int64_t>& list = out->lists.emplace_back(bytes / 8 + 1);
    std::memcpy(list.data(), data, bytes);
    const SyInts ints = {list.data(), count};
    std::memcpy(reinterpret_cast<char*>(out->words.data()) + p.offset, &ints, sizeof ints);
  }
}

// ---- programs

struct OwnedProgram {
  SyProgram program{};
  std::vector<SyInstruction> instr;
  std::vector<uint32_t> outputs;
  std::string name;
};

inline void PutProgram(Writer* to, const SyProgram& p) {
  to->Bytes(p.hash, sizeof p.hash);
  to->Put(p.version);
  to->Put(p.instr_count);
  to->Put(p.input_count);
  to->Put(p.output_count);
  to->Put(p.const_count);
  to->Bytes(p.instr, sizeof(SyInstruction) * static_cast<size_t>(p.instr_count));
  to->Bytes(p.outputs, sizeof(uint32_t) * static_cast<size_t>(p.output_count));
  to->Text(p.name ? p.name : "");
}

// Operands, inputs and constants must be there: kernels index by them.
inline bool IsSound(const OwnedProgram& p) {
  for (size_t i = 0; i < p.instr.size(); ++i) {
    const SyInstruction& in = p.instr[i];
    const uint32_t operands[3] = {in.a, in.b, in.c};
    for (int k = 0; k < sy_operand_count(in.opcode); ++k)
      if (operands[k] >= i) return false;
    const uint64_t limit = in.opcode == SY_OP_CONST   ? static_cast<uint64_t>(p.program.const_count)
                           : in.opcode == SY_OP_INPUT ? static_cast<uint64_t>(p.program.input_count)
                           : in.opcode == SY_OP_INDEX ? SY_MAX_RANK
                                                      : UINT64_MAX;
    if (in.imm >= limit && limit != UINT64_MAX) return false;
  }
  return std::all_of(p.outputs.begin(), p.outputs.end(),
                     [&](uint32_t v) { return v < p.instr.size(); });
}

inline bool GetProgram(Reader* from, OwnedProgram* out) {
  SyProgram& p = out->program;
  p.size = sizeof p;
  if (const char* hash = from->Bytes(sizeof p.hash)) std::memcpy(p.hash, hash, sizeof p.hash);
  p.version = from->Get<uint32_t>();
  p.instr_count = from->Get<int32_t>();
  p.input_count = from->Get<int32_t>();
  p.output_count = from->Get<int32_t>();
  p.const_count = from->Get<int32_t>();
  if (p.instr_count < 0 || p.input_count < 0 || p.output_count < 0 || p.const_count < 0)
    return false;
  from->GetList(static_cast<uint64_t>(p.instr_count), &out->instr);
  from->GetList(static_cast<uint64_t>(p.output_count), &out->outputs);
  out->name = std::string(from->Text());
  p.instr = out->instr.data();
  p.outputs = out->outputs.data();
  p.name = out->name.c_str();
  return from->at_end() && IsSound(*out);
}

// ---- kernels and devices

// What may be said of a kernel without calling it. Those of the hosted plugin are known when the
// proxy is built (kernels.inc) and told again by the server.
struct KernelRow {
  std::string_view op, variant;  // variant "": none
  int32_t rev;
  uint32_t dtype;
  int32_t priority;
  uint32_t flags;
  uint32_t accepts;
  int32_t max_rank;
  uint64_t dtypes;
  int32_t has_plan;

  bool operator==(const KernelRow&) const = default;
};

inline KernelRow RowOf(const SyKernel& k) {
  return {k.op,       k.variant ? k.variant : "",
          k.rev,      k.dtype,
          k.priority, k.flags,
          k.accepts,  k.max_rank,
          k.dtypes,   k.plan != nullptr};
}

inline void PutRow(Writer* to, const KernelRow& r) {
  to->Text(r.op);
  to->Text(r.variant);
  to->Put(r.rev);
  to->Put(r.dtype);
  to->Put(r.priority);
  to->Put(r.flags);
  to->Put(r.accepts);
  to->Put(r.max_rank);
  to->Put(r.dtypes);
  to->Put(r.has_plan);
}

// Its texts lie in the payload.
inline KernelRow GetRow(Reader* from) {
  KernelRow r{};
  r.op = from->Text();
  r.variant = from->Text();
  r.rev = from->Get<int32_t>();
  r.dtype = from->Get<uint32_t>();
  r.priority = from->Get<int32_t>();
  r.flags = from->Get<uint32_t>();
  r.accepts = from->Get<uint32_t>();
  r.max_rank = from->Get<int32_t>();
  r.dtypes = from->Get<uint64_t>();
  r.has_plan = from->Get<int32_t>();
  return r;
}

struct DeviceRow {
  SyDeviceInfo info{};
  std::string kind, name, vendor, driver;
};

inline void PutDevice(Writer* to, SyDeviceInfo info) {
  auto text = [&](const char*& t) {
    to->Text(t ? t : "");
    t = nullptr;
  };
  for (const char** t : {&info.kind, &info.name, &info.vendor, &info.driver}) text(*t);
  to->Put(info);
}

inline void GetDevice(Reader* from, DeviceRow* out) {
  for (std::string* t : {&out->kind, &out->name, &out->vendor, &out->driver})
    *t = std::string(from->Text());
  out->info = from->Get<SyDeviceInfo>();
}

}  // namespace proxy

#endif  // TESTS_PROXY_MESSAGE_H_
