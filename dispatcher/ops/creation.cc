// Tensors from nothing: constants, ranges, random numbers. Random numbers are Philox-4x32-10
// (Salmon et al. 2011): key = seed, counter = (element block, offset). Element i takes lane i mod 4
// of block i div 4, so the bits depend on nothing but seed, offset and i.
#include "absl/strings/str_cat.h"
#include "dispatcher/dispatch/device.h"
#include "dispatcher/dispatch/launch.h"
#include "dispatcher/dispatch/runtime.h"
#include "dispatcher/ops/op.h"

namespace sy {
namespace {

using X = const Formula&;

absl::Status ShapeFromAttr(InferArgs& a, int fallback_type) {
  const auto shape = a.attrs.List("shape");
  if (absl::Status s =
          CheckShape(a.op.name.c_str(), shape.data(), static_cast<int32_t>(shape.size()));
      !s.ok())
    return s;
  const int type = a.dtype ? TypeOf(a.dtype) : fallback_type;
  if (!type) return a.Error(absl::StrCat(DtypeName(a.dtype), " is not a dtype of this library"));
  a.Set(0, type, shape.data(), static_cast<int>(shape.size()));
  return absl::OkStatus();
}

absl::Status FloatShape(InferArgs& a) {
  if (absl::Status s = ShapeFromAttr(a, SY_T_F32); !s.ok()) return s;
  if (!IsFloat(TypeOf(a.out[0].dtype)))
    return a.Error(absl::StrCat("dtype ", DtypeName(a.out[0].dtype), "; want a floating one"));
  return absl::OkStatus();
}

struct Block4 {
  S lane[4];
};

// Ten rounds over the counter (block low, block high, offset low, offset high).
Block4 Philox(X x, S block) {
  S c0 = CastTo(block, SY_T_U32);
  S c1 = CastTo(Shr(block, x.Const(32, SY_T_I64)), SY_T_U32);
  S c2 = x.attr_low("offset"), c3 = x.attr_high("offset");
  S k0 = x.attr_low("seed"), k1 = x.attr_high("seed");
  const S m0 = x.ConstU32(0xD2511F53), m1 = x.ConstU32(0xCD9E8D57);
  const S w0 = x.ConstU32(0x9E3779B9), w1 = x.ConstU32(0xBB67AE85);
  for (int round = 0; round < 10; ++round) {
    S h0 = MulHi(m0, c0), l0 = m0 * c0, h1 = MulHi(m1, c2), l1 = m1 * c2;
    c0 = Xor(Xor(h1, c1), k0);
    c1 = l1;
    c2 = Xor(Xor(h0, c3), k1);
    c3 = l0;
    k0 = k0 + w0;
    k1 = k1 + w1;
  }
  return {{c0, c1, c2, c3}};
}

S Pick(X x, const Block4& b, S lane) {
  auto is = [&](double i) { return Eq(lane, x.Const(i, SY_T_I64)); };
  return Select(is(0), b.lane[0], Select(is(1), b.lane[1], Select(is(2), b.lane[2], b.lane[3])));
}

S Bits32(X x) {
  S i = x.Linear();
  S block = Shr(i, x.Const(2, SY_T_I64));
  return Pick(x, Philox(x, block), And(i, x.Const(3, SY_T_I64)));
}

// Two 64-bit draws per block.
S Bits64(X x) {
  S i = x.Linear();
  S second = Eq(And(i, x.Const(1, SY_T_I64)), x.Const(1, SY_T_I64));
  Block4 b = Philox(x, Shr(i, x.Const(1, SY_T_I64)));
  S low = CastTo(Select(second, b.lane[2], b.lane[0]), SY_T_U64);
  S high = CastTo(Select(second, b.lane[3], b.lane[1]), SY_T_U64);
  return Or(Shl(high, x.Const(32, SY_T_U64)), low);
}

// Uniform in [0, 1): 24 bits times 2^-24, or 53 times 2^-53; exact everywhere.
S Unit(X x) {
  if (x.type() == SY_T_F64)
    return CastTo(Shr(Bits64(x), x.Const(11, SY_T_U64)), SY_T_F64) * 0x1p-53;
  return CastTo(Shr(Bits32(x), x.ConstU32(8)), SY_T_F32) * 0x1p-24;
}

// Box-Muller on two draws of the same block, cosine for even and sine for odd elements.
S NormalOf(X x) {
  const bool wide = x.type() == SY_T_F64;
  S i = x.Linear();
  S odd = Eq(And(i, x.Const(1, SY_T_I64)), x.Const(1, SY_T_I64));
  S u1 = x.Const(0), u2 = x.Const(0);
  if (wide) {  // one block of four words per pair
    Block4 b = Philox(x, Shr(i, x.Const(1, SY_T_I64)));
    auto join = [&](S high, S low) {
      return CastTo(
                 Shr(Or(Shl(CastTo(high, SY_T_U64), x.Const(32, SY_T_U64)), CastTo(low, SY_T_U64)),
                     x.Const(11, SY_T_U64)),
                 SY_T_F64) *
             0x1p-53;
    };
    u1 = join(b.lane[1], b.lane[0]);
    u2 = join(b.lane[3], b.lane[2]);
  } else {
    Block4 b = Philox(x, Shr(i, x.Const(2, SY_T_I64)));
    S upper = Eq(And(i, x.Const(2, SY_T_I64)), x.Const(2, SY_T_I64));
    auto unit = [&](S bits) { return CastTo(Shr(bits, x.ConstU32(8)), SY_T_F32) * 0x1p-24; };
    u1 = unit(Select(upper, b.lane[2], b.lane[0]));
    u2 = unit(Select(upper, b.lane[3], b.lane[1]));
  }
  S radius = Sqrt(-2 * Log1p(-u1));  // 1 - u1 is in (0, 1]
  S angle = 6.283185307179586 * u2;
  return x.attr("mean") + x.attr("std") * (radius * Select(odd, Sin(angle), Cos(angle)));
}

absl::Status Arange(InferArgs& a) {
  const double start = a.attrs.Float("start"), end = a.attrs.Float("end"),
               step = a.attrs.Float("step");
  if (step == 0 || step != step) return a.Error("step is 0");
  const double n = __builtin_ceil((end - start) / step);
  const int64_t count = n > 0 ? static_cast<int64_t>(n) : 0;
  const bool whole = start == __builtin_trunc(start) && end == __builtin_trunc(end) &&
                     step == __builtin_trunc(step);
  const int type = a.dtype ? TypeOf(a.dtype) : whole ? SY_T_I64 : SY_T_F32;
  if (!type || type == SY_T_BOOL) return a.Error(absl::StrCat(DtypeName(a.dtype), " cannot count"));
  if (count > (int64_t{1} << 40)) return a.Error("too many elements");
  a.Set(0, type, &count, 1);
  return absl::OkStatus();
}

const OpSpec kRows[] = {
    {.name = "arange",
     .doc = "start, start + step, ... below end.",
     .in_min = 0,
     .in_max = 0,
     .attrs = {Float("start", 0), Float("end", 0), Float("step", 1)},
     .dtypes = kNumberTypes,
     .formula = [](X x) -> Results {
       return x.attr("start") + x.attr("step") * CastTo(x.Linear(), x.type());
     },
     .infer = Arange,
     .grad = kNoGrad},
    {.name = "eye",
     .doc = "Ones on the k-th diagonal of an n x m matrix, zeros elsewhere.",
     .in_min = 0,
     .in_max = 0,
     .attrs = {IntRequired("n"), Int("m", -1), Int("k", 0)},
     .formula = [](X x) -> Results {
       return Select(Eq(x.Index(0) + x.attr("k", SY_T_I64), x.Index(1)), x.Const(1), x.Const(0));
     },
     .infer = [](InferArgs& a) -> absl::Status {
       const int64_t n = a.attrs.Int("n"), m = a.attrs.Int("m") < 0 ? n : a.attrs.Int("m");
       if (n < 0) return a.Error("n is negative");
       const int64_t shape[] = {n, m};
       const int type = a.dtype ? TypeOf(a.dtype) : SY_T_F32;
       if (!type)
         return a.Error(absl::StrCat(DtypeName(a.dtype), " is not a dtype of this library"));
       a.Set(0, type, shape, 2);
       return absl::OkStatus();
     },
     .grad = kNoGrad},
    {.name = "full",
     .doc = "Every element is the input, a number or a 0-d tensor.",
     .in_min = 1,
     .in_max = 1,
     .attrs = {IntsRequired("shape")},
     .formula = [](X x) -> Results { return x[0]; },
     .infer = [](InferArgs& a) -> absl::Status {
       if (!a.in[0]->IsNumber() && a.view(0).count != 1)
         return a.Error("the value has more than one element");
       return ShapeFromAttr(a, a.type(0));
     },
     .grad = kNoGrad},
    {.name = "linspace",
     .doc = "steps numbers from start to end, both included; exact at both ends.",
     .in_min = 0,
     .in_max = 0,
     .attrs = {Float("start", 0), Float("end", 1), Int("steps", 100)},
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results {
       S i = CastTo(x.Linear(), x.type()), n = x.attr("steps", x.type());
       S last = Max(n - 1, S(1));
       S step = (x.attr("end") - x.attr("start")) / last;
       return Select(i < 0.5 * last, x.attr("start") + i * step, x.attr("end") - (last - i) * step);
     },
     .infer = [](InferArgs& a) -> absl::Status {
       const int64_t n = a.attrs.Int("steps");
       if (n < 0) return a.Error("steps is negative");
       const int type = a.dtype ? TypeOf(a.dtype) : SY_T_F32;
       if (!IsFloat(type)) return a.Error("want a floating dtype");
       a.Set(0, type, &n, 1);
       return absl::OkStatus();
     },
     .grad = kNoGrad},
    {.name = "normal",
     .doc = "Normally distributed numbers by Box-Muller.",
     .in_min = 0,
     .in_max = 0,
     .attrs = {IntsRequired("shape"), Float("mean", 0), Float("std", 1), Int("seed", 0),
               Int("offset", -1)},
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results { return NormalOf(x); },
     .infer = FloatShape,
     .grad = kNoGrad,
     .random = true},
    {.name = "randint",
     .doc = "Uniform integers in [low, high), from 64-bit draws.",
     .in_min = 0,
     .in_max = 0,
     .attrs = {IntsRequired("shape"), Int("low", 0), IntRequired("high"), Int("seed", 0),
               Int("offset", -1)},
     .dtypes = kIntTypes,
     .formula = [](X x) -> Results {
       S range = x.attr("high", SY_T_U64) - x.attr("low", SY_T_U64);
       return MulHi(Bits64(x), range) + x.attr("low", SY_T_U64);
     },
     .infer = [](InferArgs& a) -> absl::Status {
       if (a.attrs.Int("high") <= a.attrs.Int("low")) return a.Error("high must be above low");
       if (absl::Status s = ShapeFromAttr(a, SY_T_I64); !s.ok()) return s;
       return IsInt(TypeOf(a.out[0].dtype)) ? absl::OkStatus() : a.Error("want an integer dtype");
     },
     .grad = kNoGrad,
     .random = true},
    {.name = "random_bits",
     .doc = "Uniform 32- or 64-bit words (u32 or u64).",
     .in_min = 0,
     .in_max = 0,
     .attrs = {IntsRequired("shape"), Int("seed", 0), Int("offset", -1)},
     .dtypes = SY_T_BIT(SY_T_U32) | SY_T_BIT(SY_T_U64),
     .formula = [](X x) -> Results { return x.type() == SY_T_U64 ? Bits64(x) : Bits32(x); },
     .infer = [](InferArgs& a) -> absl::Status {
       if (absl::Status s = ShapeFromAttr(a, SY_T_U32); !s.ok()) return s;
       const int t = TypeOf(a.out[0].dtype);
       return t == SY_T_U32 || t == SY_T_U64 ? absl::OkStatus() : a.Error("want u32 or u64");
     },
     .grad = kNoGrad,
     .random = true},
    {.name = "randperm",
     .doc = "A random permutation of 0 ... n - 1, by sorting 64-bit keys.",
     .in_min = 0,
     .in_max = 0,
     .attrs = {IntRequired("n"), Int("seed", 0), Int("offset", -1)},
     .composite = [](const OpArgs& a) -> Vals {
       const int64_t n = a.attrs.Int("n");
       if (n < 0) {
         ErrorScope::Fail(absl::InvalidArgumentError("randperm: n is negative"));
         return {Val()};
       }
       int64_t seed = a.attrs.Int("seed"), offset = a.attrs.Int("offset");
       if (offset < 0) {
         const RandomState s = TakeRandom(2 * n);
         seed = static_cast<int64_t>(s.seed);
         offset = static_cast<int64_t>(s.offset);
       }
       AttrBlob attrs(&OpOf<"random_bits">());
       const int64_t shape[] = {n};
       attrs.Set("shape", std::span<const int64_t>(shape)).Set("seed", seed).Set("offset", offset);
       const Val keys = Make(OpOf<"random_bits">(), a.device, SY_T_U64, attrs);
       const Val in[] = {keys};
       Vals sorted = CallMany(OpOf<"sort">(), in, 2);
       return {sorted[1]};
     },
     .grad = kNoGrad},
    {.name = "uniform",
     .doc = "Uniform numbers in [low, high).",
     .in_min = 0,
     .in_max = 0,
     .attrs = {IntsRequired("shape"), Float("low", 0), Float("high", 1), Int("seed", 0),
               Int("offset", -1)},
     .dtypes = kFloatTypes,
     .formula = [](X x) -> Results {
       return x.attr("low") + Unit(x) * (x.attr("high") - x.attr("low"));
     },
     .infer = FloatShape,
     .grad = kNoGrad,
     .random = true},
};

}  // namespace

std::span<const OpSpec> CreationRows() { return kRows; }

}  // namespace sy
