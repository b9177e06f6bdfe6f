/* The ACLE intrinsics that csrc/portable/intact_dsp.h calls, in C, so that a host's sanitizers see
 * the loops that are built on them. */
#ifndef ARM_ACLE_H_
#define ARM_ACLE_H_

#include <stdint.h>

static inline int32_t intact_host_half(int32_t word, int which) {
  return (int16_t)((uint32_t)word >> (16 * which));
}

static inline int32_t intact_host_halves(int32_t low, int32_t high) {
  return (int32_t)(((uint32_t)low & 0xffffu) | (uint32_t)high << 16);
}

static inline int32_t __sxtb16(int32_t word) {
  return intact_host_halves((int8_t)word, (int8_t)((uint32_t)word >> 16));
}

static inline int32_t __sxtab16(int32_t halves, int32_t word) {
  return intact_host_halves(intact_host_half(halves, 0) + (int8_t)word,
                            intact_host_half(halves, 1) + (int8_t)((uint32_t)word >> 16));
}

static inline int32_t __smlad(int32_t a, int32_t b, int32_t sum) {
  return sum + intact_host_half(a, 0) * intact_host_half(b, 0) +
         intact_host_half(a, 1) * intact_host_half(b, 1);
}

static inline int32_t __qadd(int32_t a, int32_t b) {
  const int64_t sum = (int64_t)a + b;
  return sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : (int32_t)sum;
}

static inline int32_t __ssub8(int32_t a, int32_t b) {
  uint32_t bytes = 0;
  for (int i = 0; i < 32; i += 8) {
    bytes |= ((((uint32_t)a >> i) - ((uint32_t)b >> i)) & 255u) << i;
  }
  return (int32_t)bytes;
}

#endif /* ARM_ACLE_H_ */
