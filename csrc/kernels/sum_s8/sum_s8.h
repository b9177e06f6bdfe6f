// Weighted sums of pairs of 8-bit codes: QAdd and QSub (arithmetic.md, eq. 24).
//
//   out = clamp(floor((a' p + b' q + c) / 2^f) + corrections, qmin, qmax)
//
// a', b' are the codes as 0 .. 255: signed ones with their highest bit flipped. p, q and c come in
// halves of 15 bits, x = 2^15 x_high + x_low with 0 <= x_low < 2^15, so that pairs of products of
// 16 bits do: floor(... / 2^15) = a' p_high + b' q_high + c_high + floor((a' p_low + ...) / 2^15).
// Numbers for which this gives eq. 24 are found by plane.h.
#pragma once

#include <stdint.h>

#include "cpu.h"
#include "kernels/pairs_s8/pairs_s8.h"

namespace intact {

constexpr int32_t kSumS8Corrections = 16;

struct SumS8 {
  uint8_t a_flip, b_flip;   // 0x80 where codes are signed
  int16_t high[2], low[2];  // p, q
  int32_t c_high, c_low;
  int32_t shift;        // f - 15, 0 .. 31
  int8_t qmin, qmax;    // bit patterns: of uint8_t if is_unsigned
  int32_t is_unsigned;  // the output
  // Pairs (a', b') = (key % 2^16, key / 2^16) to whose results a delta is added.
  int32_t corrections;
  int32_t key[kSumS8Corrections];
  int32_t delta[kSumS8Corrections];
};

struct SumS8Kernel {
  Isa isa;
  const char* name;
  void (*run)(const SumS8* sum, const PairRows* rows);
};

#define SUM_S8(isa, name) void name(const SumS8* sum, const PairRows* rows);
#include "kernels/sum_s8/kernels.inc"
#undef SUM_S8

// The best kernel up to this level; nullptr if there is none.
const SumS8Kernel* pick_sum_s8(Isa best);

}  // namespace intact
