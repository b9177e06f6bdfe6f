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

enum {
  INTACT_DSP_WINDOW = 32, /* taps, even */
  INTACT_DSP_LANES = 4,   /* channels of a word */
  INTACT_DSP_STRIP = 192  /* words */
};

/* Taps of a layer and their weights for four channels, prepared once for all pixels. The windows of
 * neighbouring pixels are copied to a strip, where the zero point stands for the padding. */
typedef struct {
  int32_t taps, pairs;
  int32_t width;                      /* of the strip */
  int32_t columns;                    /* output pixels whose windows fit it */
  int32_t offsets[INTACT_DSP_WINDOW]; /* bytes from the first tap of a window in the strip */
  uint32_t strip[INTACT_DSP_STRIP];   /* (kh, width) */
  uint32_t weights[INTACT_DSP_WINDOW / 2 * INTACT_DSP_LANES];
  int32_t bias[INTACT_DSP_LANES];
  int32_t channel;
} intact_dsp_lanes;

INTACT_INLINE int intact_dsp_serves_depthwise(const intact_conv* conv,
                                              const intact_finish* finish) {
  return intact_dsp_serves_factors(&conv->factors, finish) &&
         INTACT_WEIGHTS(conv->factors.weight_type) == INTACT_INT8 &&
         conv->kh <= INTACT_DSP_WINDOW && conv->kw <= INTACT_DSP_WINDOW &&
         conv->kh * conv->kw <= INTACT_DSP_WINDOW &&
         (conv->kw - 1) * conv->dilation_w < INTACT_DSP_STRIP / conv->kh;
}

/* Where taps are; an odd last pair has its one tap twice. */
INTACT_INLINE void intact_dsp_prepare_taps(const intact_conv* conv, intact_dsp_lanes* lanes) {
  lanes->taps = conv->kh * conv->kw;
  lanes->pairs = (lanes->taps + 1) / 2;
  lanes->width = INTACT_DSP_STRIP / conv->kh;
  lanes->columns = (lanes->width - 1 - (conv->kw - 1) * conv->dilation_w) / conv->stride_w + 1;
  for (int32_t t = 0; t < 2 * lanes->pairs; ++t) {
    const int32_t tap = intact_min(t, lanes->taps - 1);
    const int32_t column = tap % conv->kw * conv->dilation_w;
    lanes->offsets[t] = (tap / conv->kw * lanes->width + column) * INTACT_DSP_LANES;
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

/* sums[k] = bias + the products of channel k with the window whose first tap is at x. */
INTACT_ALWAYS_INLINE void intact_dsp_lane_sums(const intact_dsp_lanes* lanes, const int8_t* x,
                                               uint32_t centre, int32_t* sums) {
  const int32_t* offsets = lanes->offsets;
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

/* Codes of `count` pixels of a row, whose windows are in the strip. */
INTACT_DSP_LOOP void intact_dsp_lane_pixels(const intact_conv* conv, const intact_dsp_lanes* lanes,
                                            const intact_dsp_channels* to, int32_t count,
                                            int8_t* out) {
  const uint32_t centre = intact_dsp_halves(-conv->factors.zero_point);
  const int8_t* x = (const int8_t*)lanes->strip;
  int32_t sums[INTACT_DSP_LANES];
  for (; count > 0; --count, x += conv->stride_w * INTACT_DSP_LANES, out += conv->o) {
    intact_dsp_lane_sums(lanes, x, centre, sums);
    intact_dsp_finish_channels(sums, to, out);
  }
}

/* The strip's first `count` columns: input pixels from row `top` and column `left` on. */
INTACT_DSP_LOOP void intact_dsp_fill_strip(const intact_conv* conv, const int8_t* sample,
                                           int32_t top, int32_t left, int32_t count,
                                           intact_dsp_lanes* lanes) {
  const uint32_t nothing = (uint32_t)(uint8_t)conv->factors.zero_point * 0x01010101u;
  const int32_t c = conv->c, size = conv->w * c;
  const int32_t from = intact_min(intact_max(-left, 0), count);
  const int32_t to = intact_max(intact_min(conv->w - left, count), from);
  uint32_t* first = lanes->strip;
  for (int32_t i = 0; i < conv->kh; ++i, top += conv->dilation_h, first += lanes->width) {
    const uint32_t* end = first + count;
    uint32_t* out = first;
    if (top >= 0 && top < conv->h) {
      const int8_t* codes = sample + top * size + (left + from) * c + lanes->channel;
      while (out < first + from) *out++ = nothing;
      for (; out < first + to; codes += c) *out++ = intact_dsp_load(codes);
    }
    while (out < end) *out++ = nothing;
  }
}

/* Four channels of output row oy. */
INTACT_INLINE void intact_dsp_lane_row(const intact_conv* conv, intact_dsp_lanes* lanes,
                                       const intact_dsp_channels* to, const int8_t* sample,
                                       int32_t oy, int8_t* out) {
  const int32_t top = oy * conv->stride_h - conv->pad_top;
  for (int32_t ox = 0; ox < conv->ow; ox += lanes->columns) {
    const int32_t pixels = intact_min(conv->ow - ox, lanes->columns);
    const int32_t count = (pixels - 1) * conv->stride_w + (conv->kw - 1) * conv->dilation_w + 1;
    intact_dsp_fill_strip(conv, sample, top, ox * conv->stride_w - conv->pad_left, count, lanes);
    intact_dsp_lane_pixels(conv, lanes, to, pixels, out + ox * conv->o);
  }
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
      int8_t* out = (int8_t*)finish->out + row * (size_t)conv->ow * (size_t)conv->o + channel;
      intact_dsp_lane_row(conv, &lanes, &to, x + row / (size_t)conv->oh * size,
                          (int32_t)(row % (size_t)conv->oh), out);
    }
  }
  return channels;
}

#endif /* INTACT_DSP */

#endif /* INTACT_DEPTHWISE_DSP_H_ */
