// The right-hand side of a product of 8-bit matrices, in the panels of a kernel.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace intact {

// K is cut into segments of equal size. Element k of a segment in column n of panel p lies at
// [segment][k / group][n - first column][k % group]; segments are filled up to a whole group, and
// columns to a whole granule, with zeros.
class PanelLayout {
 public:
  PanelLayout(const GemmS8Kernel& kernel, int depth, int columns, int segments = 1);

  int depth() const { return depth_; }
  int columns() const { return columns_; }
  int segments() const { return segments_; }
  int segment_depth() const { return depth_ / segments_; }
  int groups() const { return groups_; }  // of a segment
  int panels() const { return panels_; }
  // Columns of panel p that exist.
  int width(int panel) const;
  // Columns of panel p with the filling.
  int padded_width(int panel) const;
  // Byte at which panel p begins, a multiple of 64.
  std::size_t begin(int panel) const;
  std::size_t bytes() const { return begin(panels_); }

 private:
  int panel_, granule_, group_, depth_, columns_, segments_, groups_, panels_;
};

// Packs weight (columns, depth), one row for each column of the product, and returns the sum of
// each row.
std::vector<std::int32_t> pack_rows(const GemmS8Kernel& kernel, const PanelLayout& layout,
                                    std::span<const std::int8_t> weight, std::int8_t* packed);

// Whether sums of two products with these weights are within 16 bits: GemmS8Tile::pairs_fit.
inline std::int32_t pairs_fit(std::span<const std::int8_t> weight) {
  return std::find(weight.begin(), weight.end(), INT8_MIN) == weight.end() ? 1 : 0;
}

// bias - centre * sum for each column: what makes accumulators of codes those of codes - centre.
// Modulo 2^32, as accumulators are; with their bias they fit.
std::vector<std::int32_t> offsets_of(std::span<const std::int32_t> bias, std::int32_t centre,
                                     std::span<const std::int32_t> sums);

// Packs b (depth, columns), row-major, of codes: int8_t, or uint8_t less 128 if `is_unsigned`.
// `sums` receives the sum of each column of what was packed. `packed` need not be zeroed.
void pack_columns(const GemmS8Kernel& kernel, const PanelLayout& layout, const std::uint8_t* b,
                  bool is_unsigned, std::int8_t* packed, std::int32_t* sums);

}  // namespace intact
