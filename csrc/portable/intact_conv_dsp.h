/* Convolutions of 8-bit codes with the instructions of intact_dsp.h.
 *
 * Four output pixels at a time: their windows are widened and interleaved on the stack, in pieces
 * of INTACT_DSP_TAPS, and every widened word of weights meets all four. CMSIS-NN (Lai et al. 2018)
 * widens two whole windows instead; pieces need no scratch in the arena, four pixels share a word
 * of weights twice as often, and one pass over a row of weights leaves registers for four sums.
 */
#ifndef INTACT_CONV_DSP_H_
#define INTACT_CONV_DSP_H_

#include "intact_dot_dsp.h"
#include "intact_window.h"

#if INTACT_DSP

enum {
  INTACT_DSP_PIXELS = 4,
  INTACT_DSP_TAPS = 128,    /* of a window that are widened at a time; a multiple of 4 */
  INTACT_DSP_CHANNELS = 32, /* output channels that share four widened windows */
  INTACT_DSP_FOURS = INTACT_DSP_TAPS / 4
};

/* Whether codes, weights and sums are of the types that these loops are for. */
INTACT_INLINE int intact_dsp_serves_factors(const intact_factors* factors,
                                            const intact_finish* finish) {
  return INTACT_CODES(factors->x_type) == INTACT_INT8 &&
         INTACT_WEIGHTS(factors->weight_type) == INTACT_INT8 &&
         INTACT_CODES(finish->out_type) == INTACT_INT8 && !INTACT_WIDE(factors->wide) &&
         !INTACT_WIDE(finish->bias_wide) && !INTACT_WIDE(finish->requant->wide) &&
         factors->zero_point >= INT8_MIN && factors->zero_point <= INT8_MAX;
}

INTACT_INLINE int intact_dsp_serves_conv(const intact_conv* conv, const intact_finish* finish) {
  return intact_dsp_serves_factors(&conv->factors, finish) &&
         (conv->dilation_w == 1 || conv->kw == 1) && conv->groups == 1;
}

/* Widens x - zero_point, `count` codes, a multiple of 4; returns the next place. Fours of taps are
 * `step` words apart. */
INTACT_DSP_LOOP uint32_t* intact_dsp_widen(const int8_t* x, int32_t count, uint32_t centre,
                                           int32_t step, uint32_t* out) {
  const int8_t* end = x + count;
  for (; x < end; x += 4, out += step) {
    const uint32_t word = intact_dsp_load(x);
    out[0] = intact_dsp_even_plus(centre, word);
    out[1] = intact_dsp_odd_plus(centre, word);
  }
  return out;
}

/* The same for taps in the padding, which contribute nothing. */
INTACT_INLINE uint32_t* intact_dsp_widen_nothing(int32_t count, int32_t step, uint32_t* out) {
  for (int32_t i = 0; i < count; i += 4, out += step) {
    out[0] = 0;
    out[1] = 0;
  }
  return out;
}

/* A window and what of it is inside. */
typedef struct {
  const int8_t* sample;
  int32_t top, left;   /* the input pixel of its first tap, maybe in the padding */
  int32_t first, last; /* taps of a row of the window, times channels, that are inside */
  const int8_t* codes; /* all of them, where they are neighbours, else NULL */
} intact_dsp_window;

INTACT_INLINE intact_dsp_window intact_dsp_window_of(const intact_conv* conv, const int8_t* x,
                                                     size_t pixel) {
  const size_t row = pixel / (size_t)conv->ow;
  const size_t size = (size_t)conv->h * (size_t)conv->w * (size_t)conv->c;
  const int32_t ox = (int32_t)(pixel % (size_t)conv->ow);
  const int32_t oy = (int32_t)(row % (size_t)conv->oh);
  intact_dsp_window window;
  window.sample = x + row / (size_t)conv->oh * size;
  window.top = oy * conv->stride_h - conv->pad_top;
  window.left = ox * conv->stride_w - conv->pad_left;
  window.last = intact_max(intact_min(conv->w - window.left, conv->kw), 0) * conv->c;
  window.first = intact_min(intact_max(-window.left, 0) * conv->c, window.last);
  window.codes = NULL;
  if (conv->kh == 1 && window.last - window.first == conv->kw * conv->c && window.top >= 0 &&
      window.top < conv->h) {
    window.codes = window.sample + (window.top * conv->w + window.left) * conv->c;
  }
  return window;
}

/* Widens taps begin..end of a window, whose numbers of channels are multiples of 4. */
INTACT_INLINE void intact_dsp_gather(const intact_conv* conv, const intact_dsp_window* window,
                                     int32_t begin, int32_t end, int32_t step,
                                     uint32_t* out) {
  const uint32_t centre = intact_dsp_halves(-conv->factors.zero_point);
  const int32_t size = conv->kw * conv->c;
  while (begin < end) {
    const int32_t i = begin / size;
    const int32_t at = begin - i * size;
    const int32_t stop = intact_min(size, at + end - begin);
    const int32_t row = window->top + i * conv->dilation_h;
    const int inside = row >= 0 && row < conv->h;
    const int32_t to = inside ? intact_clamp(window->last, at, stop) : at;
    const int32_t from = inside ? intact_clamp(window->first, at, to) : at;
    const ptrdiff_t start = ((ptrdiff_t)row * conv->w + window->left) * conv->c + from;
    out = intact_dsp_widen_nothing(from - at, step, out);
    if (to > from) out = intact_dsp_widen(window->sample + start, to - from, centre, step, out);
    out = intact_dsp_widen_nothing(stop - to, step, out);
    begin += stop - at;
  }
}

/* The same for any number of channels: by way of the codes themselves, where the zero point stands
 * for the padding. */
INTACT_INLINE void intact_dsp_gather_bytes(const intact_conv* conv,
                                           const intact_dsp_window* window, int32_t begin,
                                           int32_t end, int32_t step, uint32_t* out) {
  const int32_t zero_point = conv->factors.zero_point, size = conv->kw * conv->c;
  int8_t codes[INTACT_DSP_TAPS];
  memset(codes, zero_point, (size_t)((end - begin + 3) & ~3));
  for (int32_t k = begin; k < end;) {
    const int32_t i = k / size;
    const int32_t at = k - i * size;
    const int32_t stop = intact_min(size, at + end - k);
    const int32_t row = window->top + i * conv->dilation_h;
    const int32_t from = intact_max(window->first, at), to = intact_min(window->last, stop);
    const ptrdiff_t start = ((ptrdiff_t)row * conv->w + window->left) * conv->c + from;
    if (row >= 0 && row < conv->h && from < to) {
      memcpy(codes + (k - begin) + (from - at), window->sample + start, (size_t)(to - from));
    }
    k += stop - at;
  }
  (void)intact_dsp_widen(codes, (end - begin + 3) & ~3, intact_dsp_halves(-zero_point), step,
                         out);
}

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

/* Output pixels that are computed together: four, or one where no four are left. */
typedef struct {
  intact_dsp_window windows[INTACT_DSP_PIXELS];
  int32_t pixels;   /* that are wanted of four, or 1 */
  int32_t lanes;    /* 4 or 1 */
  int32_t channels; /* of which there are sums */
  int32_t full;     /* intact_dsp_is_full */
  int32_t sums[INTACT_DSP_CHANNELS * INTACT_DSP_PIXELS];
  uint32_t taps[INTACT_DSP_TAPS / 2 * INTACT_DSP_PIXELS]; /* widened */
} intact_dsp_block;

INTACT_INLINE void intact_dsp_gather_block(const intact_conv* conv, intact_dsp_block* block,
                                           int32_t begin, int32_t end) {
  for (int32_t p = 0; p < block->lanes; ++p) {
    const intact_dsp_window* window = &block->windows[p];
    uint32_t* out = block->taps + 2 * p;
    if (conv->c % 4 != 0) {
      intact_dsp_gather_bytes(conv, window, begin, end, 2 * block->lanes, out);
    } else if (window->codes != NULL) {
      const uint32_t centre = intact_dsp_halves(-conv->factors.zero_point);
      (void)intact_dsp_widen(window->codes + begin, end - begin, centre, 2 * block->lanes, out);
    } else {
      intact_dsp_gather(conv, window, begin, end, 2 * block->lanes, out);
    }
  }
}

/* Adds the products of taps begin..end to channels first... of four pixels; after the last taps,
 * their codes. `out` is that of the first pixel and channel 0. */
INTACT_INLINE void intact_dsp_block_pixels(const intact_conv* conv, intact_dsp_block* block,
                                           const int8_t* weight, const intact_finish* finish,
                                           int32_t first, int32_t begin, int32_t end,
                                           int8_t* out) {
  const intact_requant requant = *finish->requant; /* which stores to `out` cannot change */
  const int32_t channels = intact_min(conv->o - first, block->channels);
  const int32_t taps = conv->kh * conv->kw * conv->c, step = conv->o;
  const int32_t* bias = (const int32_t*)finish->bias;
  const int8_t* row = weight + (size_t)first * (size_t)taps + begin;
  const int four = block->full && block->pixels == INTACT_DSP_PIXELS;
  int32_t* sums = block->sums;
  for (int32_t o = first; o < first + channels; ++o, row += taps, sums += INTACT_DSP_PIXELS) {
    if (begin == 0) sums[0] = sums[1] = sums[2] = sums[3] = bias[o];
    intact_dsp_dot_pixels(block->taps, row, end - begin, sums);
    if (end == taps && !(four && intact_dsp_finish_four(sums, &requant, o, out + o, step))) {
      intact_dsp_finish(sums, block->pixels, &requant, block->full, o, out + o, step);
    }
  }
}

/* The same for one pixel. */
INTACT_INLINE void intact_dsp_block_pixel(const intact_conv* conv, intact_dsp_block* block,
                                          const int8_t* weight, const intact_finish* finish,
                                          int32_t first, int32_t begin, int32_t end, int8_t* out) {
  const int32_t channels = intact_min(conv->o - first, block->channels);
  const int32_t taps = conv->kh * conv->kw * conv->c;
  const int8_t* row = weight + (size_t)first * (size_t)taps + begin;
  int32_t* sums = block->sums;
  for (int32_t o = 0; begin == 0 && o < channels; ++o) {
    sums[o] = ((const int32_t*)finish->bias)[first + o];
  }
  for (int32_t o = 0; o < channels; o += 4) {
    if (o + 4 <= channels) {
      intact_dsp_dot_channels(block->taps, row + o * taps, taps, end - begin, sums + o);
    } else {
      for (int32_t r = o; r < channels; ++r) { /* stride 0: four times the one row */
        int32_t same[4] = {sums[r], 0, 0, 0};
        intact_dsp_dot_channels(block->taps, row + r * taps, 0, end - begin, same);
        sums[r] = same[0];
      }
    }
  }
  if (end == taps) {
    intact_dsp_finish_row(sums, channels, finish->requant, block->full, first, out + first);
  }
}

/* The codes of a block. */
INTACT_INLINE void intact_dsp_conv_block(const intact_conv* conv, intact_dsp_block* block,
                                         const int8_t* weight, const intact_finish* finish,
                                         int8_t* out) {
  const int32_t taps = conv->kh * conv->kw * conv->c;
  for (int32_t first = 0; first < conv->o; first += block->channels) {
    for (int32_t begin = 0; begin < taps; begin += INTACT_DSP_TAPS) {
      const int32_t end = intact_min(taps, begin + INTACT_DSP_TAPS);
      if (first == 0 || taps > INTACT_DSP_TAPS) { /* else they still lie there */
        intact_dsp_gather_block(conv, block, begin, end);
      }
      if (block->lanes == 1) {
        intact_dsp_block_pixel(conv, block, weight, finish, first, begin, end, out);
      } else {
        intact_dsp_block_pixels(conv, block, weight, finish, first, begin, end, out);
      }
    }
  }
}

/* The codes of output pixels begin..end, counted through all samples. */
INTACT_INLINE void intact_dsp_conv_pixels(const intact_conv* conv, const int8_t* x,
                                          const int8_t* weight, const intact_finish* finish,
                                          size_t begin, size_t end) {
  intact_dsp_block block;
  block.full = intact_dsp_is_full(finish->requant);
  while (begin < end) {
    const int32_t left = end - begin < INTACT_DSP_PIXELS ? (int32_t)(end - begin) : 4;
    block.lanes = left > 2 ? INTACT_DSP_PIXELS : 1; /* three are worth the time of four */
    block.pixels = intact_min(left, block.lanes);
    block.channels = INTACT_DSP_CHANNELS * INTACT_DSP_PIXELS / block.lanes;
    for (int32_t p = 0; p < block.lanes; ++p) {
      const size_t pixel = begin + (size_t)intact_min(p, block.pixels - 1);
      block.windows[p] = intact_dsp_window_of(conv, x, pixel);
    }
    intact_dsp_conv_block(conv, &block, weight, finish,
                          (int8_t*)finish->out + begin * (size_t)conv->o);
    begin += (size_t)block.pixels;
  }
}

/* Rows begin..end of a linear layer: a convolution of pixels that are rows. */
INTACT_INLINE void intact_dsp_linear(const intact_factors* factors, int32_t inputs,
                                     int32_t outputs, const int8_t* x, const int8_t* weight,
                                     const intact_finish* finish, size_t begin, size_t end) {
  intact_conv conv;
  memset(&conv, 0, sizeof conv);
  conv.h = conv.w = conv.oh = conv.ow = conv.kh = conv.kw = 1;
  conv.stride_h = conv.stride_w = conv.dilation_h = conv.dilation_w = conv.groups = 1;
  conv.c = inputs;
  conv.o = outputs;
  conv.factors = *factors;
  intact_dsp_conv_pixels(&conv, x, weight, finish, begin, end);
}

#endif /* INTACT_DSP */

#endif /* INTACT_CONV_DSP_H_ */
