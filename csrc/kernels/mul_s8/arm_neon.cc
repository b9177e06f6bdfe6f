#include "kernels/pairs_s8/arm_neon.h"

#include "kernels/mul_s8/mul_s8.h"

namespace intact {
namespace {

struct Constants {
  uint8x16_t a_flip, b_flip, out_flip;
  int16x8_t a_zero, b_zero;
  int8x16_t qmin, qmax;
  float32x4_t scale, bias, negative_bias;
};

static inline Constants load_constants(const MulS8* mul) {
  return {vdupq_n_u8(mul->a_flip),  vdupq_n_u8(mul->b_flip),  vdupq_n_u8(mul->out_flip),
          vdupq_n_s16(mul->a_zero), vdupq_n_s16(mul->b_zero), vdupq_n_s8(mul->qmin),
          vdupq_n_s8(mul->qmax),    vdupq_n_f32(mul->scale),  vdupq_n_f32(mul->bias[0]),
          vdupq_n_f32(mul->bias[1])};
}

static inline int32x4_t results4(int32x4_t products, const Constants& k, const MulS8* mul) {
  const float32x4_t bias = vbslq_f32(vcltzq_s32(products), k.negative_bias, k.bias);
  int32x4_t result = vcvtnq_s32_f32(vfmaq_f32(bias, vcvtq_f32_s32(products), k.scale));
  for (int32_t i = 0; i < mul->corrections; ++i) {
    const uint32x4_t found = vceqq_s32(products, vdupq_n_s32(mul->key[i]));
    const int32x4_t delta = vandq_s32(vreinterpretq_s32_u32(found), vdupq_n_s32(mul->delta[i]));
    result = vaddq_s32(result, delta);
  }
  return result;
}

static inline int16x8_t words8(uint8x8_t a, uint8x8_t b, const Constants& k, const MulS8* mul) {
  const int16x8_t a16 = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(a)), k.a_zero);
  const int16x8_t b16 = vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(b)), k.b_zero);
  const int32x4_t low = results4(vmull_s16(vget_low_s16(a16), vget_low_s16(b16)), k, mul);
  const int32x4_t high = results4(vmull_high_s16(a16, b16), k, mul);
  return vqmovn_high_s32(vqmovn_s32(low), high);
}

static inline uint8x16_t codes16(uint8x16_t a, uint8x16_t b, const Constants& k, const MulS8* mul) {
  a = veorq_u8(a, k.a_flip);
  b = veorq_u8(b, k.b_flip);
  const int16x8_t first = words8(vget_low_u8(a), vget_low_u8(b), k, mul);
  const int16x8_t second = words8(vget_high_u8(a), vget_high_u8(b), k, mul);
  const int8x16_t codes = vqmovn_high_s16(vqmovn_s16(first), second);
  const int8x16_t clamped = vminq_s8(vmaxq_s8(codes, k.qmin), k.qmax);
  return veorq_u8(vreinterpretq_u8_s8(clamped), k.out_flip);
}

}  // namespace

void mul_s8_neon(const MulS8* mul, const PairRows* rows) {
  const Constants k = load_constants(mul);
  const auto codes = [&](uint8x16_t a, uint8x16_t b) { return codes16(a, b, k, mul); };
  for (int64_t row = 0; row < rows->rows; ++row) run_row(rows, row, codes);
}

}  // namespace intact
