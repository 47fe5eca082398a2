// How a tensor lies in memory: the same elements with other strides and offsets.
#ifndef CONFORM_LAYOUT_H_
#define CONFORM_LAYOUT_H_

#include <vector>

#include "conform/case.h"
#include "switchyard/tensor.h"

namespace sy::conform {

enum class Layout {
  kContiguous,
  kTransposed,  // axes in reverse order in memory
  kSliced,      // every second element of a larger block of other values, from an offset
  kFlipped,     // negative strides
  kBroadcast,   // stride 0 along the first axis longer than 1
  kShifted,     // dense, from an odd element on: no vector is aligned
  kPadded,      // dense rows with a gap between them
  kWindows,     // rows overlap, each one element further than the one before
  kMixed,       // each input another of the above
};
const char* Name(Layout layout);
// Those that make a difference for the case's inputs.
std::vector<Layout> LayoutsOf(const Case& c);
// The layout of input `i`: `layout`, or one of the others for kMixed.
Layout LayoutOf(Layout layout, size_t i);

// What a layout that repeats elements (kBroadcast, kWindows) makes of an array; the others leave
// it.
void RepeatAs(Layout layout, Array* a);

// Dense, on the device.
Tensor Upload(const Array& a, const char* device);
// A tensor on the device that holds `a` in this layout. Does RepeatAs(layout, a) first.
Tensor Place(Array* a, Layout layout, const char* device);

// A tensor of this shape for results: a view of a larger block full of a pattern.
struct Target {
  Tensor view, block;
};
Target PlaceTarget(SyDtype dtype, const Shape& shape, Layout layout, const char* device);
// Layouts that a result may have.
std::vector<Layout> TargetLayouts(const Shape& shape);

using Bytes = std::vector<unsigned char>;
Bytes Download(const Tensor& t);  // in C order

}  // namespace sy::conform

#endif  // CONFORM_LAYOUT_H_
