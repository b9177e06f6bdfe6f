// Accumulators to 8-bit codes, for channels that lie side by side (arithmetic.md, eq. 13 and 15).
//
// Both roundings of eq. 13 are one 64-bit shift. With s = -shift >= 1, and floor divisions nested,
//   round(round(x m / 2^31) / 2^s) = floor((x m + rounding - [x < 0] negative) / 2^(31 + s)),
//   rounding = 2^30 + 2^(30 + s), negative = 2^31 (ties of the second rounding go away from zero).
// [x < 0] stands for [round(x m / 2^31) < 0]: they differ only where the latter is 0 and both give
// 0. With s = 0 there is no second rounding: rounding = 2^30, negative = 0.
//
// Where all channels have s >= 1, the shift is one of 64-bit products by 32, which is none: their
// high halves are taken; and one of these by s - 1. The zero point may then be added before, as
// 2^(31 + s) zero_point. Where in addition no code is below the zero point, as behind a ReLU,
// `negative` does not matter: x < 0 gives at most the zero point with or without it.
#pragma once

#include <stdint.h>

namespace intact {

enum class RequantKind : int32_t {
  kAnyShift,
  kRightShifts,    // shift < 0 for all channels; rounding has the zero point
  kNoneBelowZero,  // and codes begin at the zero point
};

// One entry for each channel, padded with zeros to a multiple of 64 channels. Pointers are aligned
// to 64 bytes; kernels may load whole vectors at any channel that is a multiple of 8.
struct RequantView {
  const int32_t* offset;      // added to the accumulator before anything else
  const int32_t* multiplier;  // Q0.31
  const int32_t* left;        // max(shift, 0)
  const int32_t* right;       // 31 + max(-shift, 0): bits of the final shift
  const int64_t* rounding;    // of 16 channels: the even ones, then the odd ones
  const int32_t* negative;    // 2^31 as a bit pattern, or 0
  const int8_t* qmin;         // bit patterns: of uint8_t if is_unsigned
  const int8_t* qmax;
  // Blocks of 16 channels that have a float step (float_step.h), which takes the place of all but
  // offset and the clamp: 1 for each such block; null: there are none.
  const uint8_t* in_float;
  const float* scale;
  const float* bias;
  int32_t zero_point;         // still to be added; 0 where rounding has it
  int32_t codes_zero_point;   // of the codes, wherever else it is
  RequantKind kind;
  int32_t clamps;             // 0: qmin and qmax are the ends of the type
  int32_t is_unsigned;        // the codes are uint8_t
};

}  // namespace intact
