// Fourier transforms as products with matrices, in f64 inside, and the windows that go with them.
#include <algorithm>
#include <numbers>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

// a - b cos(2 pi n / size) + c cos(4 pi n / size)
Tensors CosineWindow(C& c, double a, double b, double d) {
  const int64_t size = c.Integer(0), period = c.Flag("periodic", true) ? size : size - 1;
  const Dtype dtype = c.Type("output_datatype", f32);
  if (!is_float(dtype)) c.Refuse(std::string("output_datatype ") + name(dtype));
  const Tensor n = arange(size, {.dtype = f64, .device = c.device()});
  const Tensor angle =
      n * (2 * std::numbers::pi / static_cast<double>(std::max<int64_t>(period, 1)));
  return {(a - cos(angle) * b + cos(angle * 2.0) * d).to(dtype)};
}

Tensors HannWindow(C& c) { return CosineWindow(c, 0.5, 0.5, 0); }
Tensors HammingWindow(C& c) { return CosineWindow(c, 25.0 / 46, 1 - 25.0 / 46, 0); }
Tensors BlackmanWindow(C& c) { return CosineWindow(c, 0.42, 0.5, 0.08); }

struct Complex {
  Tensor real, imaginary;  // f64; an undefined imaginary part is zero
};

// x [..., 1] or [..., 2]
Complex Parts(const C& c, const Tensor& x) {
  const int64_t parts = x.size(-1);
  if (parts != 1 && parts != 2) c.Fail(x.describe() + "; want 1 or 2 as its last size");
  return {select(x, -1, 0).to(f64), parts == 2 ? select(x, -1, 1).to(f64) : Tensor()};
}

// The transform of the last axis, to `bins` of its frequencies; [..., bins, 2] in f64.
Tensor Transform(const C& c, const Complex& x, int64_t bins, bool inverse) {
  const int64_t n = x.real.size(-1);
  const TensorOptions integers = {.dtype = i64, .device = c.device()};
  // Turns are exact as integers.
  const Tensor turn = remainder(unsqueeze(arange(n, integers), {1}) * arange(bins, integers), n);
  const Tensor angle =
      turn.to(f64) * ((inverse ? 2 : -2) * std::numbers::pi / static_cast<double>(n));
  const Tensor cosine = cos(angle), sine = sin(angle);
  Tensor real = matmul(x.real, cosine), imaginary = matmul(x.real, sine);
  if (x.imaginary) {
    real = real - matmul(x.imaginary, sine);
    imaginary = imaginary + matmul(x.imaginary, cosine);
  }
  const Tensor y = stack({real, imaginary}, -1);
  return inverse ? y / static_cast<double>(n) : y;
}

int64_t Bins(int64_t n, bool onesided) { return onesided ? n / 2 + 1 : n; }

Tensors Dft(C& c) {
  const Tensor& x = c.in(0);
  const int64_t axis = c.Axis(c.Int("axis", 1), x.dim());
  const bool inverse = c.Flag("inverse", false), onesided = c.Flag("onesided", false);
  if (axis == x.dim() - 1) c.Fail("the last axis holds the parts of a number");
  if (inverse && onesided) c.Refuse("inverse and onesided");
  Complex parts = Parts(c, x);
  const int64_t n = c.has(1) ? c.Integer(1) : x.size(axis);
  if (n < 1) c.Fail("a length of " + std::to_string(n));
  for (Tensor* t : {&parts.real, &parts.imaginary}) {
    if (!t->defined()) continue;
    *t = transpose(*t, axis, -1);
    Shape fit(static_cast<size_t>(2 * t->dim()), 0);
    fit.back() = n - t->size(-1);
    *t = pad(*t, fit);
  }
  const Tensor y = Transform(c, parts, Bins(n, onesided), inverse);
  return {transpose(y, axis, -2).to(x.dtype())};
}

Tensors Stft(C& c) {
  const Tensor& x = c.in(0);  // [batch, length, 1 or 2], or without the last
  const int64_t step = c.Integer(1);
  const int64_t length = c.has(3) ? c.Integer(3) : c.has(2) ? c.in(2).numel() : 0;
  if (length < 1 || step < 1) c.Fail("frame_length and frame_step must be 1 or more");
  const bool onesided = c.Flag("onesided", true);
  Complex parts = Parts(c, x.dim() == 2 ? unsqueeze(x, {2}) : x);
  if (parts.imaginary && onesided) c.Refuse("complex input and onesided");
  for (Tensor* t : {&parts.real, &parts.imaginary}) {
    if (!t->defined()) continue;
    *t = windows(*t, {.dims = {1}, .size = {length}, .stride = {step}});
    if (c.has(2)) *t = *t * c.in(2).to(f64);
  }
  return {Transform(c, parts, Bins(length, onesided), false).to(x.dtype())};
}

// Triangles over a spectrum, evenly spaced on the mel scale.
Tensors MelWeightMatrix(C& c) {
  const int64_t bands = c.Integer(0), length = c.Integer(1), rate = c.Integer(2);
  const TensorOptions numbers = {.dtype = f64, .device = c.device()};
  const auto mel = [](const Tensor& hertz) { return log10(hertz.to(f64) / 700.0 + 1.0) * 2595.0; };
  const Tensor low = mel(c.in(3)), high = mel(c.in(4));
  const Tensor edges = arange(bands + 2, numbers) * ((high - low) / static_cast<double>(bands + 2));
  const Tensor hertz = (pow(10.0, (edges + low) / 2595.0) - 1.0) * 700.0;
  const Tensor edge = floor(hertz * static_cast<double>(length + 1) / static_cast<double>(rate));
  const Tensor lower = slice(edge, {.end = bands}),
               centre = slice(edge, {.start = 1, .end = bands + 1}),
               upper = slice(edge, {.start = 2});
  const Tensor bin = unsqueeze(arange(length / 2 + 1, numbers), {1});
  const Tensor rising = where(centre == lower, 1.0, (bin - lower) / maximum(centre - lower, 1.0));
  const Tensor falling = (upper - bin) / maximum(upper - centre, 1.0);
  const Tensor weight = where((bin >= centre) & (bin < upper), falling,
                              where((bin >= lower) & (bin <= centre), rising, 0.0));
  return {weight.to(c.Type("output_datatype", f32))};
}

constexpr OpRow kRows[] = {
    {"BlackmanWindow", BlackmanWindow},   {"DFT", Dft},
    {"HammingWindow", HammingWindow},     {"HannWindow", HannWindow},
    {"MelWeightMatrix", MelWeightMatrix}, {"STFT", Stft},
};

}  // namespace

std::span<const OpRow> SignalOps() { return kRows; }

}  // namespace sy::onnx
