#include <immintrin.h>
#include <string.h>

#include "kernels/bilinear_s8/bilinear_s8.h"

namespace intact {
namespace {

// 1024 low + fraction (high - low).
static inline __m256i blend8(__m256i low, __m256i high, __m256i fraction) {
  const __m256i rise = _mm256_mullo_epi32(_mm256_sub_epi32(high, low), fraction);
  return _mm256_add_epi32(_mm256_slli_epi32(low, 10), rise);
}

template <bool kSigned>
static inline __m256i load_codes8(const uint8_t* codes) {
  const __m128i bytes = _mm_loadl_epi64((const __m128i*)codes);
  return kSigned ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes);
}

template <bool kSigned>
static inline int32_t code(uint8_t bits) {
  return kSigned ? (int8_t)bits : bits;
}

template <bool kSigned>
static inline void blend(const uint8_t* top, const uint8_t* bottom, int32_t fraction,
                         int64_t count, int32_t* out) {
  const __m256i fractions = _mm256_set1_epi32(fraction);
  int64_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i blended =
        blend8(load_codes8<kSigned>(top + i), load_codes8<kSigned>(bottom + i), fractions);
    _mm256_storeu_si256((__m256i*)(out + i), blended);
  }
  for (; i < count; ++i) {
    const int32_t low = code<kSigned>(top[i]), high = code<kSigned>(bottom[i]);
    out[i] = 1024 * low + fraction * (high - low);
  }
}

// round(x / 2^20), ties away from zero, as the low 8 bytes.
static inline __m128i codes8(__m256i x) {
  const __m256i half = _mm256_set1_epi32(1 << 19);
  const __m256i moved = _mm256_add_epi32(_mm256_add_epi32(x, half), _mm256_srai_epi32(x, 31));
  const __m256i rounded = _mm256_srai_epi32(moved, 20);
  const __m256i low_bytes = _mm256_setr_epi8(
      0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 4, 8, 12, -1, -1, -1, -1, -1,
      -1, -1, -1, -1, -1, -1, -1);
  const __m256i packed = _mm256_shuffle_epi8(rounded, low_bytes);
  return _mm_unpacklo_epi32(_mm256_castsi256_si128(packed), _mm256_extracti128_si256(packed, 1));
}

}  // namespace

void bilinear_s8_avx2_blend(const uint8_t* top, const uint8_t* bottom, int32_t is_signed,
                            int32_t fraction, int64_t count, int32_t* out) {
  if (is_signed) {
    blend<true>(top, bottom, fraction, count, out);
  } else {
    blend<false>(top, bottom, fraction, count, out);
  }
}

void bilinear_s8_avx2_resize(const int32_t* row, const intact_neighbours* neighbours,
                             int64_t pixels, int64_t channels, uint8_t* out) {
  const uint8_t* end = out + pixels * channels;
  for (int64_t j = 0; j < pixels; ++j, out += channels) {
    const int32_t* low = row + neighbours[j].low * channels;
    const int32_t* high = row + neighbours[j].high * channels;
    const __m256i fraction = _mm256_set1_epi32(neighbours[j].fraction);
    for (int64_t c = 0; c < channels; c += 8) {
      const __m256i a = _mm256_loadu_si256((const __m256i*)(low + c));
      const __m256i b = _mm256_loadu_si256((const __m256i*)(high + c));
      const __m128i codes = codes8(blend8(a, b, fraction));
      // What reaches into the next pixel is written again with it; the row's end must hold.
      if (end - (out + c) >= 8) {
        _mm_storel_epi64((__m128i*)(out + c), codes);
      } else {
        const int64_t bytes = _mm_cvtsi128_si64(codes);
        memcpy(out + c, &bytes, (size_t)(end - (out + c)));
      }
    }
  }
}

}  // namespace intact
