#include "conform/onnx/compare.h"

#include <cmath>
#include <cstring>

#include "conform/numbers.h"

namespace sy::conform {
namespace {

constexpr Real kRelative = 1e-3L, kAbsolute = 1e-7L;

std::string ListText(const Shape& list) {
  std::string text = "[";
  for (size_t d = 0; d < list.size(); ++d)
    text.append(d ? "," : "").append(std::to_string(list[d]));
  return text + "]";
}

std::string KindText(Dtype dtype, const Shape& shape) { return name(dtype) + ListText(shape); }

int FloatType(Dtype dtype) {
  return dtype == f64 ? SY_T_F64 : dtype == f32 ? SY_T_F32 : dtype == f16 ? SY_T_F16 : SY_T_BF16;
}

uint64_t BitsAt(const std::string& bytes, size_t i, size_t size) {
  uint64_t bits = 0;
  std::memcpy(&bits, bytes.data() + i * size, size);
  return bits;
}

bool Agree(int type, uint64_t got_bits, uint64_t want_bits) {
  const Real got = DecodeFloat(type, got_bits), want = DecodeFloat(type, want_bits);
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) && std::isnan(got);
  if (std::isinf(want) || std::isinf(got)) return got == want;
  // The suite cuts to bf16 where everybody else rounds, and its rule is finer than one step there.
  const Real step = type == SY_T_BF16 ? UlpOf(type, want) : 0;
  return std::fabs(got - want) <= std::fmax(kAbsolute + kRelative * std::fabs(want), step);
}

std::string Place(size_t i, const Shape& shape) {
  Shape place = shape;
  for (size_t d = shape.size(); d-- > 0;) {
    place[d] = static_cast<int64_t>(i) % shape[d];
    i /= static_cast<size_t>(shape[d]);
  }
  return ListText(place);
}

std::string NumberText(Dtype dtype, uint64_t bits, size_t size) {
  if (!is_float(dtype)) {
    const bool is_signed = dtype == i8 || dtype == i16 || dtype == i32 || dtype == i64;
    const auto unused = static_cast<unsigned>(64 - 8 * size);
    return is_signed ? std::to_string(static_cast<int64_t>(bits << unused) >> unused)
                     : std::to_string(bits);
  }
  char text[48];
  std::snprintf(text, sizeof text, "%.9Lg", DecodeFloat(FloatType(dtype), bits));
  return text;
}

}  // namespace

std::string CompareKinds(const onnx::TensorValue& want, const Tensor& got) {
  if (got.dtype() == want.dtype && got.shape() == want.shape) return "";
  return "is " + KindText(got.dtype(), got.shape()) + "; want " + KindText(want.dtype, want.shape);
}

std::string Compare(const onnx::TensorValue& want, const Tensor& got) {
  if (std::string text = CompareKinds(want, got); !text.empty()) return text;
  std::string bytes(want.bytes.size(), '\0');
  detail::Check(sy_tensor_read(got.handle(), bytes.data(), static_cast<int64_t>(bytes.size())));
  const auto count = static_cast<size_t>(got.numel());
  const size_t size = count ? bytes.size() / count : 1;
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t a = BitsAt(bytes, i, size), b = BitsAt(want.bytes, i, size);
    if (a == b || (is_float(want.dtype) && Agree(FloatType(want.dtype), a, b))) continue;
    if (!wrong++) first = i;
  }
  if (!wrong) return "";
  return std::to_string(wrong) + " of " + std::to_string(count) + " elements differ, first " +
         Place(first, want.shape) + ": got " +
         NumberText(want.dtype, BitsAt(bytes, first, size), size) + ", want " +
         NumberText(want.dtype, BitsAt(want.bytes, first, size), size);
}

}  // namespace sy::conform
