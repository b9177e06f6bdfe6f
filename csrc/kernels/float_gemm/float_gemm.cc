#include "kernels/float_gemm/float_gemm.h"

#include <algorithm>
#include <cstring>

namespace intact {

#define FLOAT_GEMM(isa, function, depth) \
  void function(const FloatTile& tile, int64_t rows, int64_t panels);
#include "kernels/float_gemm/kernels.inc"
#undef FLOAT_GEMM

namespace {

struct Entry {
  Isa isa;
  FloatGemmKernel kernel;
};

constexpr Entry kEntries[] = {
#define FLOAT_GEMM(isa, function, depth) {Isa::isa, {#function, &function, depth}},
#include "kernels/float_gemm/kernels.inc"
#undef FLOAT_GEMM
};

constexpr int64_t kRows = 48;             // of a block, whose part of a stays in the L2 cache
constexpr int64_t kColumns = 4 * kPanel;  // of a block: a single row takes 4 panels at once

// One block of rows times a few panels, through all of the depth. `columns` may end inside of the
// last panel: that is computed aside.
void multiply_block(const FloatGemmKernel& kernel, const FloatProduct& product, int64_t row,
                    int64_t column) {
  const int64_t rows = std::min(kRows, product.rows - row);
  const int64_t columns = std::min(kColumns, product.columns - column);
  const int64_t whole = columns / kPanel;
  const bool ragged = columns % kPanel != 0;
  float aside[kRows * kPanel];
  float* const c = product.c + row * product.c_stride + column;
  for (int64_t k = 0; k < product.depth; k += kernel.depth) {
    FloatTile tile{};
    tile.a = product.a + row * product.a_stride + k;
    tile.a_stride = product.a_stride;
    tile.b = product.panels + column * product.depth + k * kPanel;
    tile.panel_stride = product.depth * kPanel;
    tile.depth = std::min<int64_t>(kernel.depth, product.depth - k);
    tile.c = c;
    tile.c_stride = product.c_stride;
    tile.accumulate = k != 0;
    if (whole != 0) kernel.run(tile, rows, whole);
    if (ragged) {
      tile.b += whole * tile.panel_stride;
      tile.c = aside;
      tile.c_stride = kPanel;
      kernel.run(tile, rows, 1);
    }
  }
  if (!ragged) return;
  for (int64_t r = 0; r < rows; ++r) {
    std::memcpy(c + r * product.c_stride + whole * kPanel, aside + r * kPanel,
                static_cast<size_t>(columns % kPanel) * sizeof(float));
  }
}

}  // namespace

const FloatGemmKernel& pick_float_gemm(Isa isa) {
  const Entry* entry = kEntries;
  while (entry->isa > isa) ++entry;
  return entry->kernel;
}

void multiply(const FloatGemmKernel& kernel, const FloatProduct& product) {
  if (product.depth == 0) {
    for (int64_t r = 0; r < product.rows; ++r) {
      std::fill_n(product.c + r * product.c_stride, product.columns, 0.0f);
    }
    return;
  }
  for (int64_t row = 0; row < product.rows; row += kRows) {
    for (int64_t column = 0; column < product.columns; column += kColumns) {
      multiply_block(kernel, product, row, column);
    }
  }
}

void pack_panel(const float* b, ptrdiff_t k_stride, ptrdiff_t column_stride, int64_t depth,
                int64_t columns, int64_t first, float* panel) {
  const int64_t count = std::min<int64_t>(kPanel, columns - first);
  const float* source = b + first * column_stride;
  if (count < kPanel) std::fill_n(panel, depth * kPanel, 0.0f);
  if (column_stride == 1) {
    for (int64_t k = 0; k < depth; ++k) {
      std::copy_n(source + k * k_stride, count, panel + k * kPanel);
    }
    return;
  }
  for (int64_t lane = 0; lane < count; ++lane) {
    for (int64_t k = 0; k < depth; ++k) {
      panel[k * kPanel + lane] = source[lane * column_stride + k * k_stride];
    }
  }
}

}  // namespace intact
