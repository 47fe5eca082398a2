// Ops that read images between their pixels: Resize, Upsample, GridSample.
#include <algorithm>
#include <cmath>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

// Keys' cubic for a place `t` in [0, 1) behind the second of four neighbours.
template <class T>
std::vector<T> CubicWeights(const T& t, double a) {
  const T s = 1.0 - t;
  const auto near = [&](const T& d) { return ((a + 2) * d - (a + 3)) * d * d + 1.0; };
  const auto far = [&](const T& d) { return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a; };
  return {far(t + 1.0), near(t), near(s), far(s + 1.0)};
}

// ---- Resize: one axis after the other, each by an index or a matrix made on the host

struct Resizing {
  std::string mode, coordinates, rounding;
  double cubic = -0.75, extrapolation = 0;
  bool exclude_outside = false;
};

struct AxisScale {
  int64_t from, to;
  double scale;
  double begin = 0, end = 1;  // of tf_crop_and_resize
};

double Origin(const C& c, const Resizing& r, const AxisScale& a, int64_t i) {
  const auto x = static_cast<double>(i), from = static_cast<double>(a.from),
             to = static_cast<double>(a.to);
  if (r.coordinates == "half_pixel") return (x + 0.5) / a.scale - 0.5;
  if (r.coordinates == "pytorch_half_pixel") return a.to > 1 ? (x + 0.5) / a.scale - 0.5 : 0;
  if (r.coordinates == "asymmetric") return x / a.scale;
  if (r.coordinates == "tf_half_pixel_for_nn") return (x + 0.5) / a.scale;
  // The standard's own program divides by the length before it is rounded down.
  if (r.coordinates == "align_corners") return a.to > 1 ? x * (from - 1) / (from * a.scale - 1) : 0;
  if (r.coordinates == "tf_crop_and_resize")
    return (a.to > 1 ? a.begin + x * (a.end - a.begin) / (to - 1) : (a.begin + a.end) / 2) *
           (from - 1);
  c.Refuse("coordinate_transformation_mode " + r.coordinates);
}

int64_t Nearest(const C& c, const std::string& rounding, double x) {
  const double place = rounding == "round_prefer_floor"  ? std::ceil(x - 0.5)
                       : rounding == "round_prefer_ceil" ? std::floor(x + 0.5)
                       : rounding == "floor"             ? std::floor(x)
                       : rounding == "ceil"              ? std::ceil(x)
                                                         : NAN;
  if (std::isnan(place)) c.Refuse("nearest_mode " + rounding);
  return static_cast<int64_t>(place);
}

// Row i: the weights of the input's elements in element i.
std::vector<double> Weights(const C& c, const Resizing& r, const AxisScale& a) {
  std::vector<double> matrix(static_cast<size_t>(a.to * a.from));
  for (int64_t i = 0; i < a.to; ++i) {
    const double x = Origin(c, r, a, i), floor = std::floor(x), t = x - floor;
    std::vector<double> weights =
        r.mode == "linear" ? std::vector<double>{1 - t, t} : CubicWeights(t, r.cubic);
    const int64_t first = static_cast<int64_t>(floor) - (r.mode == "linear" ? 0 : 1);
    double total = 0;
    for (size_t k = 0; k < weights.size(); ++k) {
      const int64_t place = first + static_cast<int64_t>(k);
      if (r.exclude_outside && (place < 0 || place >= a.from)) weights[k] = 0;
      total += weights[k];
    }
    for (size_t k = 0; k < weights.size(); ++k) {
      const int64_t place = std::clamp<int64_t>(first + static_cast<int64_t>(k), 0, a.from - 1);
      matrix[static_cast<size_t>(i * a.from + place)] +=
          r.exclude_outside ? weights[k] / total : weights[k];
    }
  }
  return matrix;
}

Tensor ResizeAxis(const C& c, const Tensor& x, int64_t axis, const Resizing& r,
                  const AxisScale& a) {
  if (r.mode == "nearest") {
    Shape places;
    for (int64_t i = 0; i < a.to; ++i)
      places.push_back(
          std::clamp<int64_t>(Nearest(c, r.rounding, Origin(c, r, a, i)), 0, a.from - 1));
    return index_select(x, Listed(c, places), axis);
  }
  const Tensor weights =
      from(Weights(c, r, a), {a.to, a.from}, {.device = c.device()}).to(x.dtype());
  const Tensor y = matmul(transpose(x, axis, -1), weights.t());
  if (r.coordinates != "tf_crop_and_resize") return transpose(y, axis, -1);
  std::vector<uint8_t> inside;
  for (int64_t i = 0; i < a.to; ++i) {
    const double place = Origin(c, r, a, i);
    inside.push_back(place >= 0 && place <= static_cast<double>(a.from - 1));
  }
  const Tensor mask = from(inside, {a.to}, {.device = c.device()}).to(bool_);
  return transpose(where(mask, y, r.extrapolation), axis, -1);
}

Tensor ResizeAll(const C& c, const Resizing& r, const std::vector<AxisScale>& axes) {
  Tensor y = c.in(0);
  if (r.mode != "nearest" && r.mode != "linear" && r.mode != "cubic") c.Refuse("mode " + r.mode);
  if (r.mode != "nearest" && !is_float(y.dtype()))
    c.Refuse("mode " + r.mode + " for " + std::string(name(y.dtype())));
  for (size_t d = 0; d < axes.size(); ++d) {
    const AxisScale& a = axes[d];
    if (a.from < 1) c.Fail("an empty axis");
    c.Length(a.to);
    if (r.mode != "nearest") c.Length(a.to * c.Length(a.from));
    if (a.from == a.to && a.scale == 1 && a.begin == 0 && a.end == 1) continue;
    y = ResizeAxis(c, y, static_cast<int64_t>(d), r, a);
  }
  return y;
}

// What each axis becomes by these scales.
std::vector<AxisScale> ByScales(const C& c, const std::vector<double>& scales) {
  const Shape s = c.in(0).shape();
  if (scales.size() != s.size()) c.Fail("scales has another length than the rank");
  std::vector<AxisScale> axes;
  for (size_t d = 0; d < s.size(); ++d) {
    const double size = std::floor(static_cast<double>(s[d]) * scales[d]);
    if (!(scales[d] > 0 && size < 1e12)) c.Fail("a scale of " + std::to_string(scales[d]));
    axes.push_back({s[d], static_cast<int64_t>(size), scales[d]});
  }
  return axes;
}

Tensors Upsample(C& c) {
  if (c.opset() < 7) c.Refuse("opset " + std::to_string(c.opset()));
  const Resizing r = {c.Text("mode", "nearest"), "asymmetric", "floor"};
  return {ResizeAll(c, r, ByScales(c, c.opset() < 9 ? c.Floats("scales") : c.Numbers(1)))};
}

Tensors Resize(C& c) {
  if (c.opset() < 11) {  // as Upsample
    const Resizing r = {c.Text("mode", "nearest"), "asymmetric", "floor"};
    return {ResizeAll(c, r, ByScales(c, c.Numbers(1)))};
  }
  Resizing r = {c.Text("mode", "nearest"), c.Text("coordinate_transformation_mode", "half_pixel"),
                c.Text("nearest_mode", "round_prefer_floor")};
  r.cubic = c.Float("cubic_coeff_a", -0.75);
  r.extrapolation = c.Float("extrapolation_value", 0);
  r.exclude_outside = c.Flag("exclude_outside", false);
  const Shape s = c.in(0).shape();
  std::vector<AxisScale> axes;
  if (c.has(3) && c.in(3).numel() > 0) {
    const Shape sizes = c.Integers(3);
    if (sizes.size() != s.size()) c.Fail("sizes has another length than the rank");
    for (size_t d = 0; d < s.size(); ++d)
      axes.push_back({s[d], sizes[d], static_cast<double>(sizes[d]) / static_cast<double>(s[d])});
  } else {
    axes = ByScales(c, c.Numbers(2));
  }
  if (r.coordinates == "tf_crop_and_resize") {
    if (r.mode == "nearest") c.Refuse("tf_crop_and_resize with mode nearest");
    const std::vector<double> roi = c.Numbers(1);
    if (roi.size() != 2 * s.size()) c.Fail("roi has another length than twice the rank");
    for (size_t d = 0; d < s.size(); ++d) {
      axes[d].begin = roi[d];
      axes[d].end = roi[d + s.size()];
    }
  }
  return {ResizeAll(c, r, axes)};
}

// ---- GridSample: each output pixel names its own place in the image

struct Grid {
  Tensor image;  // [n, c, height * width]
  int64_t height, width;
  std::string border;
  bool align_corners;
};

// Pixel numbers of an axis, whole and perhaps outside, brought inside.
Tensor Inside(const Grid& g, const Tensor& place, int64_t size) {
  const auto last = static_cast<double>(size - 1);
  if (g.border != "reflection" || size == 1) return clamp(place, 0, last);
  const double turn = g.align_corners ? 2 * last : 2 * last + 2;
  const Tensor p = remainder(place, turn);
  return g.align_corners ? where(p > last, turn - p, p) : where(p > last, turn - 1 - p, p);
}

// [n, c, places] for pixel numbers [n, places].
Tensor Pixels(const Grid& g, const Tensor& y, const Tensor& x) {
  const Tensor index =
      Inside(g, y, g.height) * static_cast<double>(g.width) + Inside(g, x, g.width);
  Shape shape = g.image.shape();
  shape[2] = index.size(1);
  const Tensor read = gather(g.image, contiguous(expand(unsqueeze(index.to(i64), {1}), shape)), 2);
  if (g.border != "zeros") return read;
  const auto bottom = static_cast<double>(g.height - 1), right = static_cast<double>(g.width - 1);
  const Tensor seen = (y >= 0.0) & (y <= bottom) & (x >= 0.0) & (x <= right);
  return where(unsqueeze(seen, {1}), read, 0.0);
}

Tensors GridSample(C& c) {
  const Tensor& x = c.in(0);
  if (x.dim() != 4 || c.in(1).dim() != 4 || c.in(1).size(3) != 2)
    c.Fail(x.describe() + ", grid " + c.in(1).describe());
  const Grid g = {reshape(x, {x.size(0), x.size(1), -1}), x.size(2), x.size(3),
                  c.Text("padding_mode", "zeros"), c.Flag("align_corners", false)};
  if (g.border != "zeros" && g.border != "border" && g.border != "reflection")
    c.Refuse("padding_mode " + g.border);
  const Tensor grid = reshape(c.in(1), {x.size(0), -1, 2});
  const auto pixel = [&](int64_t part, int64_t size) {
    const Tensor p = select(grid, 2, part) + 1.0;  // 0 to 2
    const auto n = static_cast<double>(size);
    const Tensor place = g.align_corners ? p * ((n - 1) / 2) : (p * n - 1.0) / 2.0;
    if (g.border != "border") return place;
    // Beyond the outer pixels' area the outermost place counts.
    const double margin = g.align_corners ? 0 : 0.5;
    const Tensor outside = (place < -margin) | (place > n - 1 + margin);
    return where(outside, clamp(place, 0, n - 1), place);
  };
  const Tensor px = pixel(0, g.width), py = pixel(1, g.height);
  const std::string mode = c.Text("mode", "bilinear");
  Tensor y;
  if (mode == "nearest") {
    y = Pixels(g, round(py), round(px));
  } else if (mode == "bilinear" || mode == "bicubic") {
    const Tensor fx = floor(px), fy = floor(py), tx = px - fx, ty = py - fy;
    const bool cubic = mode == "bicubic";
    const Tensors wx = cubic ? CubicWeights(tx, -0.75) : Tensors{1.0 - tx, tx},
                  wy = cubic ? CubicWeights(ty, -0.75) : Tensors{1.0 - ty, ty};
    const int first = cubic ? -1 : 0;
    for (size_t i = 0; i < wy.size(); ++i)
      for (size_t j = 0; j < wx.size(); ++j) {
        const Tensor part =
            Pixels(g, fy + (first + static_cast<int>(i)), fx + (first + static_cast<int>(j))) *
            unsqueeze(wy[i] * wx[j], {1});
        y = y ? y + part : part;
      }
  } else {
    c.Refuse("mode " + mode);
  }
  return {reshape(y, {x.size(0), x.size(1), c.in(1).size(1), c.in(1).size(2)})};
}

constexpr OpRow kRows[] = {
    {"GridSample", GridSample},
    {"Resize", Resize},
    {"Upsample", Upsample},
};

}  // namespace

std::span<const OpRow> ImageOps() { return kRows; }

}  // namespace sy::onnx
