// What softmax kernels do once for each row.
#pragma once

#include "kernels/softmax_s8/softmax_s8.h"
#include "portable/intact_softmax.h"

namespace intact {
namespace {

constexpr int kRowsTogether = 8;  // their reciprocals take long, but do not wait for each other

// codes = (e scale + nudge) >> shift, of 64 bits.
struct SoftmaxRow {
  uint8_t largest;  // of unsigned codes, or of signed ones + 128
  uint32_t scale;
  uint64_t nudge;
  int32_t shift;
};

// From the sum of a row, which is at least 2^19.
static inline SoftmaxRow softmax_row(uint8_t largest, uint32_t total, int32_t bits) {
  const int32_t headroom = __builtin_clz(total);
  const int32_t scale =
      intact_one_over_one_plus_x((int32_t)((total << headroom) - ((uint32_t)1 << 31)));
  const int32_t right = 43 - headroom - bits;
  // Numbers below 2^31 that are shifted by more are 0 when rounded.
  if (right > 31) return {largest, 0, 0, 63};
  return {largest, (uint32_t)scale, (1ull << 30) + (1ull << (30 + right)), 31 + right};
}

}  // namespace
}  // namespace intact
