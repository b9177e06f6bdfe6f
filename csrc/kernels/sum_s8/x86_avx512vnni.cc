#include "kernels/pairs_s8/x86_avx512.h"
#include "kernels/sum_s8/sum_s8.h"

namespace intact {
namespace {

struct Constants {
  __m512i a_flip, b_flip, high, low, c_high, c_low, qmin, qmax;
  __m128i shift;
};

static inline __m512i pair(const int16_t (&values)[2]) {
  return _mm512_set1_epi32((int32_t)(uint16_t)values[0] | ((int32_t)values[1] * (1 << 16)));
}

static inline Constants load_constants(const SumS8* sum) {
  Constants k;
  k.a_flip = _mm512_set1_epi8((int8_t)sum->a_flip);
  k.b_flip = _mm512_set1_epi8((int8_t)sum->b_flip);
  k.high = pair(sum->high);
  k.low = pair(sum->low);
  k.c_high = _mm512_set1_epi32(sum->c_high);
  k.c_low = _mm512_set1_epi32(sum->c_low);
  k.qmin = _mm512_set1_epi8(sum->qmin);
  k.qmax = _mm512_set1_epi8(sum->qmax);
  k.shift = _mm_cvtsi32_si128(sum->shift);
  return k;
}

// Results of 16 pairs (a', b') of 16 bits.
static inline __m512i results16(__m512i pairs, const Constants* k, const SumS8* sum) {
  const __m512i high = _mm512_dpwssd_epi32(k->c_high, pairs, k->high);
  const __m512i low = _mm512_dpwssd_epi32(k->c_low, pairs, k->low);
  __m512i result =
      _mm512_sra_epi32(_mm512_add_epi32(high, _mm512_srai_epi32(low, 15)), k->shift);
  for (int32_t i = 0; i < sum->corrections; ++i) {
    const __mmask16 found = _mm512_cmpeq_epi32_mask(pairs, _mm512_set1_epi32(sum->key[i]));
    result = _mm512_mask_add_epi32(result, found, result, _mm512_set1_epi32(sum->delta[i]));
  }
  return result;
}

// Interleaving and packing both work within 128 bits: the codes stay in order.
static inline __m512i codes64(__m512i a, __m512i b, const Constants* k, const SumS8* sum) {
  const __m512i zero = _mm512_setzero_si512();
  a = _mm512_xor_si512(a, k->a_flip);
  b = _mm512_xor_si512(b, k->b_flip);
  const __m512i first = _mm512_unpacklo_epi8(a, b);
  const __m512i second = _mm512_unpackhi_epi8(a, b);
  const __m512i r0 = results16(_mm512_unpacklo_epi8(first, zero), k, sum);
  const __m512i r1 = results16(_mm512_unpackhi_epi8(first, zero), k, sum);
  const __m512i r2 = results16(_mm512_unpacklo_epi8(second, zero), k, sum);
  const __m512i r3 = results16(_mm512_unpackhi_epi8(second, zero), k, sum);
  const __m512i words0 = _mm512_packs_epi32(r0, r1);
  const __m512i words1 = _mm512_packs_epi32(r2, r3);
  if (sum->is_unsigned) {
    const __m512i codes = _mm512_packus_epi16(words0, words1);
    return _mm512_min_epu8(_mm512_max_epu8(codes, k->qmin), k->qmax);
  }
  const __m512i codes = _mm512_packs_epi16(words0, words1);
  return _mm512_min_epi8(_mm512_max_epi8(codes, k->qmin), k->qmax);
}

}  // namespace

void sum_s8_avx512vnni(const SumS8* sum, const PairRows* rows) {
  const Constants k = load_constants(sum);
  const auto codes = [&](__m512i a, __m512i b) { return codes64(a, b, &k, sum); };
  for (int64_t row = 0; row < rows->rows; ++row) run_row(rows, row, codes);
}

}  // namespace intact
