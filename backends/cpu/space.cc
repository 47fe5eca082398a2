#include "backends/cpu/space.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sy::cpu {
namespace {

bool Joins(const Shape& shape, const Operand* operands, int count, int outer, int inner) {
  for (int i = 0; i < count; ++i) {
    const int64_t* strides = operands[i].strides;
    if (strides[outer] != strides[inner] * shape.sizes[inner]) return false;
  }
  return true;
}

void FindDense(const Shape& shape, Operand* operand) {
  int64_t dense = 1;
  for (int i = shape.rank - 1; i >= 0 && operand->strides[i] == dense; --i) dense *= shape.sizes[i];
  operand->dense = operand->base == nullptr ? 0 : dense;
}

template <typename T>
void FillAs(T* to, const void* element, int64_t n) {
  T value;
  memcpy(&value, element, sizeof(T));
  for (int64_t i = 0; i < n; ++i) to[i] = value;
}

template <typename T>
void PackAs(const Shape& shape, const Operand& operand, int64_t begin, int64_t n, T* to) {
  const T* from = reinterpret_cast<const T*>(operand.base);
  const int64_t stride = InnerStride(shape, operand);
  const Operand* const operands[] = {&operand};
  ForEachStretch(shape, operands, begin, n, [&](const auto& at, int64_t done, int64_t length) {
    const T* x = from + at[0];
    T* y = to + done;
    if (stride == 1) {
      memcpy(y, x, static_cast<size_t>(length) * sizeof(T));
    } else if (stride == 0) {
      FillAs(y, x, length);
    } else {
      for (int64_t i = 0; i < length; ++i) y[i] = x[i * stride];
    }
  });
}

template <typename T>
void UnpackAs(const Shape& shape, const Operand& operand, int64_t begin, int64_t n, const T* from) {
  T* to = reinterpret_cast<T*>(operand.base);
  const int64_t stride = InnerStride(shape, operand);
  const Operand* const operands[] = {&operand};
  ForEachStretch(shape, operands, begin, n, [&](const auto& at, int64_t done, int64_t length) {
    const T* x = from + done;
    T* y = to + at[0];
    if (stride == 1) {
      memcpy(y, x, static_cast<size_t>(length) * sizeof(T));
    } else {
      for (int64_t i = 0; i < length; ++i) y[i * stride] = x[i];
    }
  });
}

void PackIndex(const Shape& shape, const Operand& operand, int64_t begin, int64_t n, int64_t* to) {
  const int64_t stride = InnerStride(shape, operand);
  const Operand* const operands[] = {&operand};
  ForEachStretch(shape, operands, begin, n, [&](const auto& at, int64_t done, int64_t length) {
    for (int64_t i = 0; i < length; ++i) to[done + i] = at[0] + i * stride;
  });
}

}  // namespace

void Simplify(Shape* shape, Operand* operands, int count) {
  int kept = 0;
  for (int axis = 0; axis < shape->rank; ++axis) {
    if (shape->sizes[axis] == 1) continue;
    const bool joins = kept > 0 && Joins(*shape, operands, count, kept - 1, axis);
    const int to = joins ? kept - 1 : kept++;
    shape->sizes[to] = joins ? shape->sizes[to] * shape->sizes[axis] : shape->sizes[axis];
    for (int i = 0; i < count; ++i) operands[i].strides[to] = operands[i].strides[axis];
  }
  shape->rank = kept;
  for (int i = 0; i < count; ++i) FindDense(*shape, &operands[i]);
}

Operand OperandOf(const SyView& view) {
  Operand operand;
  operand.base = static_cast<char*>(view.data.p);
  operand.bytes = static_cast<int>(SY_DTYPE_BYTES(view.dtype));
  for (int i = 0; i < view.rank; ++i) operand.strides[i] = view.strides[i];
  operand.dense = 1;
  return operand;
}

int64_t OffsetOf(const Shape& shape, const Operand& operand, int64_t linear) {
  int64_t offset = 0;
  for (int i = shape.rank - 1; i >= 0; --i) {
    offset += linear % shape.sizes[i] * operand.strides[i];
    linear /= shape.sizes[i];
  }
  return offset;
}

void Pack(const Shape& shape, const Operand& operand, int64_t begin, int64_t n, void* to) {
  if (operand.base == nullptr)
    return PackIndex(shape, operand, begin, n, static_cast<int64_t*>(to));
  switch (operand.bytes) {
    case 1:
      return PackAs(shape, operand, begin, n, static_cast<uint8_t*>(to));
    case 2:
      return PackAs(shape, operand, begin, n, static_cast<uint16_t*>(to));
    case 4:
      return PackAs(shape, operand, begin, n, static_cast<uint32_t*>(to));
    default:
      return PackAs(shape, operand, begin, n, static_cast<uint64_t*>(to));
  }
}

void Unpack(const Shape& shape, const Operand& operand, int64_t begin, int64_t n,
            const void* from) {
  switch (operand.bytes) {
    case 1:
      return UnpackAs(shape, operand, begin, n, static_cast<const uint8_t*>(from));
    case 2:
      return UnpackAs(shape, operand, begin, n, static_cast<const uint16_t*>(from));
    case 4:
      return UnpackAs(shape, operand, begin, n, static_cast<const uint32_t*>(from));
    default:
      return UnpackAs(shape, operand, begin, n, static_cast<const uint64_t*>(from));
  }
}

void Fill(void* to, const void* element, int bytes, int64_t n) {
  switch (bytes) {
    case 1:
      memset(to, *static_cast<const uint8_t*>(element), static_cast<size_t>(n));
      return;
    case 2:
      return FillAs(static_cast<uint16_t*>(to), element, n);
    case 4:
      return FillAs(static_cast<uint32_t*>(to), element, n);
    default:
      return FillAs(static_cast<uint64_t*>(to), element, n);
  }
}

#if defined(__SSE2__)

void StreamCopy(void* to, const void* from, int64_t bytes) {
  char* y = static_cast<char*>(to);
  const char* x = static_cast<const char*>(from);
  // Whole cache lines only: a line written in part would be read first.
  int64_t head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(y) & 63);
  if (head > bytes) head = bytes;
  memcpy(y, x, static_cast<size_t>(head));
  int64_t i = head;
  for (; i + 64 <= bytes; i += 64) {
    for (int64_t k = 0; k < 64; k += 16) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i + k));
      _mm_stream_si128(reinterpret_cast<__m128i*>(y + i + k), v);
    }
  }
  memcpy(y + i, x + i, static_cast<size_t>(bytes - i));
}

void StreamFence() { _mm_sfence(); }

#else

void StreamCopy(void* to, const void* from, int64_t bytes) {
  memcpy(to, from, static_cast<size_t>(bytes));
}

void StreamFence() {}

#endif

}  // namespace sy::cpu
