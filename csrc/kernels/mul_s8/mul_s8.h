// Scaled products of pairs of 8-bit codes: QMul (arithmetic.md, eq. 25).
//
//   out = clamp(rint(x scale + bias[x < 0]) + corrections, qmin, qmax),
//   x = (a' - a_zero) (b' - b_zero)
//
// a', b' are the codes as 0 .. 255: signed ones with their highest bit flipped. The product is
// exact in float32, and so is a fused multiplication and addition but for its last rounding.
// Results are signed; unsigned codes are theirs with the highest bit flipped, so that floats stay
// small. Numbers for which this gives eq. 25 are found by scale.h.
#pragma once

#include <stdint.h>

#include "cpu.h"
#include "kernels/pairs_s8/pairs_s8.h"

namespace intact {

constexpr int32_t kMulS8Corrections = 16;

struct MulS8 {
  uint8_t a_flip, b_flip, out_flip;  // 0x80 or 0
  int16_t a_zero, b_zero;
  float scale, bias[2];
  int8_t qmin, qmax;
  // Products to whose results a delta is added.
  int32_t corrections;
  int32_t key[kMulS8Corrections];
  int32_t delta[kMulS8Corrections];
};

struct MulS8Kernel {
  Isa isa;
  const char* name;
  void (*run)(const MulS8* mul, const PairRows* rows);
};

#define MUL_S8(isa, name) void name(const MulS8* mul, const PairRows* rows);
#include "kernels/mul_s8/kernels.inc"
#undef MUL_S8

// The best kernel up to this level; nullptr if there is none.
const MulS8Kernel* pick_mul_s8(Isa best);

}  // namespace intact
