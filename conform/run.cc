#include "conform/run.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <random>

#include "switchyard/switchyard.h"

namespace sy::conform {
namespace {

// ---- drawing

// The same numbers on every machine: the standard fixes mt19937_64 but not the distributions.
class Random {
 public:
  explicit Random(const std::string& name) {
    std::seed_seq seed(name.begin(), name.end());
    engine_.seed(seed);
  }
  double Unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  int64_t Below(int64_t n) { return static_cast<int64_t>(Unit() * static_cast<double>(n)); }

 private:
  std::mt19937_64 engine_;
};

std::vector<Real> Specials(SyDtype dtype) {
  const DtypeInfo& d = Info(dtype);
  std::vector<Real> list;
  if (d.is_float) {
    constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
    const Real tiny = std::ldexp(Real{1}, d.min_exponent), smallest = std::ldexp(tiny, 1 - d.bits),
               eps = std::ldexp(Real{1}, 1 - d.bits);
    for (Real v : {Real{0},
                   Real{1},
                   kInfinity,
                   d.max,
                   tiny,
                   smallest,
                   3 * smallest,
                   1 + eps,
                   1 - eps / 2,
                   0.5L,
                   1.5L,
                   2.5L,
                   2.0L,
                   3.0L,
                   3.14159265358979323846L,
                   1.5707963267948966192L,
                   1e-3L,
                   1e-8L,
                   1e-20L,
                   10.0L,
                   50.0L,
                   88.5L,
                   104.0L,
                   127.0L,
                   255.0L,
                   65504.0L,
                   0x1p31L,
                   0x1p32L,
                   0x1p63L,
                   0x1p64L,
                   1e30L})
      list.insert(list.end(), {RoundTo(dtype, v), RoundTo(dtype, -v)});
    list.push_back(std::numeric_limits<Real>::quiet_NaN());
  } else {
    const __int128 top = static_cast<__int128>(1) << (d.bits - (d.is_signed ? 1 : 0));
    for (__int128 v :
         {__int128{0}, __int128{1}, __int128{-1}, __int128{2}, __int128{-2}, __int128{3},
          __int128{7}, __int128{100}, __int128{-100}, top - 1, top - 2, -top, 1 - top, top / 2})
      list.push_back(Wrap(dtype, v));
  }
  return list;
}

Array Draw(const Input& input, SyDtype dtype, Random* random) {
  const SyDtype type = input.dtype ? input.dtype : dtype;
  const DtypeInfo& d = Info(type);
  Array a(type, input.shape);
  const std::vector<Real> specials = Specials(type);
  std::vector<int64_t> order(a.at.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  for (size_t i = order.size(); i > 1; --i)
    std::swap(order[i - 1], order[static_cast<size_t>(random->Below(static_cast<int64_t>(i)))]);
  for (size_t i = 0; i < a.at.size(); ++i) {
    Real v = 0;
    switch (input.fill) {
      case Fill::kRange: {
        const double u = input.low + random->Unit() * (input.high - input.low);
        v = d.is_float ? RoundTo(type, u)
            : type == SY_BOOL
                ? Real(u > (input.low + input.high) / 2)
                : Wrap(type,
                       static_cast<__int128>(std::rint(d.is_signed ? 8 * u : std::fabs(8 * u))));
        break;
      }
      case Fill::kSpecial:
        v = specials[i % specials.size()];
        break;
      case Fill::kDistinct:
        v = d.is_float ? static_cast<Real>(order[i]) / 4 - 9 : Wrap(type, order[i]);
        break;
      case Fill::kTied: {
        constexpr Real kValues[] = {-1, 0.5, 2, 0, 0.5, 2, -1, 3};
        v = kValues[random->Below(8)];
        if (d.is_float && random->Below(16) == 0) v = std::numeric_limits<Real>::quiet_NaN();
        if (!d.is_float)
          v = Wrap(type, d.is_signed ? static_cast<__int128>(std::rint(v))
                                     : static_cast<__int128>(std::fabs(v)));
        break;
      }
      case Fill::kIndex: {
        const auto low = static_cast<int64_t>(input.low), high = static_cast<int64_t>(input.high);
        v = d.is_float ? static_cast<Real>(low + random->Below(high - low + 1))
                       : Wrap(type, low + random->Below(high - low + 1));
        break;
      }
      case Fill::kPermuted:
        v = static_cast<Real>(order[i]);
        break;
    }
    a.at[i] = v;
  }
  return a;
}

// ---- laying out

Tensor Upload(const Array& a, const char* device) {
  const std::vector<unsigned char> bytes = Encode(a);
  SyTensor* out = nullptr;
  detail::Check(sy_tensor_from_host(bytes.data(), a.shape.data(), static_cast<int32_t>(a.rank()),
                                    a.dtype, device, &out));
  return Tensor::take(out);
}

// The first axis along which a broadcast repeats something; -1: none.
int64_t BroadcastAxis(const Shape& shape) {
  const auto at = std::find_if(shape.begin(), shape.end(), [](int64_t s) { return s > 1; });
  return at == shape.end() ? -1 : at - shape.begin();
}

// A tensor that holds `a` in this layout. kBroadcast changes `a`: it repeats its first part.
Tensor Place(Array* a, Layout layout, const char* device) {
  const int64_t rank = a->rank();
  if (layout == Layout::kTransposed && rank > 1) {
    Shape reversed(a->shape.rbegin(), a->shape.rend()), order;
    for (int64_t d = rank; d-- > 0;) order.push_back(d);
    const Array stored =
        Make(a->dtype, reversed, [&](const Shape& i) { return (*a)[Shape(i.rbegin(), i.rend())]; });
    return permute(Upload(stored, device), order);
  }
  if (layout == Layout::kSliced) {
    Shape larger;
    for (int64_t s : a->shape) larger.push_back(2 * s + 1);
    if (rank == 0) larger = {3};
    // What lies between must not be read: NaN, or the largest integer.
    const Real other =
        IsFloat(a->dtype)
            ? std::numeric_limits<Real>::quiet_NaN()
            : Wrap(a->dtype,
                   (__int128{1} << (Info(a->dtype).bits - (Info(a->dtype).is_signed ? 1 : 0))) - 1);
    const Array stored = Make(a->dtype, larger, [&](Shape i) {
      if (rank == 0) return i[0] == 1 ? a->at[0] : other;
      for (int64_t& at : i) {
        if (at % 2 == 0) return other;
        at /= 2;
      }
      return (*a)[i];
    });
    Tensor t = Upload(stored, device);
    if (rank == 0) return select(t, 0, 1);
    for (int64_t d = 0; d < rank; ++d) t = slice(t, {.dim = d, .start = 1, .step = 2});
    return t;
  }
  if (layout == Layout::kFlipped && rank > 0) {
    Shape all;
    for (int64_t d = 0; d < rank; ++d) all.push_back(d);
    const Array stored = Make(a->dtype, a->shape, [&](Shape i) {
      for (size_t d = 0; d < i.size(); ++d) i[d] = a->shape[d] - 1 - i[d];
      return (*a)[i];
    });
    return flip(Upload(stored, device), all);
  }
  if (const int64_t axis = BroadcastAxis(a->shape);
      layout == Layout::kBroadcast && axis >= 0 && a->count()) {
    Shape thin = a->shape;
    thin[static_cast<size_t>(axis)] = 1;
    const Array stored = Make(a->dtype, thin, [&](const Shape& i) { return (*a)[i]; });
    *a = Make(a->dtype, a->shape, [&](const Shape& i) { return stored.Broadcast(i); });
    return expand(Upload(stored, device), a->shape);
  }
  return Upload(*a, device);
}

// ---- calling

// An attribute struct as the op's specs lay it out, starting from their defaults.
class Packed {
 public:
  Packed(const SyOpInfo& info, const Attrs& attrs) : bytes_(info.attrs_size) {
    for (int32_t i = 0; i < info.attr_count; ++i) {
      const auto& spec = *SY_AT(SyAttrSpec, info.attrs, info.attr_size, i);
      const auto at = std::find_if(attrs.begin(), attrs.end(),
                                   [&](const Attr& a) { return !std::strcmp(a.name, spec.name); });
      Put(spec, at == attrs.end() ? nullptr : &at->value);
      found_ += at != attrs.end();
    }
    if (found_ != attrs.size())
      throw Error(SY_INTERNAL,
                  std::string(info.name) + ": the case names an attribute that the op lacks");
  }
  const void* data() const { return bytes_.empty() ? nullptr : bytes_.data(); }
  size_t size() const { return bytes_.size(); }

 private:
  void Put(const SyAttrSpec& spec, const AttrValue* v) {
    unsigned char* to = &bytes_[spec.offset];
    if (spec.type == SY_ATTR_FLOAT) {
      const double value = !v ? spec.default_float : v->real;
      std::memcpy(to, &value, sizeof value);
    } else if (spec.type == SY_ATTR_INTS) {
      lists_.push_back(std::make_unique<Shape>(v ? v->list : Parse(spec.default_text)));
      const SyInts value{lists_.back()->data(), static_cast<int64_t>(lists_.back()->size())};
      std::memcpy(to, &value, sizeof value);
    } else if (spec.type == SY_ATTR_TEXT) {
      const std::string_view text = v                   ? std::string_view(v->text)
                                    : spec.default_text ? spec.default_text
                                                        : "";
      const SyText value{text.data(), static_cast<int64_t>(text.size())};
      std::memcpy(to, &value, sizeof value);
    } else {
      const int64_t value = v ? v->whole : spec.default_int;
      std::memcpy(to, &value, sizeof value);
    }
  }
  static Shape Parse(const char* text) {  // "1,1"
    Shape list;
    for (const char* p = text ? text : ""; *p; p += *p == ',') {
      char* end = nullptr;
      list.push_back(std::strtoll(p, &end, 10));
      p = end;
    }
    return list;
  }
  std::vector<unsigned char> bytes_;
  std::vector<std::unique_ptr<Shape>> lists_;
  size_t found_ = 0;
};

std::vector<Tensor> Call(const Case& c, SyDtype dtype, const std::vector<Tensor>& inputs,
                         size_t results, const SyDevice* device) {
  const int32_t op = detail::FindOp(c.op.c_str());
  SyOpInfo info{};
  info.size = sizeof info;
  detail::Check(sy_op_info(op, &info));
  const Packed attrs(info, c.attrs);
  const std::vector<SyTensor*> in = detail::Handles(inputs);
  std::vector<SyTensor*> out(info.out_count < 0 ? results : static_cast<size_t>(info.out_count),
                             nullptr);
  SyRun run = detail::MakeRun(op, in.data(), static_cast<int32_t>(in.size()), attrs.data(),
                              attrs.size(), out.data(), static_cast<int32_t>(out.size()));
  run.device = device;
  if (in.empty()) run.dtype = dtype;
  detail::Check(sy_run(&run));
  std::vector<Tensor> tensors;
  for (SyTensor* t : out) tensors.push_back(Tensor::take(t));
  return tensors;
}

using Bytes = std::vector<unsigned char>;
Bytes Download(const Tensor& t) {
  Bytes bytes(static_cast<size_t>(t.numel() * SY_DTYPE_BYTES(t.dtype().code)));
  detail::Check(sy_tensor_read(t.handle(), bytes.data(), static_cast<int64_t>(bytes.size())));
  return bytes;
}

// ---- judging

std::string Number(Real v) {
  char text[48];
  std::snprintf(text, sizeof text, "%.9Lg", v);
  return text;
}

// The error allowed at a result `want`.
Real Allowed(const Case& c, SyDtype dtype, Real want, Real scale) {
  const Real size = std::max(std::fabs(want), scale);
  if (c.limit.ulps == 0) return 0;
  const bool narrow = dtype == SY_F16 || dtype == SY_BF16;
  if (!narrow || !c.limit.rounds_once) return static_cast<Real>(c.limit.ulps) * Ulp(dtype, size);
  return Ulp(dtype, want) / 2 + static_cast<Real>(c.limit.ulps) * Ulp(SY_F32, size);
}

bool Right(const Case& c, SyDtype dtype, Real got, Real want, Real scale) {
  if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want);
  const Real rounded = RoundTo(dtype, want);
  if (got == rounded)
    return c.limit.free_zero || got != 0 || std::signbit(got) == std::signbit(rounded);
  if (!IsFloat(dtype) || std::isinf(want)) return false;
  // Next to the largest number the neighbour is infinity, and stands for the power of two it would
  // be.
  if (std::isinf(got)) got = std::copysign(Info(dtype).max + Ulp(dtype, Info(dtype).max), got);
  return std::fabs(got - want) <= Allowed(c, dtype, want, scale);
}

// Empty if right; else the first wrong element.
std::string Judge(const Case& c, const Array& got, const Array& want) {
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < want.at.size(); ++i)
    if (!Right(c, want.dtype, got.at[i], want.at[i], want.scale.empty() ? 0 : want.scale[i]))
      first = wrong++ ? first : i;
  if (!wrong) return "";
  Shape index(want.shape.size());
  for (size_t d = index.size(), left = first; d-- > 0; left /= static_cast<size_t>(want.shape[d]))
    index[d] = static_cast<int64_t>(left % static_cast<size_t>(want.shape[d]));
  const Real w = want.at[first], g = got.at[first];
  std::string text = std::to_string(wrong) + " of " + std::to_string(want.at.size()) +
                     " wrong, first at " + Text(index) + ": got " + Number(g) + ", want " +
                     Number(w);
  if (IsFloat(want.dtype) && std::isfinite(g) && std::isfinite(w) && g != w)
    text += " (off " + Number(std::fabs(g - w)) + ", allowed " +
            Number(Allowed(c, want.dtype, w, want.scale.empty() ? 0 : want.scale[first])) + ")";
  return text;
}

uint64_t Digest(uint64_t digest, const Bytes& bytes) {  // FNV-1a
  for (unsigned char b : bytes) digest = (digest ^ b) * 0x100000001b3;
  return digest;
}

Outcome Failed(std::string detail) { return {State::kFailed, std::move(detail)}; }

}  // namespace

const char* Name(Layout layout) {
  switch (layout) {
    case Layout::kContiguous:
      return "contiguous";
    case Layout::kTransposed:
      return "transposed";
    case Layout::kSliced:
      return "sliced";
    case Layout::kFlipped:
      return "flipped";
    case Layout::kBroadcast:
      return "broadcast";
    case Layout::kMixed:
      return "mixed";
  }
  return "?";
}

std::vector<Layout> LayoutsOf(const Case& c) {
  if (c.inputs.empty() || c.large || c.dense_only) return {Layout::kContiguous};
  auto any = [&](auto wanted) {
    return std::any_of(c.inputs.begin(), c.inputs.end(),
                       [&](const Input& i) { return wanted(i.shape); });
  };
  std::vector<Layout> list{Layout::kContiguous, Layout::kSliced};
  if (any([](const Shape& s) { return s.size() > 1; })) list.push_back(Layout::kTransposed);
  if (any([](const Shape& s) { return Count(s) > 1; }))
    list.insert(list.end(), {Layout::kFlipped, Layout::kBroadcast});
  if (c.inputs.size() > 1) list.push_back(Layout::kMixed);
  return list;
}

bool Within(const Case& c, SyDtype dtype, uint64_t set) {
  auto has = [&](SyDtype d) { return (set >> Info(d ? d : dtype).type & 1) != 0; };
  for (const Input& i : c.inputs)
    if (!has(i.dtype)) return false;
  for (const Attr& a : c.attrs)
    if (a.name == std::string("dtype") && !has(static_cast<SyDtype>(a.value.whole))) return false;
  return has(dtype);
}

namespace {
Inputs DrawAll(const Case& c, SyDtype dtype) {
  Inputs arrays;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    Random random(c.Label() + Info(dtype).name + std::to_string(i));
    arrays.push_back(Draw(c.inputs[i], dtype, &random));
  }
  return arrays;
}
}  // namespace

std::vector<Tensor> Call(const Case& c, SyDtype dtype, size_t results, const SyDevice* device) {
  std::vector<Tensor> tensors;
  for (const Array& a : DrawAll(c, dtype)) tensors.push_back(Upload(a, sy_device_name(device)));
  return Call(c, dtype, tensors, results, device);
}

size_t CountResults(const Case& c, SyDtype dtype) {
  return c.reference(DrawAll(c, dtype), dtype).size();
}

namespace {

// Bounds for the results of a case with these inputs.
std::vector<Bounds> BoundsOf(const Case& c, SyDtype dtype, const Inputs& arrays, size_t results,
                             const SyDevice* oracle) {
  std::vector<Tensor> tensors;
  for (const Array& a : arrays) tensors.push_back(Upload(a, sy_device_name(oracle)));
  std::vector<Bounds> bounds;
  for (const Tensor& t : Call(c, dtype, tensors, results, oracle))
    bounds.push_back(ReadBounds(t.to(sy_device_name(oracle))));  // to_device gives another's
  return bounds;
}

bool IsComposite(const Case& c, SyDtype dtype, const SyDevice* device) {
  char route[64];
  const SyDtype type = c.inputs.empty() || !c.inputs[0].dtype ? dtype : c.inputs[0].dtype;
  sy_op_route(detail::FindOp(c.op.c_str()), device, type, route, sizeof route);
  return !std::strcmp(route, "composite");
}

}  // namespace

Outcome Run(const Case& c, SyDtype dtype, Layout layout, const SyDevice* device,
            const Oracle* oracle) try {
  const char* where = sy_device_name(device);
  Inputs arrays = DrawAll(c, dtype);
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Layout own = layout != Layout::kMixed
                           ? layout
                           : static_cast<Layout>((i + 1) % static_cast<size_t>(Layout::kMixed));
    tensors.push_back(Place(&arrays[i], own, where));
  }
  const std::vector<Array> want = c.reference(arrays, dtype);
  const std::vector<Tensor> got = Call(c, dtype, tensors, want.size(), device);
  if (got.size() != want.size())
    return Failed(std::to_string(got.size()) + " outputs, want " + std::to_string(want.size()));
  Outcome outcome;
  outcome.digest = 0xcbf29ce484222325;
  std::vector<Bytes> results;
  for (size_t k = 0; k < got.size(); ++k) {
    const std::string which = got.size() > 1 ? "output " + std::to_string(k) + ": " : "";
    if (got[k].dtype().code != want[k].dtype || got[k].shape() != want[k].shape ||
        got[k].device().handle() != device)
      return Failed(which + "got " + got[k].describe() + ", want " + Info(want[k].dtype).name +
                    Text(want[k].shape) + "@" + where);
    results.push_back(Download(got[k]));
    const std::string wrong =
        Judge(c, Decode(want[k].dtype, want[k].shape, results[k].data()), want[k]);
    if (!wrong.empty()) return Failed(which + wrong);
    outcome.digest = Digest(outcome.digest, results[k]);
  }
  if (oracle) {
    const bool composite = IsComposite(c, dtype, oracle->rounded);
    const std::vector<Bounds> free = BoundsOf(c, dtype, arrays, want.size(), oracle->unrounded);
    const std::vector<Bounds> bounds =
        composite ? free : BoundsOf(c, dtype, arrays, want.size(), oracle->rounded);
    for (size_t k = 0; k < got.size(); ++k) {
      const Array result = Decode(want[k].dtype, want[k].shape, results[k].data());
      const Verdict defined = JudgeDefinition(want[k], free[k]), verdict = Judge(result, bounds[k]);
      if (defined.wrong)
        return Failed("the op's formula is not its definition: " + Text(defined, want[k], free[k]));
      if (verdict.wrong)
        return Failed("outside the oracle's bounds: " + Text(verdict, result, bounds[k]));
      outcome.unknown += verdict.unknown;
      outcome.elements += result.at.size();
      outcome.worst = std::max(outcome.worst, verdict.worst);
    }
  }
  const std::vector<Tensor> again = Call(c, dtype, tensors, want.size(), device);
  for (size_t k = 0; k < again.size(); ++k)
    if (Download(again[k]) != results[k]) return Failed("other bits when run again");
  for (size_t i = 0; i < tensors.size(); ++i)
    if (Download(tensors[i]) != Encode(arrays[i]))
      return Failed("input " + std::to_string(i) + " was changed");
  return outcome;
} catch (const Error& e) {
  return {e.code() == SY_UNIMPLEMENTED ? State::kRefused : State::kFailed, e.what()};
}

}  // namespace sy::conform
