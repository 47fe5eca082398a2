// The registry of ops and their attribute structs.
#include "dispatcher/ops/op.h"

#include <cassert>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "dispatcher/dispatch/runtime.h"

namespace sy {

std::atomic<Op*> ops_by_id[kMaxOps];

namespace {

struct Registry {
  std::atomic<int32_t> count{0};
  std::mutex mutex;
  absl::flat_hash_map<std::string, int32_t> by_name;  // guarded by mutex
};

int AttrBytes(int type) { return type == SY_ATTR_INTS || type == SY_ATTR_TEXT ? 16 : 8; }

std::vector<int64_t> ParseList(const char* text) {
  std::vector<int64_t> list;
  if (!text || !*text) return list;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    int64_t v = 0;
    if (absl::SimpleAtoi(part, &v)) list.push_back(v);
  }
  return list;
}

// A struct with the defaults, from the described attributes.
void MakeDefaults(Op* op) {
  op->defaults.reset(new char[op->attrs_size + 8]());
  op->default_lists.reserve(op->attrs.size());
  for (const SyAttrSpec& a : op->attrs) {
    char* p = op->defaults.get() + a.offset;
    op->has_required |= a.required != 0;
    switch (a.type) {
      case SY_ATTR_FLOAT:
        std::memcpy(p, &a.default_float, 8);
        break;
      case SY_ATTR_INTS: {
        op->default_lists.push_back(ParseList(a.default_text));
        const SyInts list{op->default_lists.back().data(),
                          static_cast<int64_t>(op->default_lists.back().size())};
        std::memcpy(p, &list, sizeof list);
        break;
      }
      case SY_ATTR_TEXT: {
        const SyText text{a.default_text ? a.default_text : "",
                          a.default_text ? static_cast<int64_t>(std::strlen(a.default_text)) : 0};
        std::memcpy(p, &text, sizeof text);
        break;
      }
      default:
        std::memcpy(p, &a.default_int, 8);
        break;
    }
  }
}

Op* FromRow(const OpSpec& row) {
  Op* op = new Op;
  op->name = row.name;
  op->doc = row.doc;
  op->spec = &row;
  op->rev = row.rev;
  op->in_min = row.in_min;
  op->in_max = row.in_max;
  op->outs = row.outs;
  op->optional_from = row.optional_from;
  op->differentiable = row.grad != kNoGrad;
  uint32_t offset = 0;
  for (const AttrDef& d : row.attrs) {
    SyAttrSpec a{};
    a.name = d.name;
    a.type = d.type;
    a.offset = offset;
    a.default_int = d.type == SY_ATTR_FLOAT ? 0 : static_cast<int64_t>(d.number);
    a.default_float = d.number;
    a.default_text = d.text;
    a.required = d.required;
    offset += static_cast<uint32_t>(AttrBytes(d.type));
    op->attrs.push_back(a);
  }
  op->attrs_size = offset;
  MakeDefaults(op);
  return op;
}

void Add(Registry* r, Op* op) {
  op->id = r->count.load();
  ops_by_id[op->id].store(op, std::memory_order_release);
  r->by_name[op->name] = op->id;
  r->count.store(op->id + 1, std::memory_order_release);
}

Registry* MakeRegistry() {
  auto* r = new Registry;
  for (std::span<const OpSpec> family :
       {PointwiseRows(), ActivationRows(), CreationRows(), ViewRows(), MovementRows(), ReduceRows(),
        IndexRows(), LinalgRows(), ConvRows(), NormRows(), LossRows(), OptimRows()})
    for (const OpSpec& row : family) Add(r, FromRow(row));
  return r;
}

inline Registry& GetRegistry() {
  static Registry* registry = MakeRegistry();
  return *registry;
}

}  // namespace

const Op* FindOp(std::string_view name) {
  Registry& r = GetRegistry();
  std::lock_guard<std::mutex> lock(r.mutex);
  auto it = r.by_name.find(absl::string_view(name.data(), name.size()));
  return it == r.by_name.end() ? nullptr : ops_by_id[it->second].load();
}

int32_t OpCountTotal() { return GetRegistry().count.load(); }

std::string NearestOp(std::string_view name) {
  Registry& r = GetRegistry();
  std::vector<std::string> names;
  {
    std::lock_guard<std::mutex> lock(r.mutex);
    for (const auto& [n, id] : r.by_name) names.push_back(n);
  }
  return Nearest(name, names);
}

absl::StatusOr<Op*> AddPluginOp(PluginInstance* plugin, const SyOpSpec& spec) {
  Registry& r = GetRegistry();
  std::lock_guard<std::mutex> lock(r.mutex);
  if (r.by_name.contains(spec.name))
    return absl::AlreadyExistsError(absl::StrFormat("op %s exists already", spec.name));
  if (r.count.load() >= kMaxOps) return absl::ResourceExhaustedError("too many ops");
  Op* op = new Op;
  op->name = spec.name;
  op->doc = spec.doc ? spec.doc : "";
  op->plugin = plugin;
  op->plugin_spec = spec;
  op->rev = spec.rev;
  op->in_min = spec.in_min;
  op->in_max = spec.in_max;
  op->outs = spec.out_count;
  op->differentiable = spec.grad != nullptr;
  for (int i = 0; i < spec.attr_count; ++i) {
    SyAttrSpec a{};
    std::memcpy(&a, SY_AT(SyAttrSpec, spec.attrs, spec.attr_size, i),
                std::min<size_t>(sizeof a, spec.attr_size));
    op->attrs.push_back(a);
  }
  op->attrs_size = spec.attrs_size;
  MakeDefaults(op);
  Add(&r, op);
  return op;
}

void RetireOp(int32_t id) {
  Registry& r = GetRegistry();
  std::lock_guard<std::mutex> lock(r.mutex);
  Op* op = ops_by_id[id].load();
  op->retired.store(true);
  r.by_name.erase(op->name);
}

// ---- attributes

const char* Attrs::Find(std::string_view name, int type) const {
  for (const SyAttrSpec& a : op_->attrs)
    if (name == a.name) {
      assert(a.type == type || (type == SY_ATTR_INT && a.type != SY_ATTR_FLOAT));
      (void)type;
      return data_ + a.offset;
    }
  assert(false && "a row's function asks for an attribute that the row does not have");
  static const char zero[16] = {};
  return zero;
}

int64_t Attrs::Int(std::string_view name) const {
  int64_t v;
  std::memcpy(&v, Find(name, SY_ATTR_INT), 8);
  return v;
}
double Attrs::Float(std::string_view name) const {
  double v;
  std::memcpy(&v, Find(name, SY_ATTR_FLOAT), 8);
  return v;
}
std::span<const int64_t> Attrs::List(std::string_view name) const {
  SyInts v;
  std::memcpy(&v, Find(name, SY_ATTR_INTS), sizeof v);
  return {v.data, static_cast<size_t>(v.count)};
}
std::string_view Attrs::Text(std::string_view name) const {
  SyText v;
  std::memcpy(&v, Find(name, SY_ATTR_TEXT), sizeof v);
  return {v.data, static_cast<size_t>(v.length)};
}

void AttrBlob::Own(SyInts* list) {
  if (!list->count) return;
  const size_t bytes = sizeof(int64_t) * static_cast<size_t>(list->count);
  std::unique_ptr<char[]> copy(new char[bytes]);
  std::memcpy(copy.get(), list->data, bytes);
  list->data = reinterpret_cast<const int64_t*>(copy.get());
  owned_.push_back(std::move(copy));
}
void AttrBlob::Own(SyText* text) {
  std::unique_ptr<char[]> copy(new char[static_cast<size_t>(text->length) + 1]);
  if (text->length) std::memcpy(copy.get(), text->data, static_cast<size_t>(text->length));
  copy[static_cast<size_t>(text->length)] = 0;
  text->data = copy.get();
  owned_.push_back(std::move(copy));
}

AttrBlob::AttrBlob(const Op* op, const void* data) : op_(op), words_((op->attrs_size + 7) / 8) {
  std::memcpy(words_.data(), data, op->attrs_size);
  for (const SyAttrSpec& a : op->attrs) {
    if (a.type == SY_ATTR_INTS) Own(reinterpret_cast<SyInts*>(&words_[a.offset / 8]));
    if (a.type == SY_ATTR_TEXT) Own(reinterpret_cast<SyText*>(&words_[a.offset / 8]));
  }
}
AttrBlob::AttrBlob(const Op* op) : AttrBlob(op, op->defaults.get()) {}

char* AttrBlob::Find(std::string_view name) {
  for (const SyAttrSpec& a : op_->attrs)
    if (name == a.name) return reinterpret_cast<char*>(&words_[a.offset / 8]);
  assert(false && "no such attribute");
  return nullptr;
}
AttrBlob& AttrBlob::Set(std::string_view name, int64_t value) {
  std::memcpy(Find(name), &value, 8);
  return *this;
}
AttrBlob& AttrBlob::Set(std::string_view name, double value) {
  std::memcpy(Find(name), &value, 8);
  return *this;
}
AttrBlob& AttrBlob::Set(std::string_view name, std::span<const int64_t> value) {
  SyInts list{value.data(), static_cast<int64_t>(value.size())};
  Own(&list);
  if (!list.count) list.data = nullptr;
  std::memcpy(Find(name), &list, sizeof list);
  return *this;
}
AttrBlob& AttrBlob::Set(std::string_view name, std::string_view value) {
  SyText text{value.data(), static_cast<int64_t>(value.size())};
  Own(&text);
  std::memcpy(Find(name), &text, sizeof text);
  return *this;
}

// ---- helpers of rows

bool BroadcastsTo(const SyView& v, const int64_t* dims, int rank) {
  const int lead = rank - v.rank;
  if (lead < 0) return false;
  for (int d = 0; d < v.rank; ++d)
    if (v.shape[d] != 1 && v.shape[d] != dims[lead + d]) return false;
  return true;
}

AxisSlice SliceOf(int64_t size, int64_t start, int64_t end, int64_t step) {
  auto clip = [&](int64_t i, int64_t low, int64_t high) {
    return std::clamp(i < 0 ? i + size : i, low, high);
  };
  if (step > 0) {
    start = clip(start, 0, size);
    end = clip(end, 0, size);
  } else {
    start = start >= size ? size - 1 : clip(start, -1, size - 1);
    end = end < -size ? -1 : clip(end, -1, size - 1);
  }
  // A step beyond the axis is like one just beyond it, and can be negated.
  step = std::clamp(step, -size - 1, size + 1);
  const int64_t distance = step > 0 ? end - start : start - end;
  return {start, distance > 0 ? (distance + std::abs(step) - 1) / std::abs(step) : 0, step};
}

absl::Status InferShapes(InferArgs& a) {
  if (absl::Status s = a.op.spec->infer(a); !s.ok()) return s;
  for (int i = 0; i < a.out_count; ++i)
    if (absl::Status s = CheckShape(a.op.name.c_str(), a.out[i].dims, a.out[i].rank); !s.ok())
      return s;
  return absl::OkStatus();
}

bool HasAttr(const Op& op, std::string_view name) {
  return std::any_of(op.attrs.begin(), op.attrs.end(),
                     [&](const SyAttrSpec& a) { return a.name == name; });
}

absl::Status LikeFirst(InferArgs& a) {
  a.SetLike(0, 0, a.type(0));
  return absl::OkStatus();
}

bool BroadcastWith(const int64_t* shape, int shape_rank, int64_t* dims, int* rank) {
  const int own = *rank, wide = std::max(own, shape_rank);
  for (int d = wide - 1; d >= 0; --d) {  // from the last, so that dims may move back in place
    const int i = d - (wide - own), j = d - (wide - shape_rank);
    const int64_t s = i < 0 ? 1 : dims[i], t = j < 0 ? 1 : shape[j];
    if (s != t && s != 1 && t != 1) return false;
    dims[d] = s == 1 ? t : s;
  }
  *rank = wide;
  return true;
}

absl::Status InferArgs::Error(std::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat(op.name, ": ", absl::string_view(what.data(), what.size())));
}
absl::Status ViewArgs::Error(std::string_view what) const {
  return absl::InvalidArgumentError(
      absl::StrCat(op.name, ": ", absl::string_view(what.data(), what.size())));
}

absl::StatusOr<int> InferArgs::Axis(int64_t dim, int rank) const {
  const int64_t limit = rank ? rank : 1;
  if (dim < -limit || dim >= limit)
    return Error(absl::StrFormat("axis %d of a tensor of rank %d; want %d to %d", dim, rank, -limit,
                                 limit - 1));
  return static_cast<int>(dim < 0 ? dim + limit : dim);
}

Grads NoGradient(const GradArgs&) { return {}; }
Grads AutoGradient(const GradArgs&) { return {}; }

}  // namespace sy
