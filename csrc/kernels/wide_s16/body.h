// The loops of all levels: plain C++ that compilers turn into vectors, for the files of this
// folder.
#pragma once

#include "kernels/wide_s16/wide_s16.h"

namespace intact {
namespace {

inline WideColumns from_channel(const WideColumns& all, ptrdiff_t first) {
  return {all.bias + first, all.multiplier + first, all.right + first,
          all.qmin + first, all.qmax + first,       all.zero_point};
}

inline void finish_row(const int32_t* sums, int32_t parts, ptrdiff_t part, int32_t count,
                       const WideColumns& columns, int16_t* out) {
  int64_t acc[kWideColumns];
  for (int32_t i = 0; i < count; ++i) acc[i] = columns.bias[i] + sums[i];
  for (int32_t p = 1; p < parts; ++p) {
    for (int32_t i = 0; i < count; ++i) acc[i] += sums[p * part + i];
  }
  for (int32_t i = 0; i < count; ++i) {
    const int64_t right = columns.right[i];
    const int64_t half = static_cast<int64_t>(1) << (right - 1);
    int64_t code = ((acc[i] * columns.multiplier[i] + half) >> right) + columns.zero_point;
    code = code < columns.qmin[i] ? columns.qmin[i] : code;
    code = code > columns.qmax[i] ? columns.qmax[i] : code;
    out[i] = static_cast<int16_t>(code);
  }
}

// Channels first .. first + count - 1 of the pixel whose window begins at column `start`.
inline void depthwise_pixel(const WideDepthwiseRow& row, int32_t start, int32_t first,
                            int32_t count, int16_t* out) {
  int32_t sums[kWideColumns] = {};
  for (int32_t i = 0; i < row.rows; ++i) {
    const int16_t* x = row.x + i * row.row_stride + first;
    const int16_t* weight =
        row.weight + static_cast<ptrdiff_t>(i) * row.taps * row.channels + first;
    for (int32_t j = 0; j < row.taps; ++j, weight += row.channels) {
      const int32_t column = start + j * row.dilation;
      if (column < 0 || column >= row.width) continue;
      const int16_t* pixel = x + static_cast<ptrdiff_t>(column) * row.channels;
      if (count == kWideColumns) {
        for (int32_t c = 0; c < kWideColumns; ++c) sums[c] += pixel[c] * weight[c];
      } else {
        for (int32_t c = 0; c < count; ++c) sums[c] += pixel[c] * weight[c];
      }
    }
  }
  finish_row(sums, 1, 0, count, from_channel(row.columns, first), out);
}

inline void depthwise_row(const WideDepthwiseRow& row) {
  for (int32_t pixel = 0; pixel < row.out_width; ++pixel) {
    int16_t* out = row.out + static_cast<ptrdiff_t>(pixel) * row.channels;
    const int32_t start = pixel * row.stride - row.before;
    for (int32_t c = 0; c < row.channels; c += kWideColumns) {
      const int32_t left = row.channels - c;
      depthwise_pixel(row, start, c, left < kWideColumns ? left : kWideColumns, out + c);
    }
  }
}

}  // namespace
}  // namespace intact

// The functions of one level.
#define INTACT_WIDE_S16(name)                                                           \
  namespace intact {                                                                    \
  void name##_finish(const int32_t* sums, int32_t parts, ptrdiff_t part, int32_t count, \
                     const WideColumns* columns, int16_t* out) {                        \
    finish_row(sums, parts, part, count, *columns, out);                                \
  }                                                                                     \
  void name##_depthwise(const WideDepthwiseRow* row) { depthwise_row(*row); }           \
  }
