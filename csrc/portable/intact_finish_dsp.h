/* Accumulators to codes with the instructions of intact_dsp.h. */
#ifndef INTACT_FINISH_DSP_H_
#define INTACT_FINISH_DSP_H_

#include "intact_dsp.h"
#include "intact_fixedpoint.h"

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

#endif /* INTACT_FINISH_DSP_H_ */
