/* Types of codes and the integer arithmetic of doc/arithmetic.md, section 2.
 *
 * C99 and C++20, without allocation and without libm, so that one source serves the native engine
 * and a microcontroller. Every function gives the integers of intact/numerics/fixedpoint.py.
 *
 * Right shifts of negative numbers are taken to be arithmetic. C leaves that to the compiler; GCC,
 * Clang, MSVC, IAR, Keil and TI all do it.
 */
#ifndef INTACT_FIXEDPOINT_H_
#define INTACT_FIXEDPOINT_H_

#include <stddef.h>
#include <stdint.h>

#include "intact_dsp.h"

/* How codes lie in memory. Activations have 8 or 16 bits; weights, as integers of which the zero
 * point is subtracted, 8, 16 or (rarely) 32. Weights of 4 bits lie two to a byte, the first in the
 * lower half, in rows of an even length. */
typedef enum {
  INTACT_INT8,
  INTACT_UINT8,
  INTACT_INT16,
  INTACT_UINT16,
  INTACT_INT32,
  INTACT_INT4,     /* weights, two to a byte, the first in the low half */
  INTACT_INT4_HIGH /* the same times 16: weights of few bits with a finer accumulator */
} intact_type;

/* What all codes, all weights and all accumulators of a program have in common: exported C defines
 * these, so that the compiler drops what serves others. */
#ifndef INTACT_CODES
#define INTACT_CODES(type) (type)
#endif
#ifndef INTACT_WEIGHTS
#define INTACT_WEIGHTS(type) (type)
#endif
#ifndef INTACT_WIDE
#define INTACT_WIDE(wide) (wide)
#endif

/* Bytes of one code, of 8 bits and more. */
INTACT_ALWAYS_INLINE size_t intact_size(intact_type type) {
  return type <= INTACT_UINT8 ? 1 : type <= INTACT_UINT16 ? 2 : 4;
}

/* data[index]. */
INTACT_ALWAYS_INLINE int32_t intact_load(const void* data, intact_type type, size_t index) {
  switch (type) {
    case INTACT_INT8:
      return ((const int8_t*)data)[index];
    case INTACT_UINT8:
      return ((const uint8_t*)data)[index];
    case INTACT_INT16:
      return ((const int16_t*)data)[index];
    case INTACT_UINT16:
      return ((const uint16_t*)data)[index];
    case INTACT_INT4: {
      const int32_t pair = ((const uint8_t*)data)[index / 2];
      return ((index % 2 != 0 ? pair >> 4 : pair & 15) ^ 8) - 8;
    }
    case INTACT_INT4_HIGH: {
      const int32_t pair = ((const uint8_t*)data)[index / 2];
      return ((index % 2 != 0 ? pair & 0xf0 : (pair & 15) << 4) ^ 128) - 128;
    }
    case INTACT_INT32:
      break;
  }
  return ((const int32_t*)data)[index];
}

/* data[index] of integers that are no codes, biases and indices: int32, or int64 if `wide`. */
INTACT_ALWAYS_INLINE int64_t intact_load_wide(const void* data, int32_t wide, size_t index) {
  return wide ? ((const int64_t*)data)[index] : ((const int32_t*)data)[index];
}

/* data[index] = code, which the type must hold. */
INTACT_ALWAYS_INLINE void intact_store(void* data, intact_type type, size_t index, int32_t code) {
  switch (type) {
    case INTACT_INT8:
      ((int8_t*)data)[index] = (int8_t)code;
      return;
    case INTACT_UINT8:
      ((uint8_t*)data)[index] = (uint8_t)code;
      return;
    case INTACT_INT16:
      ((int16_t*)data)[index] = (int16_t)code;
      return;
    case INTACT_UINT16:
      ((uint16_t*)data)[index] = (uint16_t)code;
      return;
    case INTACT_INT4:
    case INTACT_INT4_HIGH: /* weights alone */
    case INTACT_INT32:
      break;
  }
  ((int32_t*)data)[index] = code;
}

/* The address of data[index]; of 4 bits, `index` is even. */
INTACT_ALWAYS_INLINE const void* intact_at(const void* data, intact_type type, size_t index) {
  return (const uint8_t*)data + (type >= INTACT_INT4 ? index / 2 : index * intact_size(type));
}

INTACT_INLINE int32_t intact_min(int32_t a, int32_t b) { return a < b ? a : b; }

INTACT_INLINE int32_t intact_max(int32_t a, int32_t b) { return a > b ? a : b; }

/* The integer of [low, high] that is nearest to x. */
INTACT_INLINE int32_t intact_clamp(int64_t x, int32_t low, int32_t high) {
  return x < low ? low : x > high ? high : (int32_t)x;
}

INTACT_INLINE int32_t intact_saturate32(int64_t x) {
  return intact_clamp(x, INT32_MIN, INT32_MAX);
}

/* Eq. 10: round(a * b / 2**31), ties toward +infinity; INT32_MIN * INT32_MIN saturates. */
INTACT_INLINE int32_t intact_doubling_high_mul(int32_t a, int32_t b) {
  const int64_t high = ((int64_t)a * b + ((int64_t)1 << 30)) >> 31;
  return high > INT32_MAX ? INT32_MAX : (int32_t)high;
}

/* Eq. 10 for |a| < 2**30 and b >= 0, where nothing saturates. */
INTACT_INLINE int32_t intact_doubling_high_mul_small(int32_t a, int32_t b) {
#if INTACT_DSP
  return intact_dsp_high_mul(2 * a, b);
#else
  return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
#endif
}

/* Eq. 11: round(x / 2**exponent), ties away from zero; 0 <= exponent <= 31. */
INTACT_INLINE int32_t intact_rounding_divide_by_pot(int32_t x, int32_t exponent) {
  const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1);
  const int32_t threshold = (mask >> 1) + (x < 0);
  return (x >> exponent) + ((x & mask) > threshold);
}

/* Eq. 13: x * multiplier * 2**(shift - 31) with two roundings; -31 <= shift <= 30. */
INTACT_INLINE int32_t intact_multiply_by_quantized_multiplier(int32_t x, int32_t multiplier,
                                                              int32_t shift) {
  if (shift > 0) {
    const int32_t shifted = intact_saturate32((int64_t)x * ((int64_t)1 << shift));
    return intact_doubling_high_mul(shifted, multiplier);
  }
  return intact_rounding_divide_by_pot(intact_doubling_high_mul(x, multiplier), -shift);
}

/* Eq. 14: the same for |x| < 2**47 with a multiplier cut to 15 bits and one rounding;
 * -31 <= shift <= 14. */
INTACT_INLINE int64_t intact_multiply_wide(int64_t x, int32_t multiplier, int32_t shift) {
  const int64_t rounded = ((int64_t)multiplier + (1 << 15)) >> 16;
  const int64_t reduced = rounded > INT16_MAX ? INT16_MAX : rounded;
  return (x * reduced + ((int64_t)1 << (14 - shift))) >> (15 - shift);
}

/* How shifts are stored: exported C takes 8 bits, as all of them fit. */
#ifndef INTACT_SHIFT
#define INTACT_SHIFT int32_t
#endif

/* Accumulators to codes (eq. 15). */
typedef struct {
  const int32_t* multiplier; /* (channels), Q0.31 */
  const INTACT_SHIFT* shift; /* (channels), > 0: left */
  int32_t channels;          /* 1: the same for all */
  const int32_t* qmin;       /* (clamps) */
  const int32_t* qmax;       /* (clamps) */
  int32_t clamps;            /* 1: the same for all */
  int32_t zero_point;
  int32_t wide; /* 0: accumulators are int32, eq. 13; 1: they have 48 bits, eq. 14 */
} intact_requant;

/* The code of an accumulator of this channel. */
INTACT_INLINE int32_t intact_requantize(int64_t acc, const intact_requant* requant,
                                        int32_t channel) {
  const int32_t own = requant->channels == 1 ? 0 : channel;
  const int32_t multiplier = requant->multiplier[own];
  const int32_t shift = requant->shift[own];
  const int64_t scaled =
      INTACT_WIDE(requant->wide)
          ? intact_multiply_wide(acc, multiplier, shift)
          : intact_multiply_by_quantized_multiplier((int32_t)acc, multiplier, shift);
  const int32_t clamp = requant->clamps == 1 ? 0 : channel;
  return intact_clamp(scaled + requant->zero_point, requant->qmin[clamp], requant->qmax[clamp]);
}

/* Eq. 11 of x in -2**31 + 1 .. 2**31 - 2 with exponent = `right` + 1, that is
 * floor((x - [x < 0] + 2**right) / 2**(right + 1)), where the last bit is shifted out after the
 * half was added. */
INTACT_ALWAYS_INLINE int32_t intact_rounding_shift(int32_t x, int32_t right) {
  return (((x + (x >> 31)) >> right) + 1) >> 1;
}

/* intact_requantize where accumulators are int32, without numbers of 64 bits beyond the product:
 * eq. 10 does not saturate, as multiplier >= 0. */
INTACT_INLINE int32_t intact_requantize_narrow(int32_t acc, const intact_requant* requant,
                                               int32_t channel) {
  const int32_t own = requant->channels == 1 ? 0 : channel;
  const int32_t clamp = requant->clamps == 1 ? 0 : channel;
  const int32_t multiplier = requant->multiplier[own], shift = requant->shift[own];
  const int32_t qmin = requant->qmin[clamp], qmax = requant->qmax[clamp];
  if (shift >= 0) return intact_requantize(acc, requant, channel);
  const int32_t high = (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << 30)) >> 31);
  const int32_t code = intact_rounding_shift(high, -1 - shift) + requant->zero_point;
  return code < qmin ? qmin : code > qmax ? qmax : code;
}

#endif /* INTACT_FIXEDPOINT_H_ */
