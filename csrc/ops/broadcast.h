// Operations on pairs of elements whose operands broadcast, row by row.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/op.h"
#include "ops/portable.h"
#include "portable/intact_elementwise.h"

namespace intact {

inline intact_grid broadcast(const Tensor& a, const Tensor& b) {
  const Dims left(a.shape), right(b.shape);
  intact_grid grid;
  intact_broadcast(&grid, left.sizes, left.rank, right.sizes, right.rank);
  return grid;
}

// Calls row(a, b, out, count) for the runs of output elements [begin, end) along the grid's last
// axis: where the operands' elements and the output's begin, and how many there are.
template <typename Row>
void for_rows(const intact_grid& grid, std::int64_t begin, std::int64_t end, const Row& row) {
  const std::int32_t last = grid.rank - 1;
  const std::int64_t length = grid.shape[last];
  const auto a_stride = static_cast<std::int64_t>(grid.stride[0][last]);
  const auto b_stride = static_cast<std::int64_t>(grid.stride[1][last]);
  std::int64_t column = begin % length;
  intact_row place;
  intact_row_seek(&grid, size(begin / length), &place);
  for (std::int64_t at = begin; at < end;) {
    const std::int64_t count = std::min(length - column, end - at);
    row(static_cast<std::int64_t>(place.offset[0]) + column * a_stride,
        static_cast<std::int64_t>(place.offset[1]) + column * b_stride, at, count);
    at += count;
    column = 0;
    intact_row_next(&grid, &place);
  }
}

}  // namespace intact
