#include <immintrin.h>
#include <string.h>

#include "kernels/softmax_s8/row.h"

namespace intact {
namespace {

// 32 codes as unsigned ones, the lowest behind the row's end.
static inline __m256i load_codes(const uint8_t* x, int64_t left, __m256i flip) {
  if (left >= 32) return _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)x), flip);
  uint8_t codes[32];
  _mm256_storeu_si256((__m256i*)codes, flip);
  memcpy(codes, x, (size_t)left);
  return _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)codes), flip);
}

static inline uint8_t largest_byte(__m256i x) {
  const __m128i bytes = _mm_max_epu8(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  // The least of 8 words: pairs of complements, of which the high byte is then 0.
  const __m128i rest = _mm_xor_si128(bytes, _mm_set1_epi8(-1));
  const __m128i pairs = _mm_min_epu8(rest, _mm_srli_epi16(rest, 8));
  return (uint8_t)~_mm_cvtsi128_si32(_mm_minpos_epu16(pairs));
}

static inline SoftmaxRow read_row(const uint8_t* x, const SoftmaxView* view, __m256i flip) {
  const int64_t length = view->length;
  __m256i most = _mm256_setzero_si256();
  for (int64_t i = 0; i < length; i += 32) {
    most = _mm256_max_epu8(most, load_codes(x + i, length - i, flip));
  }
  const uint8_t largest = largest_byte(most);
  most = _mm256_set1_epi8((char)largest);
  const int32_t* rounded = view->rounded;
  uint32_t sums[4] = {0, 0, 0, 0};
  for (int64_t i = 0; i < length; i += 32) {
    uint8_t index[32];
    _mm256_storeu_si256((__m256i*)index,
                        _mm256_sub_epi8(most, load_codes(x + i, length - i, flip)));
#pragma GCC unroll 8
    for (int k = 0; k < 32; k += 4) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) sums[j] += (uint32_t)rounded[index[k + j]];
    }
  }
  // The lowest code was counted for each lane behind the end. Modulo 2^32: the sum is below.
  const uint32_t behind = (uint32_t)((32 - length % 32) % 32);
  const uint32_t total =
      sums[0] + sums[1] + sums[2] + sums[3] - behind * (uint32_t)rounded[largest];
  return softmax_row(largest, total, view->bits);
}

// The codes of 32 differences.
static inline __m256i make_codes(const uint64_t* exponential, const SoftmaxRow& row,
                                 const SoftmaxView* view) {
  const __m256i scale = _mm256_set1_epi64x(row.scale);
  const __m256i nudge = _mm256_set1_epi64x((int64_t)row.nudge);
  const __m128i shift = _mm_cvtsi32_si128(row.shift);
  __m256i dwords[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    __m256i codes[2];
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const __m256i e = _mm256_load_si256((const __m256i*)(exponential + 4 * (2 * k + i)));
      codes[i] = _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epu32(e, scale), nudge), shift);
    }
    dwords[k] = _mm256_blend_epi32(codes[0], _mm256_slli_epi64(codes[1], 32), 0xAA);
  }
  const __m256i words[2] = {_mm256_packus_epi32(dwords[0], dwords[1]),
                            _mm256_packus_epi32(dwords[2], dwords[3])};
  const __m256i codes = _mm256_min_epu8(_mm256_packus_epi16(words[0], words[1]),
                                        _mm256_set1_epi8((char)(view->qmax - view->qmin)));
  return _mm256_add_epi8(codes, _mm256_set1_epi8((char)view->qmin));
}

// Part p of a table as the sum of its differences: the codes of 16 p .. 16 p + 15, exclusive-or
// those of 16 before. The first half begins at part 0, the second at part 8.
static inline void make_parts(const SoftmaxRow& row, const SoftmaxView* view, uint8_t* parts) {
  for (int i = 0; i < 256; i += 32) {
    const __m256i codes = i < view->live ? make_codes(view->exponential + i, row, view)
                                         : _mm256_set1_epi8((char)view->qmin);
    _mm256_store_si256((__m256i*)(parts + i), codes);
  }
  for (int p = 15; p > 0; --p) {
    if (p == 8) continue;
    __m128i* part = (__m128i*)(parts + 16 * p);
    _mm_store_si128(part, _mm_xor_si128(_mm_load_si128(part), _mm_load_si128(part - 1)));
  }
}

// An index of -128 .. -1 gives 0; one of 0 .. 127 the entry of 8 parts. vpshufb does so for indices
// below 16 and above 127; subtracting 16 with saturation keeps negative ones negative.
static inline __m256i look_up_half(const uint8_t* parts, __m256i index) {
  const __m256i step = _mm256_set1_epi8(16);
  __m256i codes = _mm256_setzero_si256();
#pragma GCC unroll 8
  for (int p = 0; p < 8; ++p) {
    const __m256i part =
        _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i*)(parts + 16 * p)));
    codes = _mm256_xor_si256(codes, _mm256_shuffle_epi8(part, index));
    index = _mm256_subs_epi8(index, step);
  }
  return codes;
}

static inline void write_row(const uint8_t* x, uint8_t* y, const SoftmaxRow& row,
                             const SoftmaxView* view, __m256i flip) {
  alignas(32) uint8_t parts[256];
  make_parts(row, view, parts);
  const __m256i most = _mm256_set1_epi8((char)row.largest);
  const int64_t length = view->length;
  for (int64_t i = 0; i < length; i += 32) {
    const __m256i index = _mm256_sub_epi8(most, load_codes(x + i, length - i, flip));
    const __m256i codes = _mm256_or_si256(
        look_up_half(parts, index),
        look_up_half(parts + 128, _mm256_xor_si256(index, _mm256_set1_epi8((char)0x80))));
    if (i + 32 <= length) {
      _mm256_storeu_si256((__m256i*)(y + i), codes);
    } else {
      uint8_t bytes[32];
      _mm256_storeu_si256((__m256i*)bytes, codes);
      memcpy(y + i, bytes, (size_t)(length - i));
    }
  }
}

}  // namespace

void softmax_s8_avx2(const uint8_t* x, uint8_t* y, int64_t rows, const SoftmaxView* view) {
  const __m256i flip = _mm256_set1_epi8((char)(view->is_unsigned ? 0 : 0x80));
  const int64_t length = view->length;
  SoftmaxRow together[kRowsTogether];
  for (int64_t first = 0; first < rows; first += kRowsTogether) {
    const int64_t count = rows - first < kRowsTogether ? rows - first : kRowsTogether;
    for (int64_t r = 0; r < count; ++r) {
      together[r] = read_row(x + (first + r) * length, view, flip);
    }
    for (int64_t r = 0; r < count; ++r) {
      write_row(x + (first + r) * length, y + (first + r) * length, together[r], view, flip);
    }
  }
}

}  // namespace intact
