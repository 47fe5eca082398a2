#include "conform/oracle/fold.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sy::conform {
namespace {

constexpr double kOwn = 0x1p-62;

bool IsMaximum(int combiner) { return combiner == SY_COMBINE_MAX || combiner == SY_COMBINE_ARGMAX; }

// What a fold starts from.
Value Identity(int combiner, int type) {
  const bool high = combiner == SY_COMBINE_MIN || combiner == SY_COMBINE_ARGMIN;
  if (IsFloatType(type)) {
    constexpr Real kInfinity = std::numeric_limits<Real>::infinity();
    return Value::Float(high ? kInfinity : -kInfinity);
  }
  const bool is_signed = type >= SY_T_I8 && type <= SY_T_I64;
  const int width = type == SY_T_BOOL ? 1 : 8 * SizeOf(type);
  const uint64_t ones = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  const uint64_t top = uint64_t{1} << (width - 1);
  return Value::Integer(WrapTo(
      type, static_cast<int64_t>(is_signed ? (high ? ones & ~top : top) : (high ? ones : 0))));
}

}  // namespace

void Sum::Term(Real v, double e, int low) {
  ++n_;
  v_ += v;
  e_ += e;
  if (!std::isfinite(v)) return;
  if (v != 0) {
    ++nonzero_;
    low_ = std::min(low_, low);
    size_ += std::fabs(v);
    (v > 0 ? positive_ : negative_) = true;
  }
}

void Sum::Add(const Value& x) {
  unknown_ = unknown_ || !x.known();
  if (unknown_) return;
  const bool counts = x.v != 0 && std::isfinite(x.v);
  if (counts) last_a_ = x.v, last_b_ = 1;
  Term(x.v, x.exact_but_sign() ? 0 : x.e, counts ? LowestBit(x.v) : 0);
}

void Sum::AddProduct(const Value& a, const Value& b) {
  unknown_ = unknown_ || !a.known() || !b.known();
  if (unknown_) return;
  const Real v = a.v * b.v;
  double e = 0;
  if (!a.exact_but_sign() || !b.exact_but_sign()) {
    if (!std::isfinite(v)) {
      unknown_ = true;
      return;
    }
    const auto x = static_cast<double>(std::fabs(a.v)), y = static_cast<double>(std::fabs(b.v));
    e = (x * b.e + y * a.e + a.e * b.e) * (1 + 0x1p-50);
  }
  products_ = true;
  const bool counts = v != 0 && std::isfinite(v);
  if (counts) last_a_ = a.v, last_b_ = b.v;
  Term(v, e, counts ? LowestBit(a.v) + LowestBit(b.v) : 0);
}

Value Sum::Result(const Arithmetic& arithmetic) const {
  if (unknown_) return Value::Unknown();
  const Format& f = FormatOf(type_);
  // Partial sums may overflow in one order and not in another.
  if (size_ + e_ >= f.overflow) {
    if (std::isnan(v_)) return arithmetic.Settle(type_, v_, 0);
    const bool one_sign = v_ > 0 ? !negative_ : v_ < 0 && !positive_;  // nothing pulls back
    return one_sign && size_ - e_ >= f.overflow * (1 + 0x1p-20L)
               ? arithmetic.Settle(type_, v_ * std::numeric_limits<Real>::infinity(), 0)
               : Value::Unknown();
  }
  if (!std::isfinite(v_)) return arithmetic.Settle(type_, v_, 0);
  if (e_ == 0) {
    if (nonzero_ == 0) return Value::Zero();
    // Every partial sum is a multiple of the lowest bit, and below 2^digits of them.
    const int reach = std::ilogb(size_) + (size_ == std::ldexp(Real{1}, std::ilogb(size_)) ? 0 : 1);
    if (reach - low_ <= f.digits && low_ >= f.min_exponent - (f.digits - 1))
      return v_ == 0 ? Value::Zero() : arithmetic.Settle(type_, v_, 0);
    if (nonzero_ == 1)
      return arithmetic.Exactly(type_, v_,
                                type_ == SY_T_F64 ? static_cast<Real>(static_cast<double>(last_a_) *
                                                                      static_cast<double>(last_b_))
                                                  : RoundToType(type_, v_));
  }
  const auto n = static_cast<double>(nonzero_ + (e_ > 0 ? n_ - nonzero_ : 0));
  const double any_order = products_ ? n : std::max(n - 1, 0.0);
  const double roundings = sequential_ ? any_order : std::min(any_order, 4 * std::sqrt(n) + 8);
  const double reach = static_cast<double>(size_) + e_;
  return arithmetic.Settle(type_, v_,
                           e_ + (roundings * Arithmetic::UnitOf(type_) + n * kOwn) * reach +
                               (products_ ? n * static_cast<double>(f.least) : 0));
}

void Product::Multiply(const Value& x) {
  unknown_ = unknown_ || !x.known();
  if (unknown_) return;
  ++n_;
  v_ *= x.v;
  if (!std::isfinite(x.v)) return;
  const Real size = std::fabs(x.v);
  high_ *= size + x.e;
  inexact_ = inexact_ || !x.exact();
  if (size != 0) {
    digits_ += std::ilogb(size) - LowestBit(size) + 1;
    smallest_ *= std::min(Real{1}, size);
  }
  largest_ *= std::max(Real{1}, size + x.e);
}

Value Product::Result(const Arithmetic& arithmetic) const {
  if (unknown_) return Value::Unknown();
  const Format& f = FormatOf(type_);
  if (n_ <= 1)
    return arithmetic.Settle(
        type_, v_, inexact_ ? static_cast<double>(high_ - std::fabs(v_)) * (1 + 0x1p-50) : 0);
  if (!std::isfinite(v_) && !inexact_ && largest_ < f.overflow && smallest_ >= f.tiny)
    return arithmetic.Settle(type_, v_, 0);
  if (largest_ >= f.overflow || !std::isfinite(v_)) {
    // All at least 1: whatever the order, it grows over the edge.
    const bool grows = !inexact_ && smallest_ == 1 && v_ != 0 && !std::isnan(v_) &&
                       std::fabs(v_) >= f.overflow * (1 + 0x1p-20L);
    return grows ? arithmetic.Settle(type_, v_ * std::numeric_limits<Real>::infinity(), 0)
                 : Value::Unknown();
  }
  if (!inexact_ && (v_ == 0 || (digits_ <= f.digits && smallest_ >= f.tiny)))
    return arithmetic.Settle(type_, v_, 0);
  const auto n = static_cast<double>(n_), high = static_cast<double>(high_);
  const double inherited = high - static_cast<double>(std::fabs(v_));
  return arithmetic.Settle(type_, v_,
                           inherited * (1 + 0x1p-40) +
                               n * (Arithmetic::UnitOf(type_) + kOwn) * high +
                               n * static_cast<double>(f.least * largest_));
}

Fold::Fold(const Arithmetic* arithmetic, int combiner, int type, bool sequential)
    : arithmetic_(arithmetic),
      combiner_(combiner),
      type_(type),
      sum_(type, sequential),
      product_(type) {
  if (combiner == SY_COMBINE_SUM || combiner == SY_COMBINE_OR)
    best_ = Value::Integer(0);
  else if (combiner == SY_COMBINE_PROD || combiner == SY_COMBINE_AND)
    best_ = Value::Integer(1);
  else
    best_ = Identity(combiner, type);
}

void Fold::AddExtreme(const Value& x, int64_t position) {
  if (!best_.known()) return;
  if (!x.known()) {
    best_ = x;
    position_known_ = false;
    return;
  }
  const bool maximum = IsMaximum(combiner_);
  if (n_ == 1) {
    best_ = x;
    position_ = position;
    return;
  }
  if (IsFloatType(type_)) {
    if (std::isnan(best_.v)) return;
    if (std::isnan(x.v)) {
      best_ = x;
      position_ = position;
      position_known_ = true;
      return;
    }
  }
  // Does x beat the best so far? The first wins among equals.
  const Value beats = maximum ? arithmetic_->Run(SY_OP_LT, SY_T_BOOL, type_, best_, x, Value())
                              : arithmetic_->Run(SY_OP_LT, SY_T_BOOL, type_, x, best_, Value());
  if (!beats.known()) position_known_ = false;
  if (beats.known() && beats.i) {
    position_ = position;
    position_known_ = true;
  }
  const bool zeros = IsFloatType(type_) && best_.v == 0 && x.v == 0 && best_.exact() && x.exact();
  const bool names = combiner_ == SY_COMBINE_ARGMAX || combiner_ == SY_COMBINE_ARGMIN;
  if (names && zeros) return;  // equal, so the first is also the value
  best_ = arithmetic_->Run(maximum ? SY_OP_MAX : SY_OP_MIN, type_, type_, best_, x, Value());
}

void Fold::Add(const Value& x, int64_t position) {
  ++n_;
  switch (combiner_) {
    case SY_COMBINE_SUM:
      if (IsFloatType(type_))
        sum_.Add(x);
      else
        best_ = arithmetic_->Run(SY_OP_ADD, type_, type_, best_, x, Value());
      break;
    case SY_COMBINE_PROD:
      if (IsFloatType(type_))
        product_.Multiply(x);
      else
        best_ = arithmetic_->Run(SY_OP_MUL, type_, type_, best_, x, Value());
      break;
    case SY_COMBINE_AND:
      best_ = arithmetic_->Run(SY_OP_AND, type_, type_, best_, x, Value());
      break;
    case SY_COMBINE_OR:
      best_ = arithmetic_->Run(SY_OP_OR, type_, type_, best_, x, Value());
      break;
    default:
      AddExtreme(x, position);
  }
}

Value Fold::Result() const {
  if (IsFloatType(type_) && combiner_ == SY_COMBINE_SUM) return sum_.Result(*arithmetic_);
  if (IsFloatType(type_) && combiner_ == SY_COMBINE_PROD) return product_.Result(*arithmetic_);
  return best_;
}

Value Fold::Position() const {
  return position_known_ ? Value::Integer(position_) : Value::Unknown();
}

}  // namespace sy::conform
