// Requantization of 16 channels at a time. For files compiled with AVX-512 F, BW, DQ and VL.
#pragma once

#include <immintrin.h>

#include "kernels/requantize/requantize.h"

namespace intact {
namespace {

// The constants of 16 channels, loaded once for many rows.
struct Requant16 {
  __m512i offset, multiplier, multiplier_odd;
  __m512i rounding_even, rounding_odd, right_even, right_odd;
  __m512i negative_even, negative_odd, left, right_high;
  RequantKind kind;
};

static inline Requant16 load_requant16(const RequantView* view, int channel) {
  Requant16 r;
  r.offset = _mm512_loadu_si512(view->offset + channel);
  r.multiplier = _mm512_loadu_si512(view->multiplier + channel);
  r.multiplier_odd = _mm512_srli_epi64(r.multiplier, 32);
  r.rounding_even = _mm512_loadu_si512(view->rounding + channel);
  r.rounding_odd = _mm512_loadu_si512(view->rounding + channel + 8);
  const __m512i right = _mm512_loadu_si512(view->right + channel);
  const __m512i low_dwords = _mm512_set1_epi64(0xFFFFFFFFll);
  r.right_even = _mm512_and_si512(right, low_dwords);
  r.right_odd = _mm512_srli_epi64(right, 32);
  r.right_high = _mm512_sub_epi32(right, _mm512_set1_epi32(32));
  const __m512i negative = _mm512_loadu_si512(view->negative + channel);
  r.negative_even = _mm512_and_si512(negative, low_dwords);
  r.negative_odd = _mm512_srli_epi64(negative, 32);
  r.left = _mm512_loadu_si512(view->left + channel);
  r.kind = view->kind;
  return r;
}

// x << left, saturated at int32.
static inline __m512i saturating_shift_left16(__m512i x, __m512i left) {
  const __m512i shifted = _mm512_sllv_epi32(x, left);
  const __mmask16 lost = _mm512_cmpneq_epi32_mask(_mm512_srav_epi32(shifted, left), x);
  const __m512i limit = _mm512_xor_si512(_mm512_srai_epi32(x, 31), _mm512_set1_epi32(INT32_MAX));
  return _mm512_mask_mov_epi32(shifted, lost, limit);
}

// round(round(x m / 2^31) / 2^s) as int32 for accumulators that have their offset; the view's zero
// point is not yet added.
template <RequantKind kKind>
static inline __m512i rescale16(__m512i x, const Requant16* r) {
  if (kKind == RequantKind::kAnyShift) x = saturating_shift_left16(x, r->left);
  const __m512i x_odd = _mm512_srli_epi64(x, 32);
  __m512i even = _mm512_add_epi64(_mm512_mul_epi32(x, r->multiplier), r->rounding_even);
  __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(x_odd, r->multiplier_odd), r->rounding_odd);
  if (kKind != RequantKind::kNoneBelowZero) {
    // The sign bit of a 32-bit number, in place, is 2^31 where it is negative.
    even = _mm512_sub_epi64(even, _mm512_and_si512(x, r->negative_even));
    odd = _mm512_sub_epi64(odd, _mm512_and_si512(x_odd, r->negative_odd));
  }
  if (kKind == RequantKind::kAnyShift) {
    even = _mm512_srav_epi64(even, r->right_even);
    odd = _mm512_srav_epi64(odd, r->right_odd);
    return _mm512_mask_shuffle_epi32(even, 0xAAAA, odd, _MM_PERM_CCAA);
  }
  const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
  return _mm512_srav_epi32(high, r->right_high);
}

static inline __m512i requantize16(__m512i acc, const Requant16* r) {
  const __m512i x = _mm512_add_epi32(acc, r->offset);
  switch (r->kind) {
    case RequantKind::kNoneBelowZero:
      return rescale16<RequantKind::kNoneBelowZero>(x, r);
    case RequantKind::kRightShifts:
      return rescale16<RequantKind::kRightShifts>(x, r);
    default:
      return rescale16<RequantKind::kAnyShift>(x, r);
  }
}

// The same by float steps; with the zero point.
static inline __m512i step16(__m512i x, __m512 scale, __m512 bias) {
  return _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(x), scale, bias));
}

// Adds the zero point and clamps 16 numbers to the codes of channels channel .. channel + 15.
static inline __m128i to_codes16(__m512i values, const RequantView* view, int channel) {
  const __m256i words = _mm256_adds_epi16(_mm512_cvtsepi32_epi16(values),
                                          _mm256_set1_epi16((int16_t)view->zero_point));
  const __m128i low = _mm_loadu_si128((const __m128i*)(view->qmin + channel));
  const __m128i high = _mm_loadu_si128((const __m128i*)(view->qmax + channel));
  if (view->is_unsigned) {
    const __m128i codes =
        _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    return _mm_min_epu8(_mm_max_epu8(codes, low), high);
  }
  return _mm_min_epi8(_mm_max_epi8(_mm256_cvtsepi16_epi8(words), low), high);
}

// As to_codes16 for 16 channels of each of four vectors, results in order; their limits lie side by
// side in low and high. Packing saturates, and a zero point that rounding had is not added again.
template <RequantKind kKind>
static inline __m512i to_codes64(__m512i a, __m512i b, __m512i c, __m512i d, __m512i low,
                                 __m512i high, const RequantView* view) {
  __m512i ab = _mm512_packs_epi32(a, b), cd = _mm512_packs_epi32(c, d);
  if (kKind == RequantKind::kAnyShift) {
    const __m512i zero_point = _mm512_set1_epi16((int16_t)view->zero_point);
    ab = _mm512_adds_epi16(ab, zero_point);
    cd = _mm512_adds_epi16(cd, zero_point);
  }
  // The packs work within 128 bits: dword 4 l + v holds channels 16 v + 4 l .. + 3.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  if (view->is_unsigned) {
    const __m512i codes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(ab, cd));
    return view->clamps ? _mm512_min_epu8(_mm512_max_epu8(codes, low), high) : codes;
  }
  const __m512i codes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(ab, cd));
  return view->clamps ? _mm512_min_epi8(_mm512_max_epi8(codes, low), high) : codes;
}

}  // namespace
}  // namespace intact
