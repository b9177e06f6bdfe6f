/* Convolutions, channels last (doc/arithmetic.md, eq. 16 and 21).
 *
 * Weights are integers of which the zero point is subtracted, (O, kh, kw, C/groups); taps in the
 * padding contribute nothing. Work is divided by output rows: (begin, end) are numbers in
 * 0..n * oh.
 */
#ifndef INTACT_CONV_H_
#define INTACT_CONV_H_

#include "intact_conv_dsp.h"
#include "intact_window.h"

/* acc[r] += the products of one row of taps with output channel first + r, r < rows. `x` is the
 * input row that they meet, from the group's first channel; `weight` is the tap row of `first`. */
INTACT_ALWAYS_INLINE void intact_conv_tap_row(const intact_conv* conv, const void* x,
                                              const void* weight, int32_t ox, int32_t depth,
                                              int32_t rows, int transposed, int64_t* acc) {
  const intact_factors* factors = &conv->factors;
  const size_t stride = (size_t)conv->kh * (size_t)conv->kw * (size_t)depth;
  if (!transposed && conv->dilation_w == 1 && conv->groups == 1) {
    /* The taps inside are neighbours, in memory too. */
    const int32_t left = ox * conv->stride_w - conv->pad_left;
    const int32_t begin = intact_max(-left, 0);
    const int32_t end = left > conv->w - conv->kw ? conv->w - left : conv->kw;
    if (begin >= end) return;
    intact_dot_rows(factors,
                    intact_x_at(factors, x, (size_t)(left + begin) * (size_t)conv->c),
                    intact_weight_at(factors, weight, (size_t)begin * (size_t)depth), stride,
                    (size_t)(end - begin) * (size_t)depth, rows, acc);
    return;
  }
  for (int32_t j = 0; j < conv->kw; ++j) {
    const int32_t column = intact_source(ox, j, conv->stride_w, conv->pad_left, conv->dilation_w,
                                         conv->w, transposed);
    if (column < 0) continue;
    intact_dot_rows(factors, intact_x_at(factors, x, (size_t)column * (size_t)conv->c),
                    intact_weight_at(factors, weight, (size_t)j * (size_t)depth), stride,
                    (size_t)depth, rows, acc);
  }
}

/* acc[r] = the sum of output pixel (oy, ox) and channel first + r of group `group`; x is the
 * sample. */
INTACT_ALWAYS_INLINE void intact_conv_sums(const intact_conv* conv, const void* x,
                                           const void* weight, int32_t oy, int32_t ox,
                                           int32_t group, int32_t first, int32_t rows,
                                           int transposed, int64_t* acc) {
  const int32_t depth = conv->c / conv->groups;
  const size_t input_row = (size_t)conv->w * (size_t)conv->c;
  const size_t tap_row = (size_t)conv->kw * (size_t)depth;
  for (int32_t r = 0; r < rows; ++r) acc[r] = 0;
  for (int32_t i = 0; i < conv->kh; ++i) {
    const int32_t row = intact_source(oy, i, conv->stride_h, conv->pad_top, conv->dilation_h,
                                      conv->h, transposed);
    if (row < 0) continue;
    const size_t start = (size_t)row * input_row + (size_t)group * (size_t)depth;
    const size_t taps = ((size_t)first * (size_t)conv->kh + (size_t)i) * tap_row;
    intact_conv_tap_row(conv, intact_x_at(&conv->factors, x, start),
                        intact_weight_at(&conv->factors, weight, taps), ox, depth, rows,
                        transposed, acc);
  }
}

/* Sums of all pixels of output rows begin..end. */
INTACT_ALWAYS_INLINE void intact_conv_rows(const intact_conv* conv, const void* x,
                                           const void* weight, size_t begin, size_t end,
                                           int transposed, intact_use_sums use,
                                           const void* context) {
  const int32_t channels = conv->o / conv->groups; /* of one group */
  const size_t sample_size = (size_t)conv->h * (size_t)conv->w * (size_t)conv->c;
  int64_t acc[INTACT_SUMS];
  for (size_t row = begin; row < end; ++row) {
    const size_t sample = row / (size_t)conv->oh;
    const int32_t oy = (int32_t)(row % (size_t)conv->oh);
    const void* input = intact_x_at(&conv->factors, x, sample * sample_size);
    for (int32_t ox = 0; ox < conv->ow; ++ox) {
      const size_t pixel = row * (size_t)conv->ow + (size_t)ox;
      for (int32_t group = 0; group < conv->groups; ++group) {
        for (int32_t done = 0; done < channels; done += INTACT_SUMS) {
          const int32_t first = group * channels + done;
          const int32_t rows = intact_min(channels - done, INTACT_SUMS);
          intact_conv_sums(conv, input, weight, oy, ox, group, first, rows, transposed, acc);
          use(context, acc, sample, first, rows, pixel * (size_t)conv->o + (size_t)first);
        }
      }
    }
  }
}

/* QConv2d with any groups. */
INTACT_INLINE void intact_conv2d(const intact_conv* conv, const void* x, const void* weight,
                                 const intact_finish* finish, size_t begin, size_t end) {
#if INTACT_DSP
  if (intact_dsp_serves_conv(conv, finish)) {
    intact_dsp_conv_pixels(conv, (const int8_t*)x, weight, finish,
                           begin * (size_t)conv->ow, end * (size_t)conv->ow);
    return;
  }
#endif
  intact_conv_rows(conv, x, weight, begin, end, 0, intact_use_finish, finish);
}

/* QConvTranspose2d: every output gathers the taps that reach it, so that there is no scratch. */
INTACT_INLINE void intact_conv_transpose2d(const intact_conv* conv, const void* x,
                                           const void* weight, const intact_finish* finish,
                                           size_t begin, size_t end) {
  intact_conv_rows(conv, x, weight, begin, end, 1, intact_use_finish, finish);
}

#endif /* INTACT_CONV_H_ */
