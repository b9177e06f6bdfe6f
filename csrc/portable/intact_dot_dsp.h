/* Sums of products with the instructions of intact_dsp.h, and their codes. Every function gives the
 * integers of the plain loops. */
#ifndef INTACT_DOT_DSP_H_
#define INTACT_DOT_DSP_H_

#include "intact_dsp.h"
#include "intact_fixedpoint.h"

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

/* The same for four codes that have all of int8's range; 0 if it must be done by the other. */
INTACT_ALWAYS_INLINE int intact_dsp_finish_four(const int32_t* acc, const intact_requant* requant,
                                                int32_t channel, int8_t* out, int32_t step) {
  intact_dsp_channel to;
  if (!intact_dsp_channel_of(requant, channel, &to)) return 0;
  out[0] = (int8_t)intact_dsp_requantize(acc[0], &to);
  out[step] = (int8_t)intact_dsp_requantize(acc[1], &to);
  out[2 * step] = (int8_t)intact_dsp_requantize(acc[2], &to);
  out[3 * step] = (int8_t)intact_dsp_requantize(acc[3], &to);
  return 1;
}

/* out[i] = the code of acc[i], i < count, of channel first + i. */
INTACT_DSP_LOOP void intact_dsp_finish_row(const int32_t* acc, int32_t count,
                                           const intact_requant* requant, int32_t full,
                                           int32_t first, int8_t* out) {
  const intact_requant own = *requant; /* which stores to `out` cannot change */
  for (int32_t i = 0; i < count; ++i) {
    intact_dsp_channel to;
    if (full && intact_dsp_channel_of(&own, first + i, &to)) {
      out[i] = (int8_t)intact_dsp_requantize(acc[i], &to);
    } else {
      intact_dsp_finish(acc + i, 1, requant, full, first + i, out + i, 1);
    }
  }
}
#endif /* INTACT_DSP */

#if INTACT_DSP
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

#endif /* INTACT_DOT_DSP_H_ */
