/* Windows of convolutions of 8-bit codes, made ready for products. */
#ifndef INTACT_WINDOW_DSP_H_
#define INTACT_WINDOW_DSP_H_

#include "intact_dsp.h"
#include "intact_window.h"

#if INTACT_DSP
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

/* Copies taps begin..end of a window, where the zero point stands for the padding; as far as a
 * multiple of 4. */
INTACT_INLINE void intact_dsp_copy_window(const intact_conv* conv, const intact_dsp_window* window,
                                          int32_t begin, int32_t end, int8_t* codes) {
  const int32_t size = conv->kw * conv->c;
  memset(codes, conv->factors.zero_point, (size_t)((end - begin + 3) & ~3));
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
}
#endif /* INTACT_DSP */

#endif /* INTACT_WINDOW_DSP_H_ */
