#include "kernels/bilinear_s8/bilinear_s8.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

// 1024 low + fraction (high - low).
static inline __m512i blend16(__m512i low, __m512i high, __m512i fraction) {
  const __m512i rise = _mm512_mullo_epi32(_mm512_sub_epi32(high, low), fraction);
  return _mm512_add_epi32(_mm512_slli_epi32(low, 10), rise);
}

template <bool kSigned>
static inline __m512i load_codes16(const uint8_t* codes, __mmask16 lanes) {
  const __m128i bytes = _mm_maskz_loadu_epi8(lanes, codes);
  return kSigned ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
}

template <bool kSigned>
static inline void blend(const uint8_t* top, const uint8_t* bottom, int32_t fraction,
                         int64_t count, int32_t* out) {
  const __m512i fractions = _mm512_set1_epi32(fraction);
  for (int64_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = first_lanes16(count - i);
    const __m512i blended = blend16(load_codes16<kSigned>(top + i, lanes),
                                    load_codes16<kSigned>(bottom + i, lanes), fractions);
    _mm512_mask_storeu_epi32(out + i, lanes, blended);
  }
}

// round(x / 2^20), ties away from zero.
static inline __m512i rounded16(__m512i x) {
  const __m512i half = _mm512_set1_epi32(1 << 19);
  const __m512i moved = _mm512_add_epi32(_mm512_add_epi32(x, half), _mm512_srai_epi32(x, 31));
  return _mm512_srai_epi32(moved, 20);
}

}  // namespace

void bilinear_s8_avx512vnni_blend(const uint8_t* top, const uint8_t* bottom, int32_t is_signed,
                                  int32_t fraction, int64_t count, int32_t* out) {
  if (is_signed) {
    blend<true>(top, bottom, fraction, count, out);
  } else {
    blend<false>(top, bottom, fraction, count, out);
  }
}

void bilinear_s8_avx512vnni_resize(const int32_t* row, const intact_neighbours* neighbours,
                                   int64_t pixels, int64_t channels, uint8_t* out) {
  for (int64_t j = 0; j < pixels; ++j, out += channels) {
    const int32_t* low = row + neighbours[j].low * channels;
    const int32_t* high = row + neighbours[j].high * channels;
    const __m512i fraction = _mm512_set1_epi32(neighbours[j].fraction);
    for (int64_t c = 0; c < channels; c += 16) {
      const __mmask16 lanes = first_lanes16(channels - c);
      const __m512i a = _mm512_loadu_si512(low + c), b = _mm512_loadu_si512(high + c);
      const __m128i codes = _mm512_cvtepi32_epi8(rounded16(blend16(a, b, fraction)));
      _mm_mask_storeu_epi8(out + c, lanes, codes);
    }
  }
}

}  // namespace intact
