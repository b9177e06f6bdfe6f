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

inline void depthwise_row(const WideDepthwiseRow& row) {
  for_sums<kWideColumns>(
      row.taps, [&row](const int32_t* sums, int32_t first, int32_t count, ptrdiff_t at) {
        finish_row(sums, 1, 0, count, from_channel(row.columns, first), row.out + at);
      });
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
