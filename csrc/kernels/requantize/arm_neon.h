// Requantization of 4 channels at a time. For files compiled for ARM.
//
// SQRDMULH is the doubling high multiplication of eq. 10, its saturation included, and SRSHL by a
// negative count rounds to nearest with ties toward +infinity: taking 1 from negative numbers first
// makes that eq. 11's ties away from zero. (They are then above INT32_MIN: multipliers are below
// 2^31.)
#pragma once

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "kernels/requantize/requantize.h"

namespace intact {
namespace {

// The constants of 4 channels, loaded once for many rows.
struct Requant4 {
  int32x4_t multiplier, left;
  int32x4_t right;  // max(-shift, 0), negated
};

static inline Requant4 load_requant4(const RequantView* view, int channel) {
  return {vld1q_s32(view->multiplier + channel), vld1q_s32(view->left + channel),
          vsubq_s32(vdupq_n_s32(31), vld1q_s32(view->right + channel))};
}

// Eq. 13 for accumulators that have their offset.
template <RequantKind kKind>
static inline int32x4_t rescale4(int32x4_t x, const Requant4& r) {
  if (kKind == RequantKind::kAnyShift) x = vqshlq_s32(x, r.left);
  x = vqrdmulhq_s32(x, r.multiplier);
  if (kKind != RequantKind::kNoneBelowZero) {
    // The sign of x remains where the shift is not 0.
    x = vsraq_n_s32(x, vandq_s32(x, r.right), 31);
  }
  return vrshlq_s32(x, r.right);
}

// 16 numbers, saturated to int16_t, with the zero point.
struct Words16 {
  int16x8_t low, high;
};

static inline int16x8_t zero_points(const RequantView* view) {
  return vdupq_n_s16((int16_t)view->codes_zero_point);
}

static inline Words16 to_words16(int32x4_t a, int32x4_t b, int32x4_t c, int32x4_t d,
                                 int16x8_t zero_point) {
  return {vqaddq_s16(vqmovn_high_s32(vqmovn_s32(a), b), zero_point),
          vqaddq_s16(vqmovn_high_s32(vqmovn_s32(c), d), zero_point)};
}

// Codes within limits, which are signed ...
static inline int8x16_t to_int8(const Words16& words, int8x16_t low, int8x16_t high) {
  return vminq_s8(vmaxq_s8(vqmovn_high_s16(vqmovn_s16(words.low), words.high), low), high);
}

// ... or whose type is the view's.
static inline uint8x16_t to_codes16(const Words16& words, int8x16_t low, int8x16_t high,
                                    const RequantView* view) {
  if (view->is_unsigned) {
    const uint8x16_t codes = vqmovun_high_s16(vqmovun_s16(words.low), words.high);
    return vminq_u8(vmaxq_u8(codes, vreinterpretq_u8_s8(low)), vreinterpretq_u8_s8(high));
  }
  return vreinterpretq_u8_s8(to_int8(words, low, high));
}

// Writes the first `count` codes, if there are not 16 of them.
static inline void store_part16(uint8_t* out, uint8x16_t codes, int count) {
  if (count >= 16) return vst1q_u8(out, codes);
  uint8_t bytes[16];
  vst1q_u8(bytes, codes);
  memcpy(out, bytes, (size_t)count);
}

}  // namespace
}  // namespace intact
