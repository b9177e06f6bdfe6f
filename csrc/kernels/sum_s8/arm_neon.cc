#include "kernels/pairs_s8/arm_neon.h"

#include "kernels/sum_s8/sum_s8.h"

namespace intact {
namespace {

struct Constants {
  uint8x16_t a_flip, b_flip, qmin, qmax;
  int32x4_t c_high, c_low, shift;
};

static inline Constants load_constants(const SumS8* sum) {
  return {vdupq_n_u8(sum->a_flip),        vdupq_n_u8(sum->b_flip),  vdupq_n_u8((uint8_t)sum->qmin),
          vdupq_n_u8((uint8_t)sum->qmax), vdupq_n_s32(sum->c_high), vdupq_n_s32(sum->c_low),
          vdupq_n_s32(-sum->shift)};
}

// Results of 4 pairs a', b'.
static inline int32x4_t results4(int16x4_t a, int16x4_t b, const Constants& k, const SumS8* sum) {
  const int32x4_t high = vmlal_n_s16(vmlal_n_s16(k.c_high, a, sum->high[0]), b, sum->high[1]);
  const int32x4_t low = vmlal_n_s16(vmlal_n_s16(k.c_low, a, sum->low[0]), b, sum->low[1]);
  int32x4_t result = vshlq_s32(vsraq_n_s32(high, low, 15), k.shift);
  for (int32_t i = 0; i < sum->corrections; ++i) {
    const int32x4_t pairs = vorrq_s32(vmovl_s16(a), vshll_n_s16(b, 16));
    const uint32x4_t found = vceqq_s32(pairs, vdupq_n_s32(sum->key[i]));
    const int32x4_t delta = vandq_s32(vreinterpretq_s32_u32(found), vdupq_n_s32(sum->delta[i]));
    result = vaddq_s32(result, delta);
  }
  return result;
}

static inline int16x8_t words8(uint8x8_t a, uint8x8_t b, const Constants& k, const SumS8* sum) {
  const int16x8_t a16 = vreinterpretq_s16_u16(vmovl_u8(a));
  const int16x8_t b16 = vreinterpretq_s16_u16(vmovl_u8(b));
  const int32x4_t first = results4(vget_low_s16(a16), vget_low_s16(b16), k, sum);
  const int32x4_t second = results4(vget_high_s16(a16), vget_high_s16(b16), k, sum);
  return vqmovn_high_s32(vqmovn_s32(first), second);
}

static inline uint8x16_t codes16(uint8x16_t a, uint8x16_t b, const Constants& k, const SumS8* sum) {
  a = veorq_u8(a, k.a_flip);
  b = veorq_u8(b, k.b_flip);
  const int16x8_t first = words8(vget_low_u8(a), vget_low_u8(b), k, sum);
  const int16x8_t second = words8(vget_high_u8(a), vget_high_u8(b), k, sum);
  if (sum->is_unsigned) {
    const uint8x16_t codes = vqmovun_high_s16(vqmovun_s16(first), second);
    return vminq_u8(vmaxq_u8(codes, k.qmin), k.qmax);
  }
  const int8x16_t codes = vqmovn_high_s16(vqmovn_s16(first), second);
  const int8x16_t low = vreinterpretq_s8_u8(k.qmin), high = vreinterpretq_s8_u8(k.qmax);
  return vreinterpretq_u8_s8(vminq_s8(vmaxq_s8(codes, low), high));
}

}  // namespace

void sum_s8_neon(const SumS8* sum, const PairRows* rows) {
  const Constants k = load_constants(sum);
  const auto codes = [&](uint8x16_t a, uint8x16_t b) { return codes16(a, b, k, sum); };
  for (int64_t row = 0; row < rows->rows; ++row) run_row(rows, row, codes);
}

}  // namespace intact
