/* Sums of products with Helium's vectors: codes as they are, less the zero point times the sum of
 * the weights, modulo 2**32; what eq. 19 bounds is the difference. */
#ifndef INTACT_DOT_MVE_H_
#define INTACT_DOT_MVE_H_

#include <string.h>

#include "intact_dsp.h"

#if INTACT_MVE
enum { INTACT_MVE_LANES = 16 };

/* Copies codes by sixteens, `step` bytes from one to the next. The last sixteen may be less. */
INTACT_INLINE void intact_mve_spread(const int8_t* x, int32_t count, int32_t step, int8_t* out) {
  for (; count > 0; count -= INTACT_MVE_LANES, x += INTACT_MVE_LANES, out += step) {
    const mve_pred16_t inside = vctp8q((uint32_t)count);
    vstrbq_s8(out, vldrbq_z_s8(x, inside));
  }
}

INTACT_ALWAYS_INLINE int32_t intact_mve_centre(int32_t sum, int32_t weights, int32_t zero_point) {
  return (int32_t)((uint32_t)sum - (uint32_t)weights * (uint32_t)zero_point);
}

/* The sums of four pixels, and of the weights themselves. */
typedef struct {
  int32_t a, b, c, d, weights;
} intact_mve_sums;

INTACT_ALWAYS_INLINE void intact_mve_add_pixels(const int8_t* taps, int8x16_t row,
                                                intact_mve_sums* sums) {
  sums->weights = vaddvaq_s8(sums->weights, row);
  sums->a = vmladavaq_s8(sums->a, vldrbq_s8(taps), row);
  sums->b = vmladavaq_s8(sums->b, vldrbq_s8(taps + INTACT_MVE_LANES), row);
  sums->c = vmladavaq_s8(sums->c, vldrbq_s8(taps + 2 * INTACT_MVE_LANES), row);
  sums->d = vmladavaq_s8(sums->d, vldrbq_s8(taps + 3 * INTACT_MVE_LANES), row);
}

/* out[p] += the products of `count` weights with pixel p of four interleaved windows. */
INTACT_DSP_LOOP void intact_mve_dot_pixels(const int8_t* taps, const int8_t* weight, int32_t count,
                                           int32_t zero_point, int32_t* out) {
  const int8_t* end = weight + (count & ~(INTACT_MVE_LANES - 1));
  intact_mve_sums sums = {out[0], out[1], out[2], out[3], 0};
  for (; weight < end; weight += INTACT_MVE_LANES, taps += 4 * INTACT_MVE_LANES) {
    intact_mve_add_pixels(taps, vldrbq_s8(weight), &sums);
  }
  count &= INTACT_MVE_LANES - 1;
  if (count > 0) { /* then zeros */
    intact_mve_add_pixels(taps, vldrbq_z_s8(weight, vctp8q((uint32_t)count)), &sums);
  }
  out[0] = intact_mve_centre(sums.a, sums.weights, zero_point);
  out[1] = intact_mve_centre(sums.b, sums.weights, zero_point);
  out[2] = intact_mve_centre(sums.c, sums.weights, zero_point);
  out[3] = intact_mve_centre(sums.d, sums.weights, zero_point);
}

/* *out += the products of a row of weights with one window. */
INTACT_DSP_LOOP void intact_mve_dot_channel(const int8_t* taps, const int8_t* weight,
                                            int32_t count, int32_t zero_point, int32_t* out) {
  const int8_t* end = weight + (count & ~(INTACT_MVE_LANES - 1));
  int32_t sum = *out, weights = 0;
  for (; weight < end; weight += INTACT_MVE_LANES, taps += INTACT_MVE_LANES) {
    const int8x16_t row = vldrbq_s8(weight);
    weights = vaddvaq_s8(weights, row);
    sum = vmladavaq_s8(sum, vldrbq_s8(taps), row);
  }
  count &= INTACT_MVE_LANES - 1;
  if (count > 0) {
    const int8x16_t row = vldrbq_z_s8(weight, vctp8q((uint32_t)count));
    weights = vaddvaq_s8(weights, row);
    sum = vmladavaq_s8(sum, vldrbq_s8(taps), row);
  }
  *out = intact_mve_centre(sum, weights, zero_point);
}
#endif /* INTACT_MVE */

#endif /* INTACT_DOT_MVE_H_ */
