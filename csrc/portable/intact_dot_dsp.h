/* Sums of products with the instructions of intact_dsp.h: the integers of the plain loops. */
#ifndef INTACT_DOT_DSP_H_
#define INTACT_DOT_DSP_H_

#include "intact_dsp.h"

#if INTACT_DSP
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
  const int32_t fours = rows & ~3;
  for (int32_t r = 0; r < fours; r += 4) {
    intact_dsp_dot4(x, zero_point, weight + (size_t)r * stride, stride, n, acc + r);
  }
  for (int32_t r = fours; r < rows; ++r) { /* stride 0: four times the one row */
    int64_t sums[4] = {0, 0, 0, 0};
    intact_dsp_dot4(x, zero_point, weight + (size_t)r * stride, 0, n, sums);
    acc[r] += sums[0];
  }
}
#endif /* INTACT_DSP */

#if INTACT_DSP
/* sum + the products of four widened taps with four widened weights. */
INTACT_ALWAYS_INLINE const uint32_t* intact_dsp_dot_next(const uint32_t* taps, uint32_t even,
                                                         uint32_t odd, int32_t* sum) {
  uint32_t x_even = 0, x_odd = 0;
  taps = intact_dsp_next(taps, &x_even, &x_odd);
  *sum = intact_dsp_dot(x_odd, odd, intact_dsp_dot(x_even, even, *sum));
  return taps;
}

/* The sums of four pixels or channels, in registers. */
typedef struct {
  int32_t a, b, c, d;
} intact_dsp_sums;

/* A word of weights with four pixels; returns the next taps. */
INTACT_ALWAYS_INLINE const uint32_t* intact_dsp_add_pixels(const uint32_t* taps, uint32_t weights,
                                                           intact_dsp_sums* sums) {
  const uint32_t even = intact_dsp_even(weights), odd = intact_dsp_odd(weights);
  taps = intact_dsp_dot_next(taps, even, odd, &sums->a);
  taps = intact_dsp_dot_next(taps, even, odd, &sums->b);
  taps = intact_dsp_dot_next(taps, even, odd, &sums->c);
  return intact_dsp_dot_next(taps, even, odd, &sums->d);
}

/* out[p] += the products of `count` weights with pixel p of four interleaved windows. */
INTACT_DSP_LOOP void intact_dsp_dot_pixels(const uint32_t* taps, const int8_t* weight,
                                           int32_t count, int32_t* out) {
  const int8_t* end = weight + (count & ~7);
  intact_dsp_sums sums = {out[0], out[1], out[2], out[3]};
  for (; weight < end; weight += 8) { /* two words, for less of the loop itself */
    taps = intact_dsp_add_pixels(taps, intact_dsp_load(weight), &sums);
    taps = intact_dsp_add_pixels(taps, intact_dsp_load(weight + 4), &sums);
  }
  if ((count & 4) != 0) {
    taps = intact_dsp_add_pixels(taps, intact_dsp_load(weight), &sums);
    weight += 4;
  }
  if ((count & 3) != 0) {
    (void)intact_dsp_add_pixels(taps, intact_dsp_load_part(weight, count & 3), &sums);
  }
  out[0] = sums.a;
  out[1] = sums.b;
  out[2] = sums.c;
  out[3] = sums.d;
}

/* Four taps of one window with words of four rows of weights, of which `later` is the third. */
INTACT_ALWAYS_INLINE const uint32_t* intact_dsp_add_channels(const uint32_t* taps,
                                                             const int8_t* weight,
                                                             const int8_t* later, int32_t stride,
                                                             intact_dsp_sums* sums) {
  uint32_t even = 0, odd = 0;
  taps = intact_dsp_next(taps, &even, &odd);
  sums->a = intact_dsp_dot_weights(even, odd, weight, sums->a);
  sums->b = intact_dsp_dot_weights(even, odd, weight + stride, sums->b);
  sums->c = intact_dsp_dot_weights(even, odd, later, sums->c);
  sums->d = intact_dsp_dot_weights(even, odd, later + stride, sums->d);
  return taps;
}

/* out[r] += the products of row r < 4 of weights, `stride` apart, with one window. */
INTACT_DSP_LOOP void intact_dsp_dot_channels(const uint32_t* taps, const int8_t* weight,
                                             int32_t stride, int32_t count, int32_t* out) {
  const int8_t* end = weight + (count & ~7);
  const int8_t* later = weight + 2 * stride;
  intact_dsp_sums sums = {out[0], out[1], out[2], out[3]};
  for (; weight < end; weight += 8, later += 8) {
    taps = intact_dsp_add_channels(taps, weight, later, stride, &sums);
    taps = intact_dsp_add_channels(taps, weight + 4, later + 4, stride, &sums);
  }
  if ((count & 4) != 0) {
    taps = intact_dsp_add_channels(taps, weight, later, stride, &sums);
    weight += 4;
    later += 4;
  }
  if ((count &= 3) != 0) {
    const uint32_t even = taps[0], odd = taps[1];
    sums.a = intact_dsp_dot_word(even, odd, intact_dsp_load_part(weight, count), sums.a);
    sums.b = intact_dsp_dot_word(even, odd, intact_dsp_load_part(weight + stride, count), sums.b);
    sums.c = intact_dsp_dot_word(even, odd, intact_dsp_load_part(later, count), sums.c);
    sums.d = intact_dsp_dot_word(even, odd, intact_dsp_load_part(later + stride, count), sums.d);
  }
  out[0] = sums.a;
  out[1] = sums.b;
  out[2] = sums.c;
  out[3] = sums.d;
}
#endif /* INTACT_DSP */

#endif /* INTACT_DOT_DSP_H_ */
