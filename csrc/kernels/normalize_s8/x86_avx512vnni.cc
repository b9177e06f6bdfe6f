#include "kernels/normalize_s8/normalize_s8.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

struct Row {
  __m512i count, total, inverse, half;
  __m128i shift;
};

static inline Row load_row(const NormalizeRow* row) {
  return {_mm512_set1_epi32(row->count), _mm512_set1_epi32(row->total),
          _mm512_set1_epi32(row->inverse), _mm512_set1_epi64(1ll << (row->shift - 1)),
          _mm_cvtsi32_si128(row->shift)};
}

// t of the even dwords of d, in the low dwords: the bits that a logical shift of up to 32 gets
// wrong are above them.
static inline __m512i standardize(__m512i d, const Row& row) {
  return _mm512_srl_epi64(_mm512_add_epi64(_mm512_mul_epi32(d, row.inverse), row.half), row.shift);
}

// Eq. 46 to 48 up to the division by 2^8, for the codes of channels channel .. channel + 15.
static inline __m512i normalize16(__m512i codes, const Row& row, const NormalizeView* view,
                                  int64_t channel) {
  // A code's low word times n; its high word, the sign, times 0.
  const __m512i d = _mm512_sub_epi32(_mm512_madd_epi16(codes, row.count), row.total);
  const __m512i nudge = _mm512_set1_epi64(1ll << 30);
  const int32_t* multiplier = view->multiplier + channel;
  const __m512i even = _mm512_add_epi64(
      _mm512_mul_epi32(standardize(d, row), _mm512_loadu_si512(multiplier)), nudge);
  const __m512i odd = _mm512_add_epi64(_mm512_mul_epi32(standardize(_mm512_srli_epi64(d, 32), row),
                                                        _mm512_loadu_si512(multiplier + 1)),
                                       nudge);
  __m512i h =
      _mm512_mask_mov_epi32(_mm512_srli_epi64(even, 31), 0xAAAA, _mm512_add_epi64(odd, odd));
  h = _mm512_add_epi32(h, _mm512_srai_epi32(h, 31));
  h = _mm512_add_epi32(h, _mm512_loadu_si512(view->half + channel));
  const __m512i u = _mm512_srav_epi32(h, _mm512_loadu_si512(view->right + channel));
  const __m512i v = _mm512_add_epi32(u, _mm512_loadu_si512(view->beta + channel));
  const __m512i away = _mm512_add_epi32(_mm512_srai_epi32(v, 31), _mm512_set1_epi32(128));
  return _mm512_srai_epi32(_mm512_add_epi32(v, away), 8);
}

template <bool kUnsigned>
static inline __m512i widen(__m128i codes) {
  return kUnsigned ? _mm512_cvtepu8_epi32(codes) : _mm512_cvtepi8_epi32(codes);
}

static inline __m128i to_codes16(__m512i values, const NormalizeView* view) {
  const __m256i words = _mm256_adds_epi16(_mm512_cvtsepi32_epi16(values),
                                          _mm256_set1_epi16((int16_t)view->zero_point));
  const __m256i low = _mm256_set1_epi16((int16_t)view->qmin);
  const __m256i high = _mm256_set1_epi16((int16_t)view->qmax);
  return _mm256_cvtepi16_epi8(_mm256_min_epi16(_mm256_max_epi16(words, low), high));
}

// As to_codes16 for four vectors of 16, results in order.
static inline __m512i to_codes64(__m512i a, __m512i b, __m512i c, __m512i d,
                                 const NormalizeView* view) {
  const __m512i zero_point = _mm512_set1_epi16((int16_t)view->zero_point);
  const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(a, b), zero_point);
  const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(c, d), zero_point);
  // The packs work within 128 bits: dword 4 l + v holds channels 16 v + 4 l .. + 3.
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i low = _mm512_set1_epi8((char)view->qmin);
  const __m512i high = _mm512_set1_epi8((char)view->qmax);
  if (view->y_unsigned) {
    const __m512i codes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(ab, cd));
    return _mm512_min_epu8(_mm512_max_epu8(codes, low), high);
  }
  const __m512i codes = _mm512_permutexvar_epi32(order, _mm512_packs_epi16(ab, cd));
  return _mm512_min_epi8(_mm512_max_epi8(codes, low), high);
}

template <bool kUnsigned>
static void run(const uint8_t* x, uint8_t* y, int64_t count, int64_t channel,
                const NormalizeRow* numbers, const NormalizeView* view) {
  const Row row = load_row(numbers);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    __m512i parts[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) {
      const __m128i codes = _mm_loadu_si128((const __m128i*)(x + i + 16 * v));
      parts[v] = normalize16(widen<kUnsigned>(codes), row, view, channel + i + 16 * v);
    }
    _mm512_storeu_si512(y + i, to_codes64(parts[0], parts[1], parts[2], parts[3], view));
  }
  for (; i < count; i += 16) {
    const __mmask16 lanes = first_lanes16(count - i);
    const __m512i codes = widen<kUnsigned>(_mm_maskz_loadu_epi8(lanes, x + i));
    _mm_mask_storeu_epi8(y + i, lanes,
                         to_codes16(normalize16(codes, row, view, channel + i), view));
  }
}

template <bool kUnsigned>
static void sum(const uint8_t* x, int64_t count, int64_t* sums) {
  __m512i total = _mm512_setzero_si512(), squares = _mm512_setzero_si512();
  for (int64_t i = 0; i < count; i += 32) {
    const __mmask32 lanes = first_lanes32(count - i);
    const __m256i bytes = _mm256_maskz_loadu_epi8(lanes, x + i);
    const __m512i words = kUnsigned ? _mm512_cvtepu8_epi16(bytes) : _mm512_cvtepi8_epi16(bytes);
    total = _mm512_dpwssd_epi32(total, words, _mm512_set1_epi16(1));
    squares = _mm512_dpwssd_epi32(squares, words, words);
  }
  sums[0] += _mm512_reduce_add_epi32(total);
  sums[1] += _mm512_reduce_add_epi32(squares);
}

}  // namespace

void normalize_s8_avx512vnni_sum(const uint8_t* x, int64_t count, int32_t is_unsigned,
                                 int64_t* sums) {
  is_unsigned != 0 ? sum<true>(x, count, sums) : sum<false>(x, count, sums);
}

void normalize_s8_avx512vnni_run(const uint8_t* x, uint8_t* y, int64_t count, int64_t channel,
                                 const NormalizeRow* row, const NormalizeView* view) {
  view->x_unsigned != 0 ? run<true>(x, y, count, channel, row, view)
                        : run<false>(x, y, count, channel, row, view);
}

}  // namespace intact
