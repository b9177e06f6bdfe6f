#include "kernels/mul_s8/mul_s8.h"
#include "kernels/pairs_s8/x86_avx512.h"

namespace intact {
namespace {

struct Constants {
  __m512i a_flip, b_flip, a_zero, b_zero, out_flip, qmin, qmax;
  __m512 scale, bias, negative_bias;
};

static inline Constants load_constants(const MulS8* mul) {
  Constants k;
  k.a_flip = _mm512_set1_epi8((int8_t)mul->a_flip);
  k.b_flip = _mm512_set1_epi8((int8_t)mul->b_flip);
  k.a_zero = _mm512_set1_epi16(mul->a_zero);
  k.b_zero = _mm512_set1_epi16(mul->b_zero);
  k.out_flip = _mm512_set1_epi8((int8_t)mul->out_flip);
  k.qmin = _mm512_set1_epi8(mul->qmin);
  k.qmax = _mm512_set1_epi8(mul->qmax);
  k.scale = _mm512_set1_ps(mul->scale);
  k.bias = _mm512_set1_ps(mul->bias[0]);
  k.negative_bias = _mm512_set1_ps(mul->bias[1]);
  return k;
}

// Results of 16 products.
static inline __m512i results16(__m512i products, const Constants* k, const MulS8* mul) {
  const __mmask16 negative = _mm512_movepi32_mask(products);
  const __m512 bias = _mm512_mask_blend_ps(negative, k->bias, k->negative_bias);
  const __m512 real = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products), k->scale, bias);
  __m512i result = _mm512_cvtps_epi32(real);
  for (int32_t i = 0; i < mul->corrections; ++i) {
    const __mmask16 found = _mm512_cmpeq_epi32_mask(products, _mm512_set1_epi32(mul->key[i]));
    result = _mm512_mask_add_epi32(result, found, result, _mm512_set1_epi32(mul->delta[i]));
  }
  return result;
}

// Results of 32 pairs of codes as words.
static inline __m512i words32(__m512i a, __m512i b, const Constants* k, const MulS8* mul) {
  a = _mm512_sub_epi16(a, k->a_zero);
  b = _mm512_sub_epi16(b, k->b_zero);
  const __m512i low = _mm512_mullo_epi16(a, b), high = _mm512_mulhi_epi16(a, b);
  return _mm512_packs_epi32(results16(_mm512_unpacklo_epi16(low, high), k, mul),
                            results16(_mm512_unpackhi_epi16(low, high), k, mul));
}

// Interleaving and packing both work within 128 bits: the codes stay in order.
static inline __m512i codes64(__m512i a, __m512i b, const Constants* k, const MulS8* mul) {
  const __m512i zero = _mm512_setzero_si512();
  a = _mm512_xor_si512(a, k->a_flip);
  b = _mm512_xor_si512(b, k->b_flip);
  const __m512i low =
      words32(_mm512_unpacklo_epi8(a, zero), _mm512_unpacklo_epi8(b, zero), k, mul);
  const __m512i high =
      words32(_mm512_unpackhi_epi8(a, zero), _mm512_unpackhi_epi8(b, zero), k, mul);
  const __m512i codes = _mm512_packs_epi16(low, high);
  return _mm512_xor_si512(_mm512_min_epi8(_mm512_max_epi8(codes, k->qmin), k->qmax), k->out_flip);
}

}  // namespace

void mul_s8_avx512vnni(const MulS8* mul, const PairRows* rows) {
  const Constants k = load_constants(mul);
  const auto codes = [&](__m512i a, __m512i b) { return codes64(a, b, &k, mul); };
  for (int64_t row = 0; row < rows->rows; ++row) run_row(rows, row, codes);
}

}  // namespace intact
