#include "conform/draw.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace sy::conform {
namespace {

constexpr Real kNaN = std::numeric_limits<Real>::quiet_NaN();

// The same numbers on every machine: the standard fixes mt19937_64 but not the distributions.
class Random {
 public:
  explicit Random(const std::string& name) {
    std::seed_seq seed(name.begin(), name.end());
    engine_.seed(seed);
  }
  double Unit() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  int64_t Below(int64_t n) { return static_cast<int64_t>(Unit() * static_cast<double>(n)); }
  int64_t Between(int64_t low, int64_t high) { return low + Below(high - low + 1); }
  uint64_t Bits() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

__int128 TopOf(const DtypeInfo& d) {  // the largest integer and one
  return static_cast<__int128>(1) << (d.bits - (d.is_signed ? 1 : 0));
}

std::vector<Real> Specials(SyDtype dtype) {
  const DtypeInfo& d = Info(dtype);
  std::vector<Real> list;
  if (d.is_float) {
    constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
    const Real tiny = std::ldexp(Real{1}, d.min_exponent), smallest = std::ldexp(tiny, 1 - d.bits),
               eps = std::ldexp(Real{1}, 1 - d.bits);
    for (Real v :
         {Real{0}, Real{1}, kInfinity, d.max, tiny, smallest, 3 * smallest, 1 + eps, 1 - eps / 2,
          0.5L, 1.5L, 2.5L, 2.0L, 3.0L, 3.14159265358979323846L, 1.5707963267948966192L, 0x1.8p31L,
          1e-8L, 1e-20L, 0x1.8p63L, 50.0L, 88.5L, 104.0L, 127.0L, 255.0L, 65504.0L,
          // Just beyond a tie of f16 and of bf16: rounded twice they are ties.
          1 + 0x1p-11L + 0x1p-40L, 1 + 0x1p-8L + 0x1p-40L, 0x1p31L, 0x1p32L, 0x1p63L, 0x1p64L,
          1e30L})
      list.insert(list.end(), {RoundTo(dtype, v), RoundTo(dtype, -v)});
    list.push_back(kNaN);
  } else {
    const __int128 top = TopOf(d);
    for (__int128 v :
         {__int128{0}, __int128{1}, __int128{-1}, __int128{2}, __int128{-2}, __int128{3},
          __int128{7}, __int128{100}, __int128{-100}, top - 1, top - 2, -top, 1 - top, top / 2})
      list.push_back(Wrap(dtype, v));
  }
  return list;
}

// Draws the elements of one array in C order.
class Drawer {
 public:
  Drawer(SyDtype dtype, const Shape& shape, const std::string& seed)
      : type_(dtype),
        d_(Info(dtype)),
        random_(seed),
        array_(dtype, shape),
        row_(shape.empty() ? 1 : std::max<int64_t>(shape.back(), 1)) {
    order_.resize(array_.at.size());
    for (size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<int64_t>(i);
    for (size_t i = order_.size(); i > 1; --i)
      std::swap(order_[i - 1], order_[static_cast<size_t>(random_.Below(static_cast<int64_t>(i)))]);
  }

  Array Fill(conform::Fill fill, double low, double high, bool first) {
    const std::vector<Real> specials = Specials(type_);
    for (size_t i = 0; i < array_.at.size(); ++i)
      array_.at[i] = One(fill, low, high, first, static_cast<int64_t>(i), specials);
    return std::move(array_);
  }
  Array Every(uint32_t part) {
    uint64_t pattern = array_.at.size() * part;
    for (Real& x : array_.at) x = Pattern(pattern++);
    return std::move(array_);
  }

 private:
  Real Whole(__int128 v) const {
    return d_.is_float ? RoundTo(type_, static_cast<Real>(v)) : Wrap(type_, v);
  }
  Real Uniform(double low, double high) {
    const double u = low + random_.Unit() * (high - low);
    if (d_.is_float) return RoundTo(type_, u);
    if (type_ == SY_BOOL) return Real(u > (low + high) / 2);
    return Wrap(type_, static_cast<__int128>(std::rint(d_.is_signed ? 8 * u : std::fabs(8 * u))));
  }
  Real End(bool highest) const {
    constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
    if (d_.is_float) return highest ? kInfinity : -kInfinity;
    return Wrap(type_, highest ? TopOf(d_) - 1 : d_.is_signed ? -TopOf(d_) : __int128{0});
  }
  // Every digit of the significand counts.
  Real Full() {
    return RoundTo(type_, (1 + random_.Unit()) * (random_.Bits() & 1 ? Real{-1} : Real{1}));
  }

  Real One(conform::Fill fill, double low, double high, bool first, int64_t i,
           const std::vector<Real>& specials) {
    switch (fill) {
      case Fill::kRange:
        return Uniform(low, high);
      case Fill::kSpecial:
        return specials[static_cast<size_t>(i) % specials.size()];
      case Fill::kDistinct:
        return d_.is_float ? static_cast<Real>(order_[static_cast<size_t>(i)]) / 4 - 9
                           : Wrap(type_, order_[static_cast<size_t>(i)]);
      case Fill::kTied: {
        constexpr Real kValues[] = {-1, 0.5, 2, 0, 0.5, 2, -1, 3};
        const Real v = kValues[random_.Below(8)];
        if (d_.is_float) return random_.Below(16) == 0 ? kNaN : v;
        return Wrap(type_, static_cast<__int128>(d_.is_signed ? std::rint(v) : std::fabs(v)));
      }
      case Fill::kIndex:
        return Whole(random_.Between(static_cast<int64_t>(low), static_cast<int64_t>(high)));
      case Fill::kPermuted:
        return static_cast<Real>(order_[static_cast<size_t>(i)]);
      case Fill::kRamp:  // as far as the dtype counts
        return Whole(i % (d_.is_float ? int64_t{1} << std::min(d_.bits, 52)
                                      : static_cast<int64_t>(std::min<__int128>(
                                            TopOf(d_) - 1, std::numeric_limits<int64_t>::max()))));
      case Fill::kZeros:
        return d_.is_float && i % 3 == 1 ? -Real{0} : Real{0};
      case Fill::kOnes:
        return 1;
      case Fill::kLowest:
      case Fill::kHighest:
        return End(fill == Fill::kHighest);
      case Fill::kNaN:
        return kNaN;
      case Fill::kOneHot:
        if (!first) return Full();
        if (i % row_ == 0) hot_ = i + random_.Below(row_);
        return i == hot_;
      case Fill::kSmallInt:
        return Whole(random_.Between(d_.is_signed ? -3 : 0, 12));
      case Fill::kAnySpecial:
        return specials[static_cast<size_t>(random_.Below(static_cast<int64_t>(specials.size())))];
      case Fill::kEvery:
        return Pattern(static_cast<uint64_t>(i));
      case Fill::kBits:
        return Pattern(random_.Bits());
      case Fill::kLogUniform: {
        const int64_t e = random_.Between(d_.min_exponent - 2, -d_.min_exponent);
        return RoundTo(type_, std::ldexp(Full(), static_cast<int>(e)));
      }
      case Fill::kCancel:
        // Each odd element takes back what the one before brought, but for its last digits, and one
        // pair is large.
        if (i % 2 == 0 || i % row_ == 0)
          return last_ = RoundTo(
                     type_, Full() * (i % row_ == 0 ? std::ldexp(Real{1}, d_.bits - 2) : Real{1}));
        return RoundTo(type_, -last_ * (1 + random_.Unit() * std::ldexp(Real{1}, 3 - d_.bits)));
      case Fill::kOffset:
        return RoundTo(type_, std::ldexp(Real{1}, d_.bits / 2) + random_.Unit() * 2 - 1);
    }
    return kNaN;
  }
  Real Pattern(uint64_t bits) const {
    const uint64_t mask = d_.size == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * d_.size)) - 1;
    return d_.is_float ? DecodeFloat(d_.type, bits & mask)
                       : Wrap(type_, static_cast<__int128>(bits));
  }

  const SyDtype type_;
  const DtypeInfo& d_;
  Random random_;
  Array array_;
  const int64_t row_;
  std::vector<int64_t> order_;
  int64_t hot_ = 0;
  Real last_ = 1;
};

}  // namespace

// Whether another fill may take the place of the input's own.
static bool IsFree(const Input& in) {
  return !in.dtype && (in.fill == Fill::kRange || in.fill == Fill::kTied);
}

Inputs Draw(const Case& c, SyDtype dtype, Fill fill, uint64_t seed, uint32_t part) {
  Inputs arrays;
  bool first = true;
  for (size_t i = 0; i < c.inputs.size(); ++i) {
    const Input& in = c.inputs[i];
    const std::string name = c.op + c.Label() + Info(dtype).name + Name(fill) + std::to_string(i) +
                             (seed ? std::to_string(seed) : "");
    const bool free = IsFree(in);
    Drawer drawer(in.dtype ? in.dtype : dtype, in.shape, name);
    arrays.push_back(
        in.fill == Fill::kEvery
            ? drawer.Every(part)
            : drawer.Fill(free && fill != Fill::kRange ? fill : in.fill, in.low, in.high, first));
    first = first && !free;
  }
  return arrays;
}

std::vector<Fill> FillsOf(const Case& c, SyDtype dtype) {
  if (std::none_of(c.inputs.begin(), c.inputs.end(),
                   [](const Input& i) { return IsFree(i) && Count(i.shape) > 0; }))
    return {};
  if (IsFloat(dtype) && c.tame) return {Fill::kRamp, Fill::kOnes, Fill::kSmallInt, Fill::kOffset};
  if (IsFloat(dtype))
    return {Fill::kRamp,       Fill::kZeros,  Fill::kOnes,       Fill::kOneHot, Fill::kSmallInt,
            Fill::kAnySpecial, Fill::kBits,   Fill::kLogUniform, Fill::kCancel, Fill::kOffset,
            Fill::kTied,       Fill::kLowest, Fill::kHighest,    Fill::kNaN};
  if (dtype == SY_BOOL) return {Fill::kZeros, Fill::kOnes};
  return {Fill::kRamp, Fill::kZeros, Fill::kOnes,   Fill::kAnySpecial,
          Fill::kBits, Fill::kTied,  Fill::kLowest, Fill::kHighest};
}

Array DrawOne(SyDtype dtype, const Shape& shape, Fill fill, const std::string& seed) {
  return Drawer(dtype, shape, seed).Fill(fill, -2, 2, false);
}

}  // namespace sy::conform
