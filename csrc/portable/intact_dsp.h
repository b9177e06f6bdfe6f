/* The instructions that INTACT_DSP stands for.
 *
 * Four codes are loaded as one word. Sign extension (SXTB16) makes two words of 16-bit halves from
 * it: codes 0 and 2, called even, and codes 1 and 3, called odd. Codes and weights are widened
 * alike, so that no half ever has to change its place.
 */
#ifndef INTACT_DSP_H_
#define INTACT_DSP_H_

#include <string.h>

#include "intact_target.h"

#if INTACT_DSP
/* Inner loops stand alone: inlined, they would share the few registers with what surrounds them. */
#if defined(__GNUC__)
#define INTACT_DSP_LOOP static __attribute__((noinline, unused))
#else
#define INTACT_DSP_LOOP INTACT_INLINE
#endif

/* Four codes; an address needs no alignment. */
INTACT_ALWAYS_INLINE uint32_t intact_dsp_load(const int8_t* x) {
  uint32_t word;
  memcpy(&word, x, sizeof word);
  return word;
}

/* The first `count` of four codes, 1 to 3, then zeros. */
INTACT_ALWAYS_INLINE uint32_t intact_dsp_load_part(const int8_t* x, int32_t count) {
  uint32_t word = (uint8_t)x[0];
  if (count > 1) word |= (uint32_t)(uint8_t)x[1] << 8;
  if (count > 2) word |= (uint32_t)(uint8_t)x[2] << 16;
  return word;
}

/* The halves of a word that both hold `value`. */
INTACT_ALWAYS_INLINE uint32_t intact_dsp_halves(int32_t value) {
  return ((uint32_t)value & 0xffffu) * 0x10001u;
}

/* Compilers do not fold these from C, and ACLE does not have them. intact_dsp_next reads two words
 * and returns the place after them. */
#if defined(__thumb2__)
INTACT_ALWAYS_INLINE uint32_t intact_dsp_odd(uint32_t word) {
  uint32_t odd;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(word));
  return odd;
}
INTACT_ALWAYS_INLINE uint32_t intact_dsp_odd_plus(uint32_t halves, uint32_t word) {
  uint32_t odd;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(odd) : "r"(halves), "r"(word));
  return odd;
}
INTACT_ALWAYS_INLINE uint32_t intact_dsp_low_halves(uint32_t a, uint32_t b) {
  uint32_t halves;
  __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(halves) : "r"(a), "r"(b));
  return halves;
}
INTACT_ALWAYS_INLINE uint32_t intact_dsp_high_halves(uint32_t a, uint32_t b) {
  uint32_t halves;
  __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(halves) : "r"(b), "r"(a));
  return halves;
}
INTACT_ALWAYS_INLINE int32_t intact_dsp_high_mul(int32_t a, int32_t b) {
  int32_t high;
  __asm__("smmulr %0, %1, %2" : "=r"(high) : "r"(a), "r"(b));
  return high;
}
INTACT_ALWAYS_INLINE const uint32_t* intact_dsp_next(const uint32_t* words, uint32_t* even,
                                                     uint32_t* odd) {
  uint32_t a, b;
  __asm__("ldrd %0, %1, [%2], #8"
          : "=&r"(a), "=&r"(b), "+r"(words)
          : "m"(*(const uint32_t(*)[2])words));
  *even = a;
  *odd = b;
  return words;
}
INTACT_ALWAYS_INLINE int32_t intact_dsp_saturate_half(int32_t x) {
  int32_t code;
  __asm__("ssat %0, #8, %1, asr #1" : "=r"(code) : "r"(x));
  return code;
}
#else /* for a host that emulates arm_acle.h */
INTACT_ALWAYS_INLINE const uint32_t* intact_dsp_next(const uint32_t* words, uint32_t* even,
                                                     uint32_t* odd) {
  *even = words[0];
  *odd = words[1];
  return words + 2;
}
INTACT_ALWAYS_INLINE uint32_t intact_dsp_odd(uint32_t word) {
  return (uint32_t)__sxtb16((int32_t)(word >> 8 | word << 24));
}
INTACT_ALWAYS_INLINE uint32_t intact_dsp_odd_plus(uint32_t halves, uint32_t word) {
  return (uint32_t)__sxtab16((int32_t)halves, (int32_t)(word >> 8 | word << 24));
}
INTACT_ALWAYS_INLINE uint32_t intact_dsp_low_halves(uint32_t a, uint32_t b) {
  return (a & 0xffffu) | b << 16;
}
INTACT_ALWAYS_INLINE uint32_t intact_dsp_high_halves(uint32_t a, uint32_t b) {
  return a >> 16 | (b & 0xffff0000u);
}
INTACT_ALWAYS_INLINE int32_t intact_dsp_high_mul(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + ((int64_t)1 << 31)) >> 32);
}
INTACT_ALWAYS_INLINE int32_t intact_dsp_saturate_half(int32_t x) {
  x >>= 1;
  return x < INT8_MIN ? INT8_MIN : x > INT8_MAX ? INT8_MAX : x;
}
#endif

INTACT_ALWAYS_INLINE uint32_t intact_dsp_even(uint32_t word) {
  return (uint32_t)__sxtb16((int32_t)word);
}

/* The even codes of a word, each plus its half of `halves`. */
INTACT_ALWAYS_INLINE uint32_t intact_dsp_even_plus(uint32_t halves, uint32_t word) {
  return (uint32_t)__sxtab16((int32_t)halves, (int32_t)word);
}

/* sum + both products of halves. */
INTACT_ALWAYS_INLINE int32_t intact_dsp_dot(uint32_t a, uint32_t b, int32_t sum) {
  return __smlad((int32_t)a, (int32_t)b, sum);
}

/* sum + the products of four widened codes with a word of weights. */
INTACT_ALWAYS_INLINE int32_t intact_dsp_dot_word(uint32_t even, uint32_t odd, uint32_t weights,
                                                 int32_t sum) {
  return intact_dsp_dot(odd, intact_dsp_odd(weights),
                        intact_dsp_dot(even, intact_dsp_even(weights), sum));
}

/* The same of weights in memory. In this order two registers suffice; compilers would rather widen
 * many weights ahead than keep the sums in registers. */
INTACT_ALWAYS_INLINE int32_t intact_dsp_dot_weights(uint32_t even, uint32_t odd,
                                                    const int8_t* weight, int32_t sum) {
#if defined(__thumb2__)
  uint32_t word, half;
  __asm__(
      "ldr %1, %5\n\tsxtb16 %2, %1\n\tsmlad %0, %3, %2, %0\n\t"
      "sxtb16 %1, %1, ror #8\n\tsmlad %0, %4, %1, %0"
      : "+&r"(sum), "=&r"(word), "=&r"(half)
      : "r"(even), "r"(odd), "m"(*(const int8_t(*)[4])weight));
  return sum;
#else
  return intact_dsp_dot_word(even, odd, intact_dsp_load(weight), sum);
#endif
}
#endif /* INTACT_DSP */

#endif /* INTACT_DSP_H_ */
