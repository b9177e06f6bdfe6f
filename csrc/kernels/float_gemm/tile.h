// The micro-kernel over a vector type V, for the files of this folder.
//
// V has: type, kLanes, zero(), load(), store(), broadcast(), multiply_add(a, b, c) = a * b + c.
#pragma once

#include "kernels/float_gemm/float_gemm.h"

namespace intact {
namespace {

// Calls body(0) ... body(kCount - 1) with constants: arrays that it indexes stay in registers,
// which a loop does not promise.
template <int kCount, class Body>
[[gnu::always_inline]] inline void unrolled(const Body& body) {
  if constexpr (kCount > 1) unrolled<kCount - 1>(body);
  body(kCount - 1);
}

template <class V, int kRows, int kPanels>
struct Sums {
  static constexpr int kParts = kPanel / V::kLanes;  // vectors of one panel
  static constexpr int kVectors = kPanels * kParts;
  typename V::type at[kRows][kVectors];

  template <class Body>
  [[gnu::always_inline]] static void each(const Body& body) {
    unrolled<kRows>([&](int r) __attribute__((always_inline)) {
      unrolled<kVectors>([&](int v) __attribute__((always_inline)) { body(r, v); });
    });
  }

  // Where vector v of a row of panels begins.
  static constexpr ptrdiff_t place(int v, ptrdiff_t panel_stride) {
    return v / kParts * panel_stride + v % kParts * V::kLanes;
  }

  // Adds the products of `depth` values of k.
  [[gnu::always_inline]] void add(const float* a, ptrdiff_t a_stride, const float* b,
                                  ptrdiff_t panel_stride, int64_t depth) {
    for (int64_t k = 0; k < depth; ++k) {
      typename V::type column[kVectors];
      unrolled<kVectors>([&](int v) __attribute__((always_inline)) {
        column[v] = V::load(b + place(v, panel_stride) + k * kPanel);
      });
      unrolled<kRows>([&](int r) __attribute__((always_inline)) {
        const typename V::type x = V::broadcast(a + r * a_stride + k);
        unrolled<kVectors>([&](int v) __attribute__((always_inline)) {
          at[r][v] = V::multiply_add(x, column[v], at[r][v]);
        });
      });
    }
  }
};

template <class V, int kRows, int kPanels>
inline void multiply_tile(const FloatTile& tile, const float* a, const float* b, float* c) {
  using Tile = Sums<V, kRows, kPanels>;
  Tile sums;
  if (tile.accumulate) {
    Tile::each([&](int r, int v) __attribute__((always_inline)) {
      sums.at[r][v] = V::load(c + r * tile.c_stride + v * V::kLanes);
    });
  } else {
    Tile::each([&](int r, int v) __attribute__((always_inline)) { sums.at[r][v] = V::zero(); });
  }
  sums.add(a, tile.a_stride, b, tile.panel_stride, tile.depth);
  Tile::each([&](int r, int v) __attribute__((always_inline)) {
    V::store(c + r * tile.c_stride + v * V::kLanes, sums.at[r][v]);
  });
}

// The same with a scale for each group of k.
template <class V, int kRows, int kPanels>
inline void multiply_scaled_tile(const FloatTile& tile, const float* a, const float* b,
                                 const float* scales, float* c) {
  using Tile = Sums<V, kRows, kPanels>;
  bool accumulate = tile.accumulate;
  for (int64_t k = 0; k < tile.depth; k += kScaleGroup) {
    Tile sums;
    Tile::each([&](int r, int v) __attribute__((always_inline)) { sums.at[r][v] = V::zero(); });
    sums.add(a + k, tile.a_stride, b + k * kPanel, tile.panel_stride, kScaleGroup);
    const float* scale = scales + k / kScaleGroup * kPanel;
    Tile::each([&](int r, int v) __attribute__((always_inline)) {
      float* out = c + r * tile.c_stride + v * V::kLanes;
      const typename V::type total = accumulate ? V::load(out) : V::zero();
      V::store(out, V::multiply_add(sums.at[r][v],
                                    V::load(scale + Tile::place(v, tile.scale_stride)), total));
    });
    accumulate = true;
  }
}

// As many rows as kRows, or fewer.
template <class V, int kRows, int kPanels>
inline void multiply_up_to(const FloatTile& tile, int64_t rows, int64_t row, int64_t panel) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_up_to<V, kRows - 1, kPanels>(tile, rows, row, panel);
  }
  const float* a = tile.a + row * tile.a_stride;
  const float* b = tile.b + panel * tile.panel_stride;
  float* c = tile.c + row * tile.c_stride + panel * kPanel;
  if (tile.scales == nullptr) {
    multiply_tile<V, kRows, kPanels>(tile, a, b, c);
  } else {
    multiply_scaled_tile<V, kRows, kPanels>(tile, a, b, tile.scales + panel * tile.scale_stride, c);
  }
}

// All rows of `kPanels` panels, in tiles of about the same size.
template <class V, int kRows, int kPanels>
inline void multiply_rows(const FloatTile& tile, int64_t rows, int64_t panel) {
  int64_t tiles = (rows + kRows - 1) / kRows;
  for (int64_t row = 0; row < rows; --tiles) {
    const int64_t count = (rows - row + tiles - 1) / tiles;
    multiply_up_to<V, kRows, kPanels>(tile, count, row, panel);
    row += count;
  }
}

// A few rows take more panels at once: enough independent sums to hide the latency of an addition.
template <class V, int kRows, int kPanels, int kPanelsOfOneRow>
inline void multiply_panels(const FloatTile& tile, int64_t rows, int64_t panels) {
  int64_t p = 0;
  if (rows == 1) {
    for (; p + kPanelsOfOneRow <= panels; p += kPanelsOfOneRow) {
      multiply_rows<V, 1, kPanelsOfOneRow>(tile, rows, p);
    }
  }
  for (; p + kPanels <= panels; p += kPanels) multiply_rows<V, kRows, kPanels>(tile, rows, p);
  for (; p < panels; ++p) multiply_rows<V, kRows, 1>(tile, rows, p);
}

}  // namespace
}  // namespace intact
