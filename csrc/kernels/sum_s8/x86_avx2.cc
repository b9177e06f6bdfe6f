#include "kernels/pairs_s8/x86_avx2.h"

#include "kernels/sum_s8/sum_s8.h"

namespace intact {
namespace {

struct Constants {
  __m256i a_flip, b_flip, high, low, c_high, c_low, qmin, qmax;
  __m128i shift;
};

static inline __m256i pair(const int16_t (&values)[2]) {
  return _mm256_set1_epi32((int32_t)(uint16_t)values[0] | ((int32_t)values[1] * (1 << 16)));
}

static inline Constants load_constants(const SumS8* sum) {
  Constants k;
  k.a_flip = _mm256_set1_epi8((int8_t)sum->a_flip);
  k.b_flip = _mm256_set1_epi8((int8_t)sum->b_flip);
  k.high = pair(sum->high);
  k.low = pair(sum->low);
  k.c_high = _mm256_set1_epi32(sum->c_high);
  k.c_low = _mm256_set1_epi32(sum->c_low);
  k.qmin = _mm256_set1_epi8(sum->qmin);
  k.qmax = _mm256_set1_epi8(sum->qmax);
  k.shift = _mm_cvtsi32_si128(sum->shift);
  return k;
}

// Results of 8 pairs (a', b') of 16 bits.
static inline __m256i results8(__m256i pairs, const Constants* k, const SumS8* sum) {
  const __m256i high = _mm256_add_epi32(_mm256_madd_epi16(pairs, k->high), k->c_high);
  const __m256i low = _mm256_add_epi32(_mm256_madd_epi16(pairs, k->low), k->c_low);
  __m256i result =
      _mm256_sra_epi32(_mm256_add_epi32(high, _mm256_srai_epi32(low, 15)), k->shift);
  for (int32_t i = 0; i < sum->corrections; ++i) {
    const __m256i found = _mm256_cmpeq_epi32(pairs, _mm256_set1_epi32(sum->key[i]));
    const __m256i delta = _mm256_and_si256(found, _mm256_set1_epi32(sum->delta[i]));
    result = _mm256_add_epi32(result, delta);
  }
  return result;
}

// Interleaving and packing both work within 128 bits: the codes stay in order.
static inline __m256i codes32(__m256i a, __m256i b, const Constants* k, const SumS8* sum) {
  const __m256i zero = _mm256_setzero_si256();
  a = _mm256_xor_si256(a, k->a_flip);
  b = _mm256_xor_si256(b, k->b_flip);
  const __m256i first = _mm256_unpacklo_epi8(a, b);
  const __m256i second = _mm256_unpackhi_epi8(a, b);
  const __m256i r0 = results8(_mm256_unpacklo_epi8(first, zero), k, sum);
  const __m256i r1 = results8(_mm256_unpackhi_epi8(first, zero), k, sum);
  const __m256i r2 = results8(_mm256_unpacklo_epi8(second, zero), k, sum);
  const __m256i r3 = results8(_mm256_unpackhi_epi8(second, zero), k, sum);
  const __m256i words0 = _mm256_packs_epi32(r0, r1);
  const __m256i words1 = _mm256_packs_epi32(r2, r3);
  if (sum->is_unsigned) {
    const __m256i codes = _mm256_packus_epi16(words0, words1);
    return _mm256_min_epu8(_mm256_max_epu8(codes, k->qmin), k->qmax);
  }
  const __m256i codes = _mm256_packs_epi16(words0, words1);
  return _mm256_min_epi8(_mm256_max_epi8(codes, k->qmin), k->qmax);
}

}  // namespace

void sum_s8_avx2(const SumS8* sum, const PairRows* rows) {
  const Constants k = load_constants(sum);
  const auto codes = [&](__m256i a, __m256i b) { return codes32(a, b, &k, sum); };
  for (int64_t row = 0; row < rows->rows; ++row) run_row(rows, row, codes);
}

}  // namespace intact
