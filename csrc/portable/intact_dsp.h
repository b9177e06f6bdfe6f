/* The SIMD instructions of Cortex-M4, M7, M33 and M55: two products of 16 bits at a time.
 *
 * INTACT_DSP is 1 where the compiler's target has them; -DINTACT_NO_DSP turns them off. Everything
 * that is built on them gives the integers of the plain loops.
 *
 * Four codes are loaded as one word. Sign extension (SXTB16) makes two words of 16-bit halves from
 * it: codes 0 and 2, called even, and codes 1 and 3, called odd. Codes and weights are widened
 * alike, so that no half ever has to change its place.
 */
#ifndef INTACT_DSP_H_
#define INTACT_DSP_H_

#include <string.h>

#include "intact_fixedpoint.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && !defined(__ARM_BIG_ENDIAN) && \
    !defined(INTACT_NO_DSP)
#define INTACT_DSP 1
#else
#define INTACT_DSP 0
#endif

#if INTACT_DSP
#include <arm_acle.h>

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
  return intact_clamp(x >> 1, INT8_MIN, INT8_MAX);
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

/* acc[r] += sum of (x - zero_point) * weight[r * stride] over n elements, r < 4, where the sums fit
 * int32. Four rows share each widened word of x. */
INTACT_DSP_LOOP void intact_dsp_dot4(const int8_t* x, int32_t zero_point, const int8_t* weight,
                                     size_t stride, size_t n, int64_t* acc) {
  const uint32_t centre = intact_dsp_halves(-zero_point);
  const int8_t* end = x + (n & ~(size_t)3);
  const size_t last = 3 * stride;
  int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  for (; x < end; x += 4, weight += 4) {
    const uint32_t word = intact_dsp_load(x);
    const uint32_t even = intact_dsp_even_plus(centre, word);
    const uint32_t odd = intact_dsp_odd_plus(centre, word);
    sum0 = intact_dsp_dot_weights(even, odd, weight, sum0);
    sum1 = intact_dsp_dot_weights(even, odd, weight + stride, sum1);
    sum2 = intact_dsp_dot_weights(even, odd, weight + 2 * stride, sum2);
    sum3 = intact_dsp_dot_weights(even, odd, weight + last, sum3);
  }
  for (n &= 3; n > 0; --n, ++x, ++weight) {
    const int32_t centred = *x - zero_point;
    sum0 += centred * weight[0];
    sum1 += centred * weight[stride];
    sum2 += centred * weight[2 * stride];
    sum3 += centred * weight[last];
  }
  acc[0] += sum0;
  acc[1] += sum1;
  acc[2] += sum2;
  acc[3] += sum3;
}

/* The same for any number of rows. */
INTACT_INLINE void intact_dsp_dot_rows(const int8_t* x, int32_t zero_point, const int8_t* weight,
                                       size_t stride, size_t n, int32_t rows, int64_t* acc) {
  int32_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    intact_dsp_dot4(x, zero_point, weight + (size_t)r * stride, stride, n, acc + r);
  }
  for (; r < rows; ++r) { /* stride 0: four times the one row */
    int64_t sums[4] = {0, 0, 0, 0};
    intact_dsp_dot4(x, zero_point, weight + (size_t)r * stride, 0, n, sums);
    acc[r] += sums[0];
  }
}

/* --- accumulators to codes ---------------------------------------------------------------- */

/* Eq. 15 for one channel, whose right shift is 1 to 20 and whose codes have 8 bits.
 *
 * SMMULR of the doubled accumulator is eq. 10. The doubling saturates at |acc| >= 2**30 alone: as
 * multiplier >= 2**30, what is left after the shift is then at least 2**9 and clamped all the same.
 * Eq. 11 rounds ties away from zero: floor((high - [high < 0] + 2**(right - 1)) / 2**right), where
 * the last bit is shifted out after half of it and the zero point were added. */
typedef struct {
  int32_t multiplier;
  int32_t right;  /* less 1 */
  int32_t offset; /* 2 * zero_point + 1 */
} intact_dsp_channel;

/* Whether it applies; otherwise intact_requantize does. */
INTACT_ALWAYS_INLINE int intact_dsp_channel_of(const intact_requant* requant, int32_t channel,
                                               intact_dsp_channel* out) {
  const int32_t own = requant->channels == 1 ? 0 : channel;
  out->multiplier = requant->multiplier[own];
  out->right = ~requant->shift[own];
  out->offset = 2 * requant->zero_point + 1;
  return out->multiplier >= 1 << 30 && (uint32_t)out->right < 20;
}

INTACT_ALWAYS_INLINE int32_t intact_dsp_requantize(int32_t acc, const intact_dsp_channel* to) {
  int32_t high = intact_dsp_high_mul(__qadd(acc, acc), to->multiplier);
  high += high >> 31;
  return intact_dsp_saturate_half((high >> to->right) + to->offset);
}

/* Whether codes have all of int8's range, so that SSAT is their clamp. */
INTACT_INLINE int32_t intact_dsp_is_full(const intact_requant* requant) {
  return requant->clamps == 1 && requant->qmin[0] <= INT8_MIN && requant->qmax[0] >= INT8_MAX;
}

/* out[i * step] = the code of acc[i], i < count, all of one channel. */
INTACT_DSP_LOOP void intact_dsp_finish(const int32_t* acc, int32_t count,
                                     const intact_requant* requant, int32_t full, int32_t channel,
                                     int8_t* out, int32_t step) {
  intact_dsp_channel to;
  if (!intact_dsp_channel_of(requant, channel, &to)) {
    for (int32_t i = 0; i < count; ++i, out += step) {
      *out = (int8_t)intact_requantize(acc[i], requant, channel);
    }
  } else if (full && count == 4) {
    out[0] = (int8_t)intact_dsp_requantize(acc[0], &to);
    out[step] = (int8_t)intact_dsp_requantize(acc[1], &to);
    out[2 * step] = (int8_t)intact_dsp_requantize(acc[2], &to);
    out[3 * step] = (int8_t)intact_dsp_requantize(acc[3], &to);
  } else if (full) {
    for (int32_t i = 0; i < count; ++i, out += step) {
      *out = (int8_t)intact_dsp_requantize(acc[i], &to);
    }
  } else {
    const int32_t clamp = requant->clamps == 1 ? 0 : channel;
    const int32_t qmin = requant->qmin[clamp], qmax = requant->qmax[clamp];
    for (int32_t i = 0; i < count; ++i, out += step) {
      const int32_t code = intact_dsp_requantize(acc[i], &to);
      *out = (int8_t)(code < qmin ? qmin : code > qmax ? qmax : code);
    }
  }
}

/* The same for four neighbours, prepared once for many pixels. */
typedef struct {
  const intact_requant* requant;
  int32_t first; /* channel */
  int32_t fast;  /* whether `each` applies to all four, and codes have all of int8's range */
  intact_dsp_channel each[4];
} intact_dsp_channels;

INTACT_INLINE void intact_dsp_prepare_channels(const intact_requant* requant, int32_t first,
                                               intact_dsp_channels* out) {
  out->requant = requant;
  out->first = first;
  out->fast = intact_dsp_is_full(requant);
  for (int32_t k = 0; k < 4; ++k) {
    if (!intact_dsp_channel_of(requant, first + k, &out->each[k])) out->fast = 0;
  }
}

/* out[k] = the code of acc[k], k < 4. */
INTACT_ALWAYS_INLINE void intact_dsp_finish_channels(const int32_t* acc,
                                                     const intact_dsp_channels* to, int8_t* out) {
  if (to->fast) {
    out[0] = (int8_t)intact_dsp_requantize(acc[0], &to->each[0]);
    out[1] = (int8_t)intact_dsp_requantize(acc[1], &to->each[1]);
    out[2] = (int8_t)intact_dsp_requantize(acc[2], &to->each[2]);
    out[3] = (int8_t)intact_dsp_requantize(acc[3], &to->each[3]);
  } else {
    for (int32_t k = 0; k < 4; ++k) {
      intact_dsp_finish(acc + k, 1, to->requant, 0, to->first + k, out + k, 1);
    }
  }
}

#endif /* INTACT_DSP */
#endif /* INTACT_DSP_H_ */
