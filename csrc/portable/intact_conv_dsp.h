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
#include "intact_dot_mve.h"
#include "intact_finish_dsp.h"
#include "intact_window_dsp.h"

#if INTACT_DSP
enum {
  INTACT_DSP_PIXELS = 4,
  INTACT_DSP_TAPS = 144,    /* of a window that are made ready at a time; a multiple of 16 */
  INTACT_DSP_CHANNELS = 32  /* output channels that share four windows */
};

/* Whether codes, weights and sums are of the types that these loops are for. */
INTACT_INLINE int intact_dsp_serves_factors(const intact_factors* factors,
                                            const intact_finish* finish) {
  return INTACT_CODES(factors->x_type) == INTACT_INT8 &&
         (INTACT_WEIGHTS(factors->weight_type) == INTACT_INT8 ||
          INTACT_WEIGHTS(factors->weight_type) >= INTACT_INT4) &&
         INTACT_CODES(finish->out_type) == INTACT_INT8 && !INTACT_WIDE(factors->wide) &&
         !INTACT_WIDE(finish->bias_wide) && !INTACT_WIDE(finish->requant->wide) &&
         factors->zero_point >= INT8_MIN && factors->zero_point <= INT8_MAX;
}

INTACT_INLINE int intact_dsp_serves_conv(const intact_conv* conv, const intact_finish* finish) {
  return intact_dsp_serves_factors(&conv->factors, finish) &&
         (conv->dilation_w == 1 || conv->kw == 1) && conv->groups == 1;
}

/* Output pixels that are computed together: four, or one where no four are left. */
typedef struct {
  intact_dsp_window windows[INTACT_DSP_PIXELS];
  int32_t pixels;   /* that are wanted of four, or 1 */
  int32_t lanes;    /* 4 or 1 */
  int32_t channels; /* of which there are sums */
  int32_t full;     /* intact_dsp_is_full */
  int32_t sums[INTACT_DSP_CHANNELS * INTACT_DSP_PIXELS];
  uint32_t taps[INTACT_DSP_TAPS / 2 * INTACT_DSP_PIXELS]; /* widened, but for Helium */
} intact_dsp_block;

#if INTACT_MVE
INTACT_INLINE void intact_dsp_gather_block(const intact_conv* conv, intact_dsp_block* block,
                                           int32_t begin, int32_t end) {
  const int32_t step = INTACT_MVE_LANES * block->lanes;
  int8_t codes[INTACT_DSP_TAPS];
  for (int32_t p = 0; p < block->lanes; ++p) {
    const intact_dsp_window* window = &block->windows[p];
    int8_t* out = (int8_t*)block->taps + INTACT_MVE_LANES * p;
    if (window->codes != NULL) {
      intact_mve_spread(window->codes + begin, end - begin, step, out);
    } else {
      intact_dsp_copy_window(conv, window, begin, end, codes);
      intact_mve_spread(codes, end - begin, step, out);
    }
  }
}
#else
INTACT_INLINE void intact_dsp_gather_block(const intact_conv* conv, intact_dsp_block* block,
                                           int32_t begin, int32_t end) {
  const uint32_t centre = intact_dsp_halves(-conv->factors.zero_point);
  const int32_t step = 2 * block->lanes;
  for (int32_t p = 0; p < block->lanes; ++p) {
    const intact_dsp_window* window = &block->windows[p];
    uint32_t* out = block->taps + 2 * p;
    if (conv->c % 4 != 0) {
      int8_t codes[INTACT_DSP_TAPS];
      intact_dsp_copy_window(conv, window, begin, end, codes);
      (void)intact_dsp_widen(codes, (end - begin + 3) & ~3, centre, step, out);
    } else if (window->codes != NULL) {
      (void)intact_dsp_widen(window->codes + begin, end - begin, centre, step, out);
    } else {
      intact_dsp_gather(conv, window, begin, end, step, out);
    }
  }
}
#endif

/* Four weights of 4 bits, which lie in two bytes, as the bytes of a word; times 16 if `high`. */
INTACT_ALWAYS_INLINE void intact_dsp_unpack(uint32_t pairs, int high, int8_t* out) {
  const uint32_t bytes = (pairs | pairs << 8) & 0x00ff00ffu;
  const uint32_t fours = (bytes | bytes << 4) & 0x0f0f0f0fu;
  const int32_t word =
      high ? (int32_t)(fours << 4) : __ssub8((int32_t)(fours ^ 0x08080808u), 0x08080808);
  memcpy(out, &word, sizeof word);
}

/* `count` weights of 4 bits, from the byte `pairs` on, as bytes in `out`, which has a multiple of
 * four. */
INTACT_DSP_LOOP void intact_dsp_unpack_row(const uint8_t* pairs, int32_t count, int high,
                                           int8_t* out) {
  for (const uint8_t* end = pairs + (count / 4) * 2; pairs < end; pairs += 2, out += 4) {
    uint16_t two;
    memcpy(&two, pairs, sizeof two);
    intact_dsp_unpack(two, high, out);
  }
  if (count % 4 != 0) intact_dsp_unpack(*pairs, high, out); /* nothing lies behind the last row */
}

/* `count` weights from an even `index` on: where they lie, or of 4 bits, as bytes in `room`. */
INTACT_ALWAYS_INLINE const int8_t* intact_dsp_weights(const intact_factors* factors,
                                                      const void* weight, size_t index,
                                                      int32_t count, int8_t* room) {
  const intact_type type = INTACT_WEIGHTS(factors->weight_type);
  if (type == INTACT_INT8) return (const int8_t*)weight + index;
  intact_dsp_unpack_row((const uint8_t*)weight + index / 2, count, type == INTACT_INT4_HIGH, room);
  return room;
}

/* sums[p] += the products of a row of `count` weights with the block's pixels. */
INTACT_ALWAYS_INLINE void intact_dsp_add_row(const intact_conv* conv,
                                             const intact_dsp_block* block, const int8_t* row,
                                             int32_t count, int32_t* sums) {
#if INTACT_MVE
  intact_mve_dot_pixels((const int8_t*)block->taps, row, count, conv->factors.zero_point, sums);
#else
  (void)conv;
  intact_dsp_dot_pixels(block->taps, row, count, sums);
#endif
}

/* sums[r] += the products of row r < rows of weights, `stride` apart, with the block's pixel. */
INTACT_INLINE void intact_dsp_add_rows(const intact_conv* conv, const intact_dsp_block* block,
                                       const int8_t* weight, int32_t stride, int32_t rows,
                                       int32_t count, int32_t* sums) {
#if INTACT_MVE
  const int8_t* taps = (const int8_t*)block->taps;
  for (int32_t r = 0; r < rows; ++r, weight += stride) {
    intact_mve_dot_channel(taps, weight, count, conv->factors.zero_point, sums + r);
  }
#else
  const int32_t fours = rows & ~3;
  (void)conv;
  for (int32_t r = 0; r < fours; r += 4) {
    intact_dsp_dot_channels(block->taps, weight + r * stride, stride, count, sums + r);
  }
  for (int32_t r = fours; r < rows; ++r) { /* stride 0: four times the one row */
    int32_t same[4] = {sums[r], 0, 0, 0};
    intact_dsp_dot_channels(block->taps, weight + r * stride, 0, count, same);
    sums[r] = same[0];
  }
#endif
}

/* The same of rows of 4-bit weights, the first at `start`. */
INTACT_INLINE void intact_dsp_add_packed_rows(const intact_conv* conv,
                                              const intact_dsp_block* block, const void* weight,
                                              size_t start, int32_t rows, int32_t count,
                                              int32_t* sums) {
  const size_t taps = (size_t)(conv->kh * conv->kw * conv->c);
  int8_t room[4 * INTACT_DSP_TAPS];
  for (int32_t r = 0; r < rows; r += 4) {
    const int32_t four = intact_min(rows - r, 4);
    for (int32_t i = 0; i < four; ++i) {
      (void)intact_dsp_weights(&conv->factors, weight, start + (size_t)(r + i) * taps, count,
                               room + i * INTACT_DSP_TAPS);
    }
    intact_dsp_add_rows(conv, block, room, INTACT_DSP_TAPS, four, count, sums + r);
  }
}

/* Adds the products of taps begin..end to channels first... of four pixels; after the last taps,
 * their codes. `out` is that of the first pixel and channel 0. */
INTACT_INLINE void intact_dsp_block_pixels(const intact_conv* conv, intact_dsp_block* block,
                                           const void* weight, const intact_finish* finish,
                                           int32_t first, int32_t begin, int32_t end,
                                           int8_t* out) {
  const intact_requant requant = *finish->requant; /* which stores to `out` cannot change */
  const int32_t channels = intact_min(conv->o - first, block->channels);
  const int32_t taps = conv->kh * conv->kw * conv->c, step = conv->o;
  const int32_t* bias = (const int32_t*)finish->bias;
  const int four = block->full && block->pixels == INTACT_DSP_PIXELS;
  int32_t* sums = block->sums;
  for (int32_t o = first; o < first + channels; ++o, sums += INTACT_DSP_PIXELS) {
    const size_t at = (size_t)o * (size_t)taps + (size_t)begin;
    int8_t room[INTACT_DSP_TAPS];
    const int8_t* row = intact_dsp_weights(&conv->factors, weight, at, end - begin, room);
    if (begin == 0) sums[0] = sums[1] = sums[2] = sums[3] = bias[o];
    intact_dsp_add_row(conv, block, row, end - begin, sums);
    if (end == taps && !(four && intact_dsp_finish_four(sums, &requant, o, out + o, step))) {
      intact_dsp_finish(sums, block->pixels, &requant, block->full, o, out + o, step);
    }
  }
}

/* The same for one pixel. */
INTACT_INLINE void intact_dsp_block_pixel(const intact_conv* conv, intact_dsp_block* block,
                                          const void* weight, const intact_finish* finish,
                                          int32_t first, int32_t begin, int32_t end, int8_t* out) {
  const int32_t channels = intact_min(conv->o - first, block->channels);
  const int32_t taps = conv->kh * conv->kw * conv->c;
  const size_t start = (size_t)first * (size_t)taps + (size_t)begin;
  int32_t* sums = block->sums;
  for (int32_t o = 0; begin == 0 && o < channels; ++o) {
    sums[o] = ((const int32_t*)finish->bias)[first + o];
  }
  if (INTACT_WEIGHTS(conv->factors.weight_type) == INTACT_INT8) {
    intact_dsp_add_rows(conv, block, (const int8_t*)weight + start, taps, channels, end - begin,
                        sums);
  } else {
    intact_dsp_add_packed_rows(conv, block, weight, start, channels, end - begin, sums);
  }
  if (end == taps) {
    intact_dsp_finish_row(sums, channels, finish->requant, block->full, first, out + first);
  }
}

/* The codes of a block. */
INTACT_INLINE void intact_dsp_conv_block(const intact_conv* conv, intact_dsp_block* block,
                                         const void* weight, const intact_finish* finish,
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
                                          const void* weight, const intact_finish* finish,
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
                                     int32_t outputs, const int8_t* x, const void* weight,
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
