// One output row of a depthwise convolution, channels last, that is summed up channel by channel.
//
// Plain C++ that compilers turn into vectors, for files compiled for any level.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace intact {

template <typename Code>
struct TapRows {
  const Code* x;         // the row of x at the first tap that is inside, column 0
  const Code* weight;    // (taps, channels), from that tap's row on
  ptrdiff_t row_stride;  // of x, between the rows of taps
  int32_t rows;          // of taps that are inside
  int32_t taps;          // columns of the kernel
  int32_t width;         // of x
  int32_t channels;
  int32_t out_width;
  int32_t stride;
  int32_t dilation;
  int32_t before;  // padding on the left
};

namespace {

// Adds the products of channels first .. first + count - 1 under the window that begins at column
// `start` to sums; kMost of them stay in registers.
template <int32_t kMost, typename Code>
inline void add_taps(const TapRows<Code>& row, int32_t start, int32_t first, int32_t count,
                     int32_t (&sums)[kMost]) {
  for (int32_t i = 0; i < row.rows; ++i) {
    const Code* x = row.x + i * row.row_stride + first;
    const Code* weight = row.weight + static_cast<ptrdiff_t>(i) * row.taps * row.channels + first;
    for (int32_t j = 0; j < row.taps; ++j, weight += row.channels) {
      const int32_t column = start + j * row.dilation;
      if (column < 0 || column >= row.width) continue;
      const Code* pixel = x + static_cast<ptrdiff_t>(column) * row.channels;
      if (count == kMost) {
        for (int32_t c = 0; c < kMost; ++c) sums[c] += pixel[c] * weight[c];
      } else {
        for (int32_t c = 0; c < count; ++c) sums[c] += pixel[c] * weight[c];
      }
    }
  }
}

// Calls finish(sums, first channel, channels, output's first element) for up to kMost channels of a
// pixel at a time.
template <int32_t kMost, typename Code, typename Finish>
inline void for_sums(const TapRows<Code>& row, const Finish& finish) {
  for (int32_t pixel = 0; pixel < row.out_width; ++pixel) {
    const int32_t start = pixel * row.stride - row.before;
    for (int32_t first = 0; first < row.channels; first += kMost) {
      const int32_t left = row.channels - first, count = left < kMost ? left : kMost;
      int32_t sums[kMost] = {};
      add_taps<kMost>(row, start, first, count, sums);
      finish(sums, first, count, static_cast<ptrdiff_t>(pixel) * row.channels + first);
    }
  }
}

}  // namespace
}  // namespace intact
