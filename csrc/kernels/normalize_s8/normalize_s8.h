// Layer and group normalization of 8-bit codes (doc/arithmetic.md, section 8).
//
// A row has at most kLongestRow elements, so that |d| = |n q - S| < 2^24 and, as d^2 <= n V,
// |t| <= sqrt(n) 2^20 < 2^27: nothing saturates before the last clamp. Both roundings of eq. 47 are
// done in 32 bits, the second with shifts of at least 1: round(h / 2^s) away from zero is
// (h - [h < 0] + 2^(s-1)) >> s, and eq. 48's division by 2^8 likewise.
#pragma once

#include <stdint.h>

#include "cpu.h"

namespace intact {

constexpr int32_t kLongestRow = 8191;

// Eq. 46 of one row: t = (d inverse + 2^(shift - 1)) >> shift with d = count q - total. `inverse`
// is below 2^31: where it is not, it is halved, and count and total doubled.
struct NormalizeRow {
  int32_t count;  // below 2^15
  int32_t total;
  int32_t inverse;
  int32_t shift;  // 1 .. 32
};

// Eq. 47 and 48: one entry for each channel, and 64 more that are read but do not matter.
struct NormalizeView {
  const int32_t* multiplier;  // with the sign of gamma
  const int32_t* right;       // 1 .. 31
  const int32_t* half;        // 2^(right - 1)
  const int32_t* beta;        // below 2^30
  int32_t zero_point;         // of one byte, as qmin and qmax
  int32_t qmin;
  int32_t qmax;
  int32_t x_unsigned;
  int32_t y_unsigned;
};

struct NormalizeS8Kernel {
  Isa isa;
  const char* name;
  // Adds sum q and sum q^2 of at most kLongestRow codes to sums[0] and sums[1].
  void (*sum)(const uint8_t* x, int64_t count, int32_t is_unsigned, int64_t* sums);
  // Codes of `count` elements of a row, the first of which belongs to `channel`.
  void (*run)(const uint8_t* x, uint8_t* y, int64_t count, int64_t channel, const NormalizeRow* row,
              const NormalizeView* view);
};

#define NORMALIZE_S8(isa, name)                                                         \
  void name##_sum(const uint8_t* x, int64_t count, int32_t is_unsigned, int64_t* sums); \
  void name##_run(const uint8_t* x, uint8_t* y, int64_t count, int64_t channel,         \
                  const NormalizeRow* row, const NormalizeView* view);
#include "kernels/normalize_s8/kernels.inc"
#undef NORMALIZE_S8

// The best kernel up to this level; nullptr if there is none.
const NormalizeS8Kernel* pick_normalize_s8(Isa best);

}  // namespace intact
