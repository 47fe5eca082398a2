// std::cout << tensor, as NumPy prints, with dtype, shape and device; large ones with an ellipsis.
// Waits for the device. Included by tensor.h.
#ifndef SWITCHYARD_PRINTING_H_
#define SWITCHYARD_PRINTING_H_

#include <cmath>
#include <cstdio>
#include <cstring>
#include <ostream>
#include <string>
#include <type_traits>
#include <vector>

#include "tensor.h"

namespace sy {
namespace detail {

template <class T>
void PrintElement(std::ostream& out, T v) {
  if constexpr (std::is_same_v<T, bool>) {
    out << (v ? "true" : "false");
  } else if constexpr (!std::is_floating_point_v<T>) {
    out << std::to_string(v);
  } else if (std::isnan(v)) {  // printf writes the sign of a NaN, which means nothing
    out << "nan";
  } else {
    char text[48];
    std::snprintf(text, sizeof text, "%.5g", v);
    out << text;
    if (!std::strpbrk(text, ".en")) out << '.';
  }
}

template <class T>
void PrintAxis(std::ostream& out, const std::vector<T>& values, const Shape& shape, size_t axis,
               int64_t base) {
  if (axis == shape.size()) return PrintElement<T>(out, values[static_cast<size_t>(base)]);
  int64_t step = 1;
  for (size_t d = axis + 1; d < shape.size(); ++d) step *= shape[d];
  constexpr int64_t kEdge = 3;
  const bool cut = static_cast<int64_t>(values.size()) > 1000 && shape[axis] > 2 * kEdge;
  out << '[';
  for (int64_t i = 0; i < shape[axis]; ++i) {
    if (i) {
      out << (axis + 1 == shape.size() ? ", " : ",\n");
      if (axis + 1 < shape.size()) out << std::string(axis + 1, ' ');
    }
    if (cut && i == kEdge) {
      out << "...";
      i = shape[axis] - kEdge - 1;
      continue;
    }
    PrintAxis(out, values, shape, axis + 1, base + i * step);
  }
  out << ']';
}

template <class T>
void PrintAs(std::ostream& out, const Tensor& x) {
  PrintAxis(out, x.to_vector<T>(), x.shape(), 0, 0);
}

}  // namespace detail

inline std::ostream& operator<<(std::ostream& out, const Tensor& x) {
  if (!x.defined()) return out << "none";
  if (!sy_tensor_device(x.handle())) return out << x.describe();
  const Tensor values = x.detach();
  if (x.dtype() == bool_)
    detail::PrintAs<bool>(out, values);
  else if (is_float(x.dtype()))
    detail::PrintAs<double>(out, values);
  else if (x.dtype() == u64)
    detail::PrintAs<uint64_t>(out, values);
  else
    detail::PrintAs<int64_t>(out, values);
  return out << "  " << x.describe();
}

}  // namespace sy

#endif  // SWITCHYARD_PRINTING_H_
