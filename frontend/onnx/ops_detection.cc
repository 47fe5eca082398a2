// Ops about boxes in images.
#include <limits>

#include "frontend/onnx/node.h"

namespace sy::onnx {
namespace {

using C = NodeContext;

// ---- RoiAlign: means of samples between pixels. The weights of rows and columns are two matrices
// for each region.

// [regions, bins, size]: how much each pixel of an axis counts in each bin.
Tensor BinWeights(const C& c, const Tensor& begin, const Tensor& length, int64_t bins,
                  int64_t samples, int64_t size) {
  const TensorOptions numbers = {.dtype = begin.dtype(), .device = c.device()};
  const Tensor sample =
      (arange(bins * samples, numbers) + 0.5) / static_cast<double>(bins * samples);
  const Tensor place = unsqueeze(begin, {1}) + unsqueeze(length, {1}) * sample;
  const Tensor seen = (place >= -1.0) & (place <= static_cast<double>(size));
  const Tensor inside = clamp(place, 0, static_cast<double>(size - 1));
  const Tensor weight = relu(1.0 - abs(unsqueeze(inside, {2}) - arange(size, numbers)));
  const Tensor counted = where(unsqueeze(seen, {2}), weight, 0.0);
  return mean(reshape(counted, {begin.size(0), bins, samples, size}), {2});
}

Tensors RoiAlign(C& c) {
  const Tensor &x = c.in(0), &regions = c.in(1);
  const int64_t samples = c.Int("sampling_ratio", 0);
  if (x.dim() != 4 || regions.dim() != 2 || regions.size(1) != 4)
    c.Fail(x.describe() + ", rois " + regions.describe());
  if (c.Text("mode", "avg") != "avg") c.Refuse("mode " + c.Text("mode", "avg"));
  if (samples < 1) c.Refuse("sampling_ratio 0");
  const std::string coordinates =
      c.Text("coordinate_transformation_mode", c.opset() < 16 ? "output_half_pixel" : "half_pixel");
  if (coordinates != "half_pixel" && coordinates != "output_half_pixel")
    c.Refuse("coordinate_transformation_mode " + coordinates);
  const bool half = coordinates == "half_pixel";
  const Tensor scaled = regions * c.Float("spatial_scale", 1);
  const auto weights = [&](int64_t first, int64_t bins, int64_t size) {
    const Tensor begin = select(scaled, 1, first), span = select(scaled, 1, first + 2) - begin;
    return BinWeights(c, half ? begin - 0.5 : begin, half ? span : maximum(span, 1.0), bins,
                      samples, size);
  };
  const Tensor columns = weights(0, c.Int("output_width", 1), x.size(3)),
               rows = weights(1, c.Int("output_height", 1), x.size(2));
  const Tensor images = index_select(x, c.in(2), 0);
  return {matmul(matmul(unsqueeze(rows, {1}), images), unsqueeze(columns.t(), {1}))};
}

// ---- NonMaxSuppression: the best box, then the best of those that overlap no chosen one, and so
// on. Which is best is read each time.

struct Boxes {
  Tensor top, left, bottom, right;  // [boxes]
  Tensor area;
};

Boxes ReadBoxes(const Tensor& boxes, bool centred) {
  const auto part = [&](int64_t i) { return select(boxes, 1, i); };
  Boxes b;
  if (centred) {
    const Tensor half_width = part(2) / 2.0, half_height = part(3) / 2.0;
    b = {part(1) - half_height,
         part(0) - half_width,
         part(1) + half_height,
         part(0) + half_width,
         {}};
  } else {  // two corners, in any order
    b = {minimum(part(0), part(2)),
         minimum(part(1), part(3)),
         maximum(part(0), part(2)),
         maximum(part(1), part(3)),
         {}};
  }
  b.area = (b.bottom - b.top) * (b.right - b.left);
  return b;
}

// The part that each box and box i have in common, of both together.
Tensor Overlap(const Boxes& b, int64_t i) {
  const auto of = [&](const Tensor& t) { return select(t, 0, i); };
  const Tensor height = relu(minimum(b.bottom, of(b.bottom)) - maximum(b.top, of(b.top)));
  const Tensor width = relu(minimum(b.right, of(b.right)) - maximum(b.left, of(b.left)));
  const Tensor common = height * width, both = b.area + of(b.area) - common;
  return where(both > 0.0, common / both, 0.0);
}

Tensors NonMaxSuppression(C& c) {
  const Tensor &boxes = c.in(0), &scores = c.in(1);  // [batch, boxes, 4], [batch, classes, boxes]
  if (boxes.dim() != 3 || boxes.size(2) != 4 || scores.dim() != 3 ||
      scores.size(2) != boxes.size(1))
    c.Fail("boxes " + boxes.describe() + ", scores " + scores.describe());
  const int64_t most = c.has(2) ? c.Integer(2) : 0;
  const double overlap = c.has(3) ? c.Number(3) : 0;
  constexpr double kGone = -std::numeric_limits<double>::infinity();
  Shape chosen;
  for (int64_t batch = 0; batch < scores.size(0) && boxes.size(1) > 0; ++batch) {
    const Boxes b = ReadBoxes(select(boxes, 0, batch), c.Flag("center_point_box", false));
    for (int64_t group = 0; group < scores.size(1); ++group) {
      Tensor left = select(select(scores, 0, batch), 0, group);
      if (c.has(4)) left = where(left > c.in(4), left, kGone);
      for (int64_t n = 0; n < most; ++n) {
        const int64_t best = argmax(left, 0).item<int64_t>();
        if (select(left, 0, best).item<double>() == kGone) break;
        chosen.insert(chosen.end(), {batch, group, best});
        left = where(Overlap(b, best) > overlap, kGone, left);
        left = slice_scatter(left, full({1}, kGone, {.dtype = left.dtype(), .device = c.device()}),
                             {.start = best, .end = best + 1});
      }
    }
  }
  return {reshape(Listed(c, chosen), {static_cast<int64_t>(chosen.size()) / 3, 3})};
}

constexpr OpRow kRows[] = {
    {"NonMaxSuppression", NonMaxSuppression},
    {"RoiAlign", RoiAlign},
};

}  // namespace

std::span<const OpRow> DetectionOps() { return kRows; }

}  // namespace sy::onnx
