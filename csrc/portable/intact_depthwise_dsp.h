/* Depthwise convolutions of 8-bit codes with the instructions of intact_dsp.h.
 *
 * Four channels at a time, and two taps in one product: of two taps' words, the low halves hold
 * channels 0 and 1 of both and the high halves channels 2 and 3, so that the even and odd codes of
 * these are the pairs that belong to one channel.
 */
#ifndef INTACT_DEPTHWISE_DSP_H_
#define INTACT_DEPTHWISE_DSP_H_

#include "intact_conv_dsp.h"

#if INTACT_DSP

enum { INTACT_DSP_WINDOW = 32 /* taps, even */, INTACT_DSP_LANES = 4 /* channels of a word */ };

/* Taps of a layer and their weights for four channels, prepared once for all pixels. */
typedef struct {
  int32_t taps, pairs;
  int32_t offsets[INTACT_DSP_WINDOW]; /* of taps from the first of a window that is inside */
  int32_t copied[INTACT_DSP_WINDOW];  /* the same in `codes` */
  uint32_t codes[INTACT_DSP_WINDOW];  /* a window that is partly in the padding */
  uint32_t weights[INTACT_DSP_WINDOW / 2 * INTACT_DSP_LANES];
  int32_t bias[INTACT_DSP_LANES];
  int32_t channel;
} intact_dsp_lanes;

INTACT_INLINE int intact_dsp_serves_depthwise(const intact_conv* conv,
                                              const intact_finish* finish) {
  const intact_factors* factors = &conv->factors;
  return intact_dsp_serves_factors(factors, finish) && conv->kh <= INTACT_DSP_WINDOW &&
         conv->kw <= INTACT_DSP_WINDOW && conv->kh * conv->kw <= INTACT_DSP_WINDOW;
}

/* Where taps are; an odd last pair has its one tap twice. */
INTACT_INLINE void intact_dsp_prepare_taps(const intact_conv* conv, intact_dsp_lanes* lanes) {
  lanes->taps = conv->kh * conv->kw;
  lanes->pairs = (lanes->taps + 1) / 2;
  for (int32_t t = 0; t < 2 * lanes->pairs; ++t) {
    const int32_t tap = intact_min(t, lanes->taps - 1);
    const int32_t row = tap / conv->kw * conv->dilation_h;
    const int32_t column = tap % conv->kw * conv->dilation_w;
    lanes->offsets[t] = (row * conv->w + column) * conv->c;
    lanes->copied[t] = tap * INTACT_DSP_LANES;
  }
}

/* Channels `channel` to `channel` + 3. The second half of an odd last pair has weight 0. */
INTACT_INLINE void intact_dsp_prepare_lanes(const intact_conv* conv, const int8_t* weight,
                                            const intact_finish* finish, int32_t channel,
                                            intact_dsp_lanes* lanes) {
  lanes->channel = channel;
  for (int32_t p = 0; p < lanes->pairs; ++p) {
    const int8_t* taps = weight + (size_t)(2 * p) * (size_t)conv->c + channel;
    const uint32_t a = intact_dsp_load(taps);
    const uint32_t b = 2 * p + 1 < lanes->taps ? intact_dsp_load(taps + conv->c) : 0;
    const uint32_t low = intact_dsp_low_halves(a, b), high = intact_dsp_high_halves(a, b);
    lanes->weights[4 * p] = intact_dsp_even(low);
    lanes->weights[4 * p + 1] = intact_dsp_odd(low);
    lanes->weights[4 * p + 2] = intact_dsp_even(high);
    lanes->weights[4 * p + 3] = intact_dsp_odd(high);
  }
  for (int32_t k = 0; k < INTACT_DSP_LANES; ++k) {
    lanes->bias[k] = ((const int32_t*)finish->bias)[channel + k];
  }
}

/* sums[k] = bias + the products of channel k; tap t is at x + offsets[t]. */
INTACT_ALWAYS_INLINE void intact_dsp_lane_sums(const intact_dsp_lanes* lanes, const int8_t* x,
                                               const int32_t* offsets, uint32_t centre,
                                               int32_t* sums) {
  const uint32_t* weights = lanes->weights;
  const uint32_t* end = weights + INTACT_DSP_LANES * lanes->pairs;
  int32_t sum0 = lanes->bias[0], sum1 = lanes->bias[1];
  int32_t sum2 = lanes->bias[2], sum3 = lanes->bias[3];
  while (weights < end) {
    uint32_t low = 0, high = 0, first = 0, second = 0;
    offsets = (const int32_t*)intact_dsp_next((const uint32_t*)offsets, &first, &second);
    const uint32_t a = intact_dsp_load(x + first), b = intact_dsp_load(x + second);
    low = intact_dsp_low_halves(a, b);
    high = intact_dsp_high_halves(a, b);
    weights = intact_dsp_next(weights, &first, &second);
    sum0 = intact_dsp_dot(intact_dsp_even_plus(centre, low), first, sum0);
    sum1 = intact_dsp_dot(intact_dsp_odd_plus(centre, low), second, sum1);
    weights = intact_dsp_next(weights, &first, &second);
    sum2 = intact_dsp_dot(intact_dsp_even_plus(centre, high), first, sum2);
    sum3 = intact_dsp_dot(intact_dsp_odd_plus(centre, high), second, sum3);
  }
  sums[0] = sum0;
  sums[1] = sum1;
  sums[2] = sum2;
  sums[3] = sum3;
}

/* Codes of `count` pixels, whose windows are x, x + stride... Those of a pixel are four neighbours,
 * those of two pixels conv->o apart. */
INTACT_DSP_LOOP void intact_dsp_lane_pixels(const intact_conv* conv, const intact_dsp_lanes* lanes,
                                            const intact_dsp_channels* to, const int8_t* x,
                                            const int32_t* offsets, int32_t count, int8_t* out) {
  const uint32_t centre = intact_dsp_halves(-conv->factors.zero_point);
  const int32_t stride = conv->stride_w * conv->c;
  int32_t sums[INTACT_DSP_LANES];
  for (; count > 0; --count, x += stride, out += conv->o) {
    intact_dsp_lane_sums(lanes, x, offsets, centre, sums);
    intact_dsp_finish_channels(sums, to, out);
  }
}

/* lanes->codes = the taps of the window whose first tap is input pixel (top, left); the zero point
 * stands for those in the padding. */
INTACT_INLINE void intact_dsp_copy_lanes(const intact_conv* conv, const int8_t* sample,
                                         int32_t top, int32_t left, intact_dsp_lanes* lanes) {
  const uint32_t nothing = (uint32_t)(uint8_t)conv->factors.zero_point * 0x01010101u;
  const int32_t step = conv->dilation_w * conv->c;
  uint32_t* out = lanes->codes;
  for (int32_t i = 0; i < conv->kh; ++i) {
    const int32_t row = top + i * conv->dilation_h;
    const int inside = row >= 0 && row < conv->h;
    const uint32_t width = inside ? (uint32_t)(conv->w * conv->c) : 0;
    const int8_t* codes = sample + (inside ? row * conv->w * conv->c : 0) + lanes->channel;
    int32_t column = left * conv->c;
    for (int32_t j = 0; j < conv->kw; ++j, column += step) {
      *out++ = (uint32_t)column < width ? intact_dsp_load(codes + column) : nothing;
    }
  }
}

/* Output pixels begin..end of a row, some taps of whose windows are in the padding. */
INTACT_INLINE void intact_dsp_lane_border(const intact_conv* conv, intact_dsp_lanes* lanes,
                                          const intact_dsp_channels* to, const int8_t* sample,
                                          int32_t top, int32_t begin, int32_t end, int8_t* out) {
  for (int32_t ox = begin; ox < end; ++ox) {
    intact_dsp_copy_lanes(conv, sample, top, ox * conv->stride_w - conv->pad_left, lanes);
    intact_dsp_lane_pixels(conv, lanes, to, (const int8_t*)lanes->codes, lanes->copied, 1,
                           out + ox * conv->o);
  }
}

/* Four channels of a row of output. */
INTACT_INLINE void intact_dsp_lane_row(const intact_conv* conv, intact_dsp_lanes* lanes,
                                       const intact_dsp_channels* to, const int8_t* sample,
                                       int32_t oy, int8_t* out) {
  const int32_t top = oy * conv->stride_h - conv->pad_top;
  const int32_t room = conv->w - 1 - (conv->kw - 1) * conv->dilation_w + conv->pad_left;
  int32_t begin = 0, end = 0; /* the pixels whose windows are all inside */
  if (top >= 0 && top + (conv->kh - 1) * conv->dilation_h < conv->h && room >= 0) {
    begin = intact_min((conv->pad_left + conv->stride_w - 1) / conv->stride_w, conv->ow);
    end = intact_max(intact_min(room / conv->stride_w + 1, conv->ow), begin);
  }
  intact_dsp_lane_border(conv, lanes, to, sample, top, 0, begin, out);
  if (begin < end) {
    const int32_t left = begin * conv->stride_w - conv->pad_left;
    intact_dsp_lane_pixels(conv, lanes, to,
                           sample + (top * conv->w + left) * conv->c + lanes->channel,
                           lanes->offsets, end - begin, out + begin * conv->o);
  }
  intact_dsp_lane_border(conv, lanes, to, sample, top, end, conv->ow, out);
}

/* Codes of output rows begin..end, channels 0 to the one that it returns: less than four may be
 * left over. */
INTACT_INLINE int32_t intact_dsp_depthwise_rows(const intact_conv* conv, const int8_t* x,
                                                const int8_t* weight, const intact_finish* finish,
                                                size_t begin, size_t end) {
  const size_t size = (size_t)conv->h * (size_t)conv->w * (size_t)conv->c;
  const int32_t channels = conv->o & ~(INTACT_DSP_LANES - 1);
  intact_dsp_lanes lanes;
  intact_dsp_channels to;
  intact_dsp_prepare_taps(conv, &lanes);
  for (int32_t channel = 0; channel < channels; channel += INTACT_DSP_LANES) {
    intact_dsp_prepare_lanes(conv, weight, finish, channel, &lanes);
    intact_dsp_prepare_channels(finish->requant, channel, &to);
    for (size_t row = begin; row < end; ++row) {
      intact_dsp_lane_row(conv, &lanes, &to, x + row / (size_t)conv->oh * size,
                          (int32_t)(row % (size_t)conv->oh),
                          (int8_t*)finish->out + row * (size_t)conv->ow * (size_t)conv->o + channel);
    }
  }
  return channels;
}

#endif /* INTACT_DSP */

#endif /* INTACT_DEPTHWISE_DSP_H_ */
