// Operations on pairs of elements whose operands broadcast, some rows at a time.
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

// `rows` rows of `count` elements that lie side by side in the output, from element `out` on. The
// operands begin at elements a and b; they go on by a step (0 or 1) from element to element, and
// by a_next and b_next from row to row.
struct BroadcastRows {
  std::int64_t a, b, out;
  std::int64_t count;
  std::int32_t a_step, b_step;
  std::int64_t rows, a_next, b_next;
};

// Calls task(rows) until the output elements [begin, end) are done: parts of rows where the range
// begins or ends, else as many rows as the grid's last but one axis has.
template <typename Task>
void for_rows(const intact_grid& grid, std::int64_t begin, std::int64_t end, const Task& task) {
  const std::int32_t last = grid.rank - 1;
  const std::int64_t length = grid.shape[last];
  const std::int64_t height = last == 0 ? 1 : grid.shape[last - 1];
  const auto stride = [&grid](int operand, std::int32_t axis) {
    return axis < 0 ? 0 : static_cast<std::int64_t>(grid.stride[operand][axis]);
  };
  for (std::int64_t at = begin; at < end;) {
    const std::int64_t row = at / length, column = at % length;
    const std::int64_t fit = std::min((end - at) / length, height - row % height);
    const bool whole = column == 0 && fit > 0;
    const std::int64_t part = std::min(end - at, length - column);
    intact_row place;
    intact_row_seek(&grid, size(row), &place);
    const BroadcastRows rows{
        static_cast<std::int64_t>(place.offset[0]) + column * stride(0, last),
        static_cast<std::int64_t>(place.offset[1]) + column * stride(1, last),
        at,
        whole ? length : part,
        static_cast<std::int32_t>(stride(0, last)),
        static_cast<std::int32_t>(stride(1, last)),
        whole ? fit : 1,
        stride(0, last - 1),
        stride(1, last - 1)};
    task(rows);
    at += rows.rows * rows.count;
  }
}

}  // namespace intact
