/* Softmax over the last axis (doc/arithmetic.md, section 7). Ranges [begin, end) count rows. */
#ifndef INTACT_SOFTMAX_H_
#define INTACT_SOFTMAX_H_

#include "intact_elementwise.h"

/* --- gemmlowp's fixed point: numbers with n fractional bits are int32 that stand for themselves
 * / 2**n; as numerics/gemmlowp.py ---------------------------------------------------------- */

/* exp(a) for a in [-1/4, 0), Q0.31: four terms of Taylor's series around -1/8. */
INTACT_INLINE int32_t intact_exp_near_zero(int32_t a) {
  const int32_t exp_minus_eighth = 1895147668, third = 715827883;
  const int32_t x = a + (1 << 28);
  const int32_t x2 = intact_doubling_high_mul(x, x);
  const int32_t x3 = intact_doubling_high_mul(x2, x);
  const int32_t x4 = intact_doubling_high_mul(x2, x2);
  const int32_t cubic = intact_doubling_high_mul(intact_rounding_divide_by_pot(x4, 2) + x3, third);
  const int32_t tail = intact_rounding_divide_by_pot(cubic + x2, 1);
  return exp_minus_eighth + intact_doubling_high_mul(x + tail, exp_minus_eighth);
}

/* exp(a) in Q0.31 for a <= 0, Q5.26: a remainder in [-1/4, 0) goes through the series, each bit of
 * the rest multiplies by exp(-2**e) in Q0.31, e = -2 .. 4. */
INTACT_INLINE int32_t intact_exp_on_negative_values(int32_t a) {
  static const int32_t factors[7] = {1672461947, 1302514674, 790015084, 290630308,
                                     39332535,   720401,     242};
  const int32_t quarter = 1 << 24;
  const int32_t remainder = (a & (quarter - 1)) - quarter;
  const int64_t rest = (int64_t)remainder - a;
  int32_t result;
  if (a == 0) return INT32_MAX;
  result = intact_exp_near_zero(remainder * (1 << 5));
  for (int32_t i = 0; i < 7; ++i) {
    if ((rest >> (24 + i)) & 1) result = intact_doubling_high_mul(result, factors[i]);
  }
  return result;
}

/* 1 / (1 + a) in Q0.31 for a in [0, 1], Q0.31: three Newton steps from 48/17 - 32/17 * d, in
 * Q2.29, where d is half of 1 + a. */
INTACT_INLINE int32_t intact_one_over_one_plus_x(int32_t a) {
  const int32_t half_denominator = (int32_t)(((int64_t)a + ((int64_t)1 << 31)) >> 1);
  int32_t x = 1515870810 + intact_doubling_high_mul(half_denominator, -1010580540);
  for (int32_t i = 0; i < 3; ++i) {
    const int32_t error = (1 << 29) - intact_doubling_high_mul(half_denominator, x);
    const int64_t step = intact_doubling_high_mul(x, error);
    x += intact_saturate32(step * 4);
  }
  return intact_saturate32((int64_t)x * 2);
}

/* Leading zeros of x > 0. */
INTACT_INLINE int32_t intact_leading_zeros(uint32_t x) {
  int32_t zeros = 0;
  for (; x < (uint32_t)1 << 31; x <<= 1) ++zeros;
  return zeros;
}

/* --- up to 8 bits --------------------------------------------------------------------------- */

/* Fills the exponentials of all differences from a row's maximum: table[d] = exp of -d in Q0.31
 * for d = 0 .. 255, 0 where -d is below diff_min (eq. 38). */
INTACT_INLINE void intact_softmax_table(int32_t multiplier, int32_t shift, int32_t diff_min,
                                        int32_t table[256]) {
  for (int32_t d = 0; d < 256; ++d) {
    table[d] = -d < diff_min ? 0
                             : intact_exp_on_negative_values(
                                   intact_multiply_by_quantized_multiplier(-d, multiplier, shift));
  }
}

typedef struct {
  const int32_t* table; /* (256,), of intact_softmax_table */
  int32_t length;       /* of a row, at most 8191 */
  int32_t bits;         /* of y's format */
  int32_t qmin;
  int32_t qmax;
  intact_type x_type;
  intact_type out_type;
} intact_softmax_params;

INTACT_ALWAYS_INLINE int32_t intact_largest(const void* x, intact_type type, size_t first,
                                            size_t count) {
  int32_t largest = intact_load(x, type, first);
  for (size_t i = 1; i < count; ++i) largest = intact_max(largest, intact_load(x, type, first + i));
  return largest;
}

INTACT_ALWAYS_INLINE void intact_softmax_body(const void* x, intact_type x_type, void* y,
                                              intact_type out_type,
                                              const intact_softmax_params* params, size_t begin,
                                              size_t end) {
  const size_t length = (size_t)params->length;
  const int32_t* table = params->table;
  for (size_t first = begin * length; first < end * length; first += length) {
    const int32_t largest = intact_largest(x, x_type, first, length);
    uint32_t total = 0; /* Q12.19 */
    for (size_t i = first; i < first + length; ++i) {
      total +=
          (uint32_t)intact_rounding_divide_by_pot(table[largest - intact_load(x, x_type, i)], 12);
    }
    {
      const int32_t headroom = intact_leading_zeros(total);
      const int32_t fraction = (int32_t)((total << headroom) - ((uint32_t)1 << 31));
      const int32_t scale = intact_one_over_one_plus_x(fraction);
      /* Up to 42 bits, so that 64 are needed; the product is not negative. */
      const int32_t right = 43 - headroom - params->bits;
      const int64_t half = (int64_t)1 << (right - 1);
      for (size_t i = first; i < first + length; ++i) {
        const int32_t exponential = table[largest - intact_load(x, x_type, i)];
        const int64_t product = intact_doubling_high_mul(scale, exponential);
        const int64_t code = ((product + half) >> right) + params->qmin;
        intact_store(y, out_type, i, intact_clamp(code, params->qmin, params->qmax));
      }
    }
  }
}

/* QSoftmax (eq. 39, TFLite SOFTMAX int8). y may be x. */
INTACT_INLINE void intact_softmax(const void* x, void* y, const intact_softmax_params* params,
                                  size_t begin, size_t end) {
  const int is_signed = INTACT_CODES(params->x_type) == INTACT_INT8;
  if (INTACT_CODES(params->out_type) == INTACT_INT8) {
    if (is_signed) {
      intact_softmax_body(x, INTACT_INT8, y, INTACT_INT8, params, begin, end);
    } else {
      intact_softmax_body(x, INTACT_UINT8, y, INTACT_INT8, params, begin, end);
    }
  } else {
    if (is_signed) {
      intact_softmax_body(x, INTACT_INT8, y, INTACT_UINT8, params, begin, end);
    } else {
      intact_softmax_body(x, INTACT_UINT8, y, INTACT_UINT8, params, begin, end);
    }
  }
}

/* --- 9 to 16 bits --------------------------------------------------------------------------- */

typedef struct {
  int32_t multiplier;
  int32_t shift;
  const int32_t* exp_table;        /* (513,), 0 .. 2**15 - 1, its last two at least 2**14 */
  const int32_t* reciprocal_table; /* (513,), of int16 */
  int32_t length;                  /* of a row, at most 2**16 */
  int32_t bits;                    /* of y's format */
  intact_type x_type;
  intact_type out_type;
} intact_softmax16_params;

/* TFLite's LUTLookup of a number that saturates to int16. */
INTACT_INLINE int32_t intact_lookup16(const int32_t* table, int64_t x) {
  return intact_interpolate(table, intact_clamp(x, INT16_MIN, INT16_MAX) - INT16_MIN, 7);
}

INTACT_ALWAYS_INLINE void intact_softmax16_body(const void* x, intact_type x_type, void* y,
                                                const intact_softmax16_params* params, size_t begin,
                                                size_t end) {
  const size_t length = (size_t)params->length;
  uint16_t* out = (uint16_t*)y; /* results are at most 2**15 - 1: either sign stores them alike */
  const int32_t most = (int32_t)(((uint32_t)1 << (params->bits - 1)) - 1);
  for (size_t first = begin * length; first < end * length; first += length) {
    const int32_t largest = intact_largest(x, x_type, first, length);
    uint32_t total = 0;
    for (size_t i = first; i < first + length; ++i) {
      const int32_t difference = intact_load(x, x_type, i) - largest;
      const int32_t scaled =
          intact_multiply_by_quantized_multiplier(difference, params->multiplier, params->shift);
      const int32_t exponential = intact_lookup16(params->exp_table, (int64_t)scaled + 32767);
      total += (uint32_t)exponential;
      out[i] = (uint16_t)exponential; /* the output is their store until the sum is known */
    }
    {
      const int32_t headroom = intact_leading_zeros(total); /* at least 1 */
      const int64_t shifted = (((int64_t)total << (headroom - 1)) + (1 << 13)) >> 14;
      const int32_t reciprocal =
          intact_lookup16(params->reciprocal_table, shifted - ((1 << 15) + (1 << 16)));
      const int32_t right = 47 - headroom - params->bits;
      const int64_t half = (int64_t)1 << (right - 1);
      for (size_t i = first; i < first + length; ++i) {
        const int64_t code = ((int64_t)out[i] * reciprocal + half) >> right;
        out[i] = (uint16_t)intact_clamp(code, 0, most);
      }
    }
  }
}

/* QSoftmax16 (eq. 40 and 41, TFLite SOFTMAX int16). y may be x. */
INTACT_INLINE void intact_softmax16(const void* x, void* y, const intact_softmax16_params* params,
                                    size_t begin, size_t end) {
  if (INTACT_CODES(params->x_type) == INTACT_INT16) {
    intact_softmax16_body(x, INTACT_INT16, y, params, begin, end);
  } else {
    intact_softmax16_body(x, INTACT_UINT16, y, params, begin, end);
  }
}

#endif /* INTACT_SOFTMAX_H_ */
