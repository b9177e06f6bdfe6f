// Requantization of 8 channels at a time. For files compiled with AVX2.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/requantize/requantize.h"

namespace intact {
namespace {

// The constants of 8 channels, loaded once for many rows.
struct Requant8 {
  __m256i offset, multiplier, multiplier_odd;
  __m256i rounding_even, rounding_odd, right_even, right_odd;
  __m256i negative_even, negative_odd, bias_back, left, right_high;
  RequantKind kind;
};

// Low dwords of 64-bit lanes; the odd channels of a vector are brought there by a shift.
static inline __m256i even_dwords(__m256i x) {
  return _mm256_blend_epi32(x, _mm256_setzero_si256(), 0xAA);
}

static inline Requant8 load_requant8(const RequantView* view, int channel) {
  Requant8 r;
  r.offset = _mm256_load_si256((const __m256i*)(view->offset + channel));
  r.multiplier = _mm256_load_si256((const __m256i*)(view->multiplier + channel));
  r.multiplier_odd = _mm256_srli_epi64(r.multiplier, 32);
  const int64_t* rounding = view->rounding + channel / 16 * 16 + channel % 16 / 2;
  r.rounding_even = _mm256_load_si256((const __m256i*)rounding);
  r.rounding_odd = _mm256_load_si256((const __m256i*)(rounding + 8));
  const __m256i right = _mm256_load_si256((const __m256i*)(view->right + channel));
  r.right_even = even_dwords(right);
  r.right_odd = _mm256_srli_epi64(right, 32);
  r.right_high = _mm256_sub_epi32(right, _mm256_set1_epi32(32));
  const __m256i negative = _mm256_load_si256((const __m256i*)(view->negative + channel));
  r.negative_even = even_dwords(negative);
  r.negative_odd = _mm256_srli_epi64(negative, 32);
  r.left = _mm256_load_si256((const __m256i*)(view->left + channel));
  r.kind = view->kind;
  r.bias_back = _mm256_setzero_si256();
  if (r.kind == RequantKind::kAnyShift) {
    // AVX2 shifts 64 bits only logically: 2^62 keeps the sums positive, and bias_back takes its
    // quotient away again.
    const __m256i lift = _mm256_set1_epi64x(1ll << 62);
    r.rounding_even = _mm256_add_epi64(r.rounding_even, lift);
    r.rounding_odd = _mm256_add_epi64(r.rounding_odd, lift);
    r.bias_back = _mm256_sllv_epi32(_mm256_set1_epi32(1),
                                    _mm256_sub_epi32(_mm256_set1_epi32(62), right));
  }
  return r;
}

// x << left, saturated at int32.
static inline __m256i saturating_shift_left8(__m256i x, __m256i left) {
  const __m256i shifted = _mm256_sllv_epi32(x, left);
  const __m256i fits = _mm256_cmpeq_epi32(_mm256_srav_epi32(shifted, left), x);
  const __m256i limit = _mm256_xor_si256(_mm256_srai_epi32(x, 31), _mm256_set1_epi32(INT32_MAX));
  return _mm256_blendv_epi8(limit, shifted, fits);
}

// round(round(x m / 2^31) / 2^s) as int32 for accumulators that have their offset; the view's zero
// point is not yet added.
template <RequantKind kKind>
static inline __m256i rescale8(__m256i x, const Requant8* r) {
  if (kKind == RequantKind::kAnyShift) x = saturating_shift_left8(x, r->left);
  const __m256i x_odd = _mm256_srli_epi64(x, 32);
  __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, r->multiplier), r->rounding_even);
  __m256i odd = _mm256_add_epi64(_mm256_mul_epi32(x_odd, r->multiplier_odd), r->rounding_odd);
  if (kKind != RequantKind::kNoneBelowZero) {
    // The sign bit of a 32-bit number, in place, is 2^31 where it is negative.
    even = _mm256_sub_epi64(even, _mm256_and_si256(x, r->negative_even));
    odd = _mm256_sub_epi64(odd, _mm256_and_si256(x_odd, r->negative_odd));
  }
  if (kKind == RequantKind::kAnyShift) {
    even = _mm256_srlv_epi64(even, r->right_even);
    odd = _mm256_slli_epi64(_mm256_srlv_epi64(odd, r->right_odd), 32);
    return _mm256_sub_epi32(_mm256_blend_epi32(even, odd, 0xAA), r->bias_back);
  }
  const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
  return _mm256_srav_epi32(high, r->right_high);
}

static inline __m256i requantize8(__m256i acc, const Requant8* r) {
  const __m256i x = _mm256_add_epi32(acc, r->offset);
  switch (r->kind) {
    case RequantKind::kNoneBelowZero:
      return rescale8<RequantKind::kNoneBelowZero>(x, r);
    case RequantKind::kRightShifts:
      return rescale8<RequantKind::kRightShifts>(x, r);
    default:
      return rescale8<RequantKind::kAnyShift>(x, r);
  }
}

// The same by float steps; with the zero point.
static inline __m256i step8(__m256i x, __m256 scale, __m256 bias) {
  return _mm256_cvtps_epi32(_mm256_fmadd_ps(_mm256_cvtepi32_ps(x), scale, bias));
}

// Adds the zero point and clamps 8 numbers to the codes of channels channel .. channel + 7, in the
// low 8 bytes.
static inline __m128i to_codes8(__m256i values, const RequantView* view, int channel) {
  const __m128i words =
      _mm_adds_epi16(_mm_packs_epi32(_mm256_castsi256_si128(values),
                                     _mm256_extracti128_si256(values, 1)),
                     _mm_set1_epi16((int16_t)view->zero_point));
  const __m128i low = _mm_loadl_epi64((const __m128i*)(view->qmin + channel));
  const __m128i high = _mm_loadl_epi64((const __m128i*)(view->qmax + channel));
  if (view->is_unsigned) {
    return _mm_min_epu8(_mm_max_epu8(_mm_packus_epi16(words, words), low), high);
  }
  return _mm_min_epi8(_mm_max_epi8(_mm_packs_epi16(words, words), low), high);
}

// As to_codes8 for 8 channels of each of four vectors, results in order; their limits lie side by
// side in low and high. Packing saturates, and a zero point that rounding had is not added again.
template <RequantKind kKind>
static inline __m256i to_codes32(__m256i a, __m256i b, __m256i c, __m256i d, __m256i low,
                                 __m256i high, const RequantView* view) {
  __m256i ab = _mm256_packs_epi32(a, b), cd = _mm256_packs_epi32(c, d);
  if (kKind == RequantKind::kAnyShift) {
    const __m256i zero_point = _mm256_set1_epi16((int16_t)view->zero_point);
    ab = _mm256_adds_epi16(ab, zero_point);
    cd = _mm256_adds_epi16(cd, zero_point);
  }
  // The packs work within 128 bits.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  if (view->is_unsigned) {
    const __m256i codes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd), order);
    return view->clamps ? _mm256_min_epu8(_mm256_max_epu8(codes, low), high) : codes;
  }
  const __m256i codes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(ab, cd), order);
  return view->clamps ? _mm256_min_epi8(_mm256_max_epi8(codes, low), high) : codes;
}

// Writes the first `count` (1 .. 8) codes.
static inline void store_codes8(__m128i codes, int8_t* out, int count) {
  if (count >= 8) {
    _mm_storel_epi64((__m128i*)out, codes);
  } else {
    const int64_t bytes = _mm_cvtsi128_si64(codes);
    memcpy(out, &bytes, (size_t)count);
  }
}

}  // namespace
}  // namespace intact
