// Maxima, and sums that become averages (arithmetic.md, eq. 49) or means (eq. 50), of the pixels of
// a window, for channels of 8-bit codes that lie side by side.
#pragma once

#include <stdint.h>

#include "cpu.h"
#include "kernels/requantize/requantize.h"

namespace intact {

// At least one pixel; strides in bytes.
struct PixelWindow {
  const uint8_t* first;
  int64_t rows, row_stride;
  int64_t columns, column_stride;
};

// The most pixels that `divide` takes: sums and quotients are exact in float32.
constexpr int32_t kPoolS8Pixels = 1 << 14;

struct PoolS8Kernel {
  Isa isa;
  const char* name;
  // out[c] = the largest code of channel c.
  void (*maximum)(const PixelWindow* window, int64_t channels, int32_t is_signed, uint8_t* out);
  // sums[c] = the sum of codes modulo 2^32; `flip` 0x80 makes signed codes 0 .. 255.
  void (*sum)(const PixelWindow* window, int64_t channels, uint8_t flip, int32_t* sums);
  // out[c] = the low byte of (sums[c] + offset) / count, rounded half away from zero.
  void (*divide)(const int32_t* sums, int64_t channels, int32_t offset, int32_t count,
                 uint8_t* out);
  // out[c] = the code of sums[c] + offset, by the view's first channels, which are all the same.
  void (*requantize)(const int32_t* sums, int64_t channels, int32_t offset,
                     const RequantView* requant, uint8_t* out);
};

#define POOL_S8(isa, name)                                                                        \
  void name##_maximum(const PixelWindow* window, int64_t channels, int32_t is_signed,             \
                      uint8_t* out);                                                              \
  void name##_sum(const PixelWindow* window, int64_t channels, uint8_t flip, int32_t* sums);      \
  void name##_divide(const int32_t* sums, int64_t channels, int32_t offset, int32_t count,        \
                     uint8_t* out);                                                               \
  void name##_requantize(const int32_t* sums, int64_t channels, int32_t offset,                   \
                         const RequantView* requant, uint8_t* out);
#include "kernels/pool_s8/kernels.inc"
#undef POOL_S8

// The best kernel up to this level; nullptr if there is none.
const PoolS8Kernel* pick_pool_s8(Isa best);

}  // namespace intact
