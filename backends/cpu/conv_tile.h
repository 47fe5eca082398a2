// The register tiles of convolution for one instruction set (conv_tile.cc).
#ifndef BACKENDS_CPU_CONV_TILE_H_
#define BACKENDS_CPU_CONV_TILE_H_

#include <cstdint>

#include "backends/cpu/targets.h"

namespace sy::cpu {

inline constexpr int kMostVectors = 8;   // of outputs in one tile
inline constexpr int kMostTapRows = 12;  // taps of a weight's gradient in one tile

// y[r] of vector v = bias[r] + sum over i of a[i * rows + r] * x[v][offsets[i]...], one chain of
// fused multiply-adds in the order of i. Whole vectors are read; `stored` lanes of each are stored.
template <typename T>
struct TileCall {
  int rows, vectors;
  int64_t k;
  const int64_t* offsets;
  const T* a;
  const T* bias;  // null: 0
  const T* x[kMostVectors];
  T* y[kMostVectors];
  int64_t y_strides[kMostVectors];  // from one row to the next
  int stored[kMostVectors];
};

// c[t][o] += sum over rows and columns of x[t][row * x_pitch + column] * dy[row][column][o].
template <typename T>
struct TapCall {
  int taps, vectors;  // of o, in one position of dy
  int64_t rows, columns, x_pitch;
  const T* x[kMostTapRows];
  const T* dy;  // dense
  T* c;         // dense
};

template <typename T>
struct ConvTile {
  int lanes;
  int tap_rows;  // most taps of a TapCall
  // Most rows of a TileCall of 2, 4, 8 vectors.
  int most_rows[3];
  void (*run)(const TileCall<T>& call);
  void (*outer)(const TapCall<T>& call);
  void (*dot)(const TapCall<T>& call);  // dy has one element in each position; vectors is 0
};

const ConvTile<float>& ConvTileF32(Isa isa);
const ConvTile<double>& ConvTileF64(Isa isa);
template <typename T>
const ConvTile<T>& ConvTileOf(Isa isa) {
  if constexpr (sizeof(T) == 4) {
    return ConvTileF32(isa);
  } else {
    return ConvTileF64(isa);
  }
}

}  // namespace sy::cpu

#endif  // BACKENDS_CPU_CONV_TILE_H_
