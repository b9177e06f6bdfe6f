// Products of float matrices, c = a b, in blocks that fit the cache.
//
// b lies in panels of 16 columns: element (k, 16 p + lane) is b[p * panel_stride + k * 16 + lane].
// The last panel is filled up with zeros.
//
// Every element of c adds its products in the order of k, each with one fused multiplication and
// addition (the portable kernel rounds twice). So it does not depend on the other rows and columns,
// on how the work is divided, or on the instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

namespace intact {

constexpr int kPanel = 16;       // columns of a panel
constexpr int kScaleGroup = 32;  // values of k that share a scale

struct FloatTile {
  const float* a;  // (rows, depth)
  ptrdiff_t a_stride;
  const float* b;  // panels
  ptrdiff_t panel_stride;
  int64_t depth;
  float* c;  // (rows, 16 * panels)
  ptrdiff_t c_stride;
  bool accumulate;  // adds to c instead of overwriting it
  // If not null, the sum of each 32 products (depth is a multiple of 32) is multiplied by
  // scales[p * scale_stride + k / 32 * 16 + lane] and added to c.
  const float* scales;
  ptrdiff_t scale_stride;
};

struct FloatGemmKernel {
  const char* name;
  void (*run)(const FloatTile& tile, int64_t rows, int64_t panels);
  int depth;  // panels of this depth that run() takes at once stay in the L1 cache; 32 divides it
};

// The best kernel up to `isa`.
const FloatGemmKernel& pick_float_gemm(Isa isa);

// (rows, depth) times `columns` columns in panels, on the calling thread; c is overwritten.
struct FloatProduct {
  const float* a;
  ptrdiff_t a_stride;
  int64_t rows;
  const float* panels;  // panel_stride is 16 * depth
  int64_t columns;
  int64_t depth;
  float* c;  // (rows, columns)
  ptrdiff_t c_stride;
};
void multiply(const FloatGemmKernel& kernel, const FloatProduct& product);

// Columns first .. first + 15 of a matrix (depth, columns) as a panel; b[k * k_stride +
// column * column_stride].
void pack_panel(const float* b, ptrdiff_t k_stride, ptrdiff_t column_stride, int64_t depth,
                int64_t columns, int64_t first, float* panel);

// Distance between rows of a copied matrix: whole cache lines, an odd number of them, so that a
// few rows do not meet in the same sets of the cache.
constexpr int64_t spread(int64_t depth) { return ((depth + 15) / 16 | 1) * 16; }

}  // namespace intact
