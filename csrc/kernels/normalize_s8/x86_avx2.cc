#include <immintrin.h>
#include <string.h>

#include "kernels/normalize_s8/normalize_s8.h"

namespace intact {
namespace {

struct Row {
  __m256i count, total, inverse, half;
  __m128i shift;
};

static inline Row load_row(const NormalizeRow* row) {
  return {_mm256_set1_epi32(row->count), _mm256_set1_epi32(row->total),
          _mm256_set1_epi32(row->inverse), _mm256_set1_epi64x(1ll << (row->shift - 1)),
          _mm_cvtsi32_si128(row->shift)};
}

static inline __m256i load8(const int32_t* from) {
  return _mm256_loadu_si256((const __m256i*)from);
}

// t of the even dwords of d, in the low dwords: the bits that a logical shift of up to 32 gets
// wrong are above them.
static inline __m256i standardize(__m256i d, const Row& row) {
  return _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epi32(d, row.inverse), row.half), row.shift);
}

// Eq. 46 to 48 up to the division by 2^8, for the codes of channels channel .. channel + 7.
static inline __m256i normalize8(__m256i codes, const Row& row, const NormalizeView* view,
                                 int64_t channel) {
  // A code's low word times n; its high word, the sign, times 0.
  const __m256i d = _mm256_sub_epi32(_mm256_madd_epi16(codes, row.count), row.total);
  const __m256i nudge = _mm256_set1_epi64x(1ll << 30);
  const int32_t* multiplier = view->multiplier + channel;
  const __m256i even =
      _mm256_add_epi64(_mm256_mul_epi32(standardize(d, row), load8(multiplier)), nudge);
  const __m256i odd = _mm256_add_epi64(
      _mm256_mul_epi32(standardize(_mm256_srli_epi64(d, 32), row), load8(multiplier + 1)), nudge);
  __m256i h = _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_add_epi64(odd, odd), 0xAA);
  h = _mm256_add_epi32(h, _mm256_srai_epi32(h, 31));
  h = _mm256_add_epi32(h, load8(view->half + channel));
  const __m256i u = _mm256_srav_epi32(h, load8(view->right + channel));
  const __m256i v = _mm256_add_epi32(u, load8(view->beta + channel));
  const __m256i away = _mm256_add_epi32(_mm256_srai_epi32(v, 31), _mm256_set1_epi32(128));
  return _mm256_srai_epi32(_mm256_add_epi32(v, away), 8);
}

template <bool kUnsigned>
static inline __m256i widen(__m128i codes) {
  return kUnsigned ? _mm256_cvtepu8_epi32(codes) : _mm256_cvtepi8_epi32(codes);
}

// Two words of zero point and limits, for 16 channels.
static inline __m256i clamp16(__m256i words, const NormalizeView* view) {
  words = _mm256_adds_epi16(words, _mm256_set1_epi16((int16_t)view->zero_point));
  words = _mm256_max_epi16(words, _mm256_set1_epi16((int16_t)view->qmin));
  return _mm256_min_epi16(words, _mm256_set1_epi16((int16_t)view->qmax));
}

static inline __m256i pack_bytes(__m256i a, __m256i b, const NormalizeView* view) {
  return view->y_unsigned ? _mm256_packus_epi16(a, b) : _mm256_packs_epi16(a, b);
}

// The first 8 bytes: the codes of one vector of 8.
static inline int64_t to_codes8(__m256i values, const NormalizeView* view) {
  const __m256i words = clamp16(_mm256_packs_epi32(values, values), view);
  const __m256i bytes = pack_bytes(words, words, view);
  const __m128i both =
      _mm_unpacklo_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  return _mm_cvtsi128_si64(both);
}

// As to_codes8 for four vectors, results in order.
static inline __m256i to_codes32(const __m256i* values, const NormalizeView* view) {
  const __m256i ab = clamp16(_mm256_packs_epi32(values[0], values[1]), view);
  const __m256i cd = clamp16(_mm256_packs_epi32(values[2], values[3]), view);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  return _mm256_permutevar8x32_epi32(pack_bytes(ab, cd, view), order);
}

template <bool kUnsigned>
static void run(const uint8_t* x, uint8_t* y, int64_t count, int64_t channel,
                const NormalizeRow* numbers, const NormalizeView* view) {
  const Row row = load_row(numbers);
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) {
    __m256i parts[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const __m128i codes = _mm_loadl_epi64((const __m128i*)(x + i + 8 * v));
      parts[v] = normalize8(widen<kUnsigned>(codes), row, view, channel + i + 8 * v);
    }
    _mm256_storeu_si256((__m256i*)(y + i), to_codes32(parts, view));
  }
  for (; i < count; i += 8) {
    const size_t size = (size_t)(count - i < 8 ? count - i : 8);
    int64_t codes = 0;
    memcpy(&codes, x + i, size);
    const __m256i values =
        normalize8(widen<kUnsigned>(_mm_cvtsi64_si128(codes)), row, view, channel + i);
    codes = to_codes8(values, view);
    memcpy(y + i, &codes, size);
  }
}

// The sum of 8 dwords.
static inline int32_t reduce8(__m256i x) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  sum = _mm_add_epi32(sum, _mm_unpackhi_epi64(sum, sum));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_srli_epi64(sum, 32)));
}

template <bool kUnsigned>
static void sum(const uint8_t* x, int64_t count, int64_t* sums) {
  __m256i total = _mm256_setzero_si256(), squares = _mm256_setzero_si256();
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    const __m128i bytes = _mm_loadu_si128((const __m128i*)(x + i));
    const __m256i words = kUnsigned ? _mm256_cvtepu8_epi16(bytes) : _mm256_cvtepi8_epi16(bytes);
    total = _mm256_add_epi32(total, _mm256_madd_epi16(words, _mm256_set1_epi16(1)));
    squares = _mm256_add_epi32(squares, _mm256_madd_epi16(words, words));
  }
  for (; i < count; ++i) {
    const int64_t code = kUnsigned ? (int64_t)x[i] : (int64_t)(int8_t)x[i];
    sums[0] += code;
    sums[1] += code * code;
  }
  sums[0] += reduce8(total);
  sums[1] += reduce8(squares);
}

}  // namespace

void normalize_s8_avx2_sum(const uint8_t* x, int64_t count, int32_t is_unsigned, int64_t* sums) {
  is_unsigned != 0 ? sum<true>(x, count, sums) : sum<false>(x, count, sums);
}

void normalize_s8_avx2_run(const uint8_t* x, uint8_t* y, int64_t count, int64_t channel,
                           const NormalizeRow* row, const NormalizeView* view) {
  view->x_unsigned != 0 ? run<true>(x, y, count, channel, row, view)
                        : run<false>(x, y, count, channel, row, view);
}

}  // namespace intact
