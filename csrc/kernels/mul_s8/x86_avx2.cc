#include "kernels/pairs_s8/x86_avx2.h"

#include "kernels/mul_s8/mul_s8.h"

namespace intact {
namespace {

struct Constants {
  __m256i a_flip, b_flip, a_zero, b_zero, out_flip, qmin, qmax;
  __m256 scale, bias, negative_bias;
};

static inline Constants load_constants(const MulS8* mul) {
  Constants k;
  k.a_flip = _mm256_set1_epi8((int8_t)mul->a_flip);
  k.b_flip = _mm256_set1_epi8((int8_t)mul->b_flip);
  k.a_zero = _mm256_set1_epi16(mul->a_zero);
  k.b_zero = _mm256_set1_epi16(mul->b_zero);
  k.out_flip = _mm256_set1_epi8((int8_t)mul->out_flip);
  k.qmin = _mm256_set1_epi8(mul->qmin);
  k.qmax = _mm256_set1_epi8(mul->qmax);
  k.scale = _mm256_set1_ps(mul->scale);
  k.bias = _mm256_set1_ps(mul->bias[0]);
  k.negative_bias = _mm256_set1_ps(mul->bias[1]);
  return k;
}

// Results of 8 products.
static inline __m256i results8(__m256i products, const Constants* k, const MulS8* mul) {
  const __m256 bias =
      _mm256_blendv_ps(k->bias, k->negative_bias, _mm256_castsi256_ps(products));
  const __m256 real = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), k->scale, bias);
  __m256i result = _mm256_cvtps_epi32(real);
  for (int32_t i = 0; i < mul->corrections; ++i) {
    const __m256i found = _mm256_cmpeq_epi32(products, _mm256_set1_epi32(mul->key[i]));
    const __m256i delta = _mm256_and_si256(found, _mm256_set1_epi32(mul->delta[i]));
    result = _mm256_add_epi32(result, delta);
  }
  return result;
}

// Results of 16 pairs of codes as words.
static inline __m256i words16(__m256i a, __m256i b, const Constants* k, const MulS8* mul) {
  a = _mm256_sub_epi16(a, k->a_zero);
  b = _mm256_sub_epi16(b, k->b_zero);
  const __m256i low = _mm256_mullo_epi16(a, b), high = _mm256_mulhi_epi16(a, b);
  return _mm256_packs_epi32(results8(_mm256_unpacklo_epi16(low, high), k, mul),
                            results8(_mm256_unpackhi_epi16(low, high), k, mul));
}

// Interleaving and packing both work within 128 bits: the codes stay in order.
static inline __m256i codes32(__m256i a, __m256i b, const Constants* k, const MulS8* mul) {
  const __m256i zero = _mm256_setzero_si256();
  a = _mm256_xor_si256(a, k->a_flip);
  b = _mm256_xor_si256(b, k->b_flip);
  const __m256i low =
      words16(_mm256_unpacklo_epi8(a, zero), _mm256_unpacklo_epi8(b, zero), k, mul);
  const __m256i high =
      words16(_mm256_unpackhi_epi8(a, zero), _mm256_unpackhi_epi8(b, zero), k, mul);
  const __m256i codes = _mm256_packs_epi16(low, high);
  return _mm256_xor_si256(_mm256_min_epi8(_mm256_max_epi8(codes, k->qmin), k->qmax), k->out_flip);
}

}  // namespace

void mul_s8_avx2(const MulS8* mul, const PairRows* rows) {
  const Constants k = load_constants(mul);
  const auto codes = [&](__m256i a, __m256i b) { return codes32(a, b, &k, mul); };
  for (int64_t row = 0; row < rows->rows; ++row) run_row(rows, row, codes);
}

}  // namespace intact
