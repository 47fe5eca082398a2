#include "conform/array.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace sy::conform {
namespace {

constexpr DtypeInfo kDtypes[] = {
    {SY_F64, SY_T_F64, "f64", 8, 53, -1022, std::numeric_limits<double>::max(), true, true},
    {SY_F32, SY_T_F32, "f32", 4, 24, -126, std::numeric_limits<float>::max(), true, true},
    {SY_F16, SY_T_F16, "f16", 2, 11, -14, 65504, true, true},
    {SY_BF16, SY_T_BF16, "bf16", 2, 8, -126, 0x1.fep127L, true, true},
    {SY_I64, SY_T_I64, "i64", 8, 64, 0, 0, false, true},
    {SY_I32, SY_T_I32, "i32", 4, 32, 0, 0, false, true},
    {SY_I16, SY_T_I16, "i16", 2, 16, 0, 0, false, true},
    {SY_I8, SY_T_I8, "i8", 1, 8, 0, 0, false, true},
    {SY_U64, SY_T_U64, "u64", 8, 64, 0, 0, false, false},
    {SY_U32, SY_T_U32, "u32", 4, 32, 0, 0, false, false},
    {SY_U16, SY_T_U16, "u16", 2, 16, 0, 0, false, false},
    {SY_U8, SY_T_U8, "u8", 1, 8, 0, 0, false, false},
    {SY_BOOL, SY_T_BOOL, "bool", 1, 1, 0, 0, false, false},
};

}  // namespace

const DtypeInfo& Info(SyDtype dtype) {
  for (const DtypeInfo& d : kDtypes)
    if (d.code == dtype) return d;
  return kDtypes[1];
}

SyDtype DtypeByName(std::string_view name) {
  for (const DtypeInfo& d : kDtypes)
    if (name == d.name) return d.code;
  return 0;
}

const std::vector<SyDtype>& AllDtypes() {
  static const auto* all = [] {
    auto* list = new std::vector<SyDtype>;
    for (const DtypeInfo& d : kDtypes) list->push_back(d.code);
    return list;
  }();
  return *all;
}

Real Ulp(SyDtype dtype, Real v) { return IsFloat(dtype) ? UlpOf(Info(dtype).type, v) : 1; }

Real RoundTo(SyDtype dtype, Real v) {
  return IsFloat(dtype) ? RoundToType(Info(dtype).type, v) : v;
}

Real Wrap(SyDtype dtype, __int128 v) {
  const DtypeInfo& d = Info(dtype);
  if (dtype == SY_BOOL) return v != 0;
  const __int128 mask = (static_cast<__int128>(1) << d.bits) - 1;
  v &= mask;
  if (d.is_signed && v >> (d.bits - 1)) v -= mask + 1;
  return static_cast<Real>(v);
}

Array::Array(SyDtype dtype, Shape shape, Real value) : dtype(dtype), shape(std::move(shape)) {
  at.assign(static_cast<size_t>(Count(this->shape)), value);
}

int64_t Array::Offset(const Shape& index) const {
  int64_t offset = 0;
  for (size_t d = 0; d < shape.size(); ++d) offset = offset * shape[d] + index[d];
  return offset;
}

Real Array::Broadcast(const Shape& index) const {
  const size_t skip = index.size() - shape.size();
  int64_t offset = 0;
  for (size_t d = 0; d < shape.size(); ++d)
    offset = offset * shape[d] + (shape[d] == 1 ? 0 : index[d + skip]);
  return at[static_cast<size_t>(offset)];
}

int64_t Count(const Shape& shape) {
  int64_t n = 1;
  for (int64_t s : shape) n *= s;
  return n;
}

Shape BroadcastShape(const Shape& a, const Shape& b) {
  Shape out(std::max(a.size(), b.size()), 1);
  for (const Shape* s : {&a, &b})
    for (size_t d = 0; d < s->size(); ++d)
      if ((*s)[d] != 1) out[d + out.size() - s->size()] = (*s)[d];
  return out;
}

void ForEach(const Shape& shape, const std::function<void(const Shape&)>& fn) {
  Shape index(shape.size(), 0);
  for (int64_t left = Count(shape); left > 0; --left) {
    fn(index);
    for (size_t d = shape.size(); d-- > 0 && ++index[d] == shape[d];) index[d] = 0;
  }
}

std::string Text(const Shape& shape) {
  std::string text = "[";
  for (size_t d = 0; d < shape.size(); ++d) text += (d ? "," : "") + std::to_string(shape[d]);
  return text + "]";
}

std::vector<unsigned char> Encode(const Array& a) {
  const DtypeInfo& d = Info(a.dtype);
  std::vector<unsigned char> bytes(a.at.size() * static_cast<size_t>(d.size));
  for (size_t i = 0; i < a.at.size(); ++i) {
    const uint64_t bits = d.is_float    ? EncodeFloat(d.type, a.at[i])
                          : a.at[i] < 0 ? static_cast<uint64_t>(static_cast<int64_t>(a.at[i]))
                                        : static_cast<uint64_t>(a.at[i]);
    std::memcpy(&bytes[i * static_cast<size_t>(d.size)], &bits,
                static_cast<size_t>(d.size));  // little-endian hosts
  }
  return bytes;
}

Array Decode(SyDtype dtype, const Shape& shape, const unsigned char* bytes) {
  const DtypeInfo& d = Info(dtype);
  Array a(dtype, shape);
  for (size_t i = 0; i < a.at.size(); ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, bytes + i * static_cast<size_t>(d.size), static_cast<size_t>(d.size));
    if (d.is_float)
      a.at[i] = DecodeFloat(d.type, bits);
    else if (dtype == SY_BOOL)
      a.at[i] = static_cast<Real>(bits);  // 2 would be seen: a bool is 0 or 1
    else
      a.at[i] = Wrap(dtype, static_cast<__int128>(bits));
  }
  return a;
}

}  // namespace sy::conform
