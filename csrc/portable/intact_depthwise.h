/* Convolutions of each channel for itself, one output for each: C = groups = O.
 *
 * The same numbers as intact_conv2d, with weights (kh, kw, C), so that neighbours in memory are
 * neighbours in a vector.
 */
#ifndef INTACT_DEPTHWISE_H_
#define INTACT_DEPTHWISE_H_

#include "intact_conv.h"
#include "intact_depthwise_dsp.h"

enum { INTACT_LANES = 32 }; /* channels that are summed together */

/* acc[k] += (x[k] - zero_point) * weight[k], k < count, where the sums fit int32. */
INTACT_ALWAYS_INLINE void intact_multiply_add(const void* x, intact_type x_type,
                                              int32_t zero_point, const void* weight,
                                              intact_type weight_type, int32_t count,
                                              int32_t* acc) {
  for (int32_t k = 0; k < count; ++k) {
    const int32_t centred = intact_centred(x, x_type, (size_t)k, zero_point);
    acc[k] += centred * intact_load(weight, weight_type, (size_t)k);
  }
}

/* The same, whatever the sums. */
INTACT_ALWAYS_INLINE void intact_multiply_add_wide(const void* x, intact_type x_type,
                                                   int32_t zero_point, const void* weight,
                                                   intact_type weight_type, int32_t count,
                                                   int64_t* acc) {
  for (int32_t k = 0; k < count; ++k) {
    const int32_t centred = intact_centred(x, x_type, (size_t)k, zero_point);
    acc[k] += (int64_t)centred * intact_load(weight, weight_type, (size_t)k);
  }
}

/* acc[k] = the sum of channel first + k, k < count, at output pixel (oy, ox); x is the sample. */
INTACT_ALWAYS_INLINE void intact_depthwise_sums(const intact_conv* conv, const void* x,
                                                intact_type x_type, const void* weight,
                                                intact_type weight_type, int narrow, int32_t oy,
                                                int32_t ox, int32_t first, int32_t count,
                                                int64_t* acc) {
  const int32_t z = conv->factors.zero_point;
  int32_t sums[INTACT_LANES];
  for (int32_t k = 0; k < count; ++k) {
    sums[k] = 0;
    acc[k] = 0;
  }
  for (int32_t i = 0; i < conv->kh; ++i) {
    const int32_t row =
        intact_source(oy, i, conv->stride_h, conv->pad_top, conv->dilation_h, conv->h, 0);
    if (row < 0) continue;
    for (int32_t j = 0; j < conv->kw; ++j) {
      const int32_t column =
          intact_source(ox, j, conv->stride_w, conv->pad_left, conv->dilation_w, conv->w, 0);
      if (column < 0) continue;
      const size_t pixel = (size_t)row * (size_t)conv->w + (size_t)column;
      const size_t tap = (size_t)i * (size_t)conv->kw + (size_t)j;
      const void* codes = intact_at(x, x_type, pixel * (size_t)conv->c + (size_t)first);
      const void* taps = intact_at(weight, weight_type, tap * (size_t)conv->c + (size_t)first);
      if (narrow) {
        intact_multiply_add(codes, x_type, z, taps, weight_type, count, sums);
      } else {
        intact_multiply_add_wide(codes, x_type, z, taps, weight_type, count, acc);
      }
    }
  }
  for (int32_t k = 0; k < count; ++k) acc[k] += sums[k];
}

/* Codes of output rows begin..end, from channel `from` on. */
INTACT_ALWAYS_INLINE void intact_depthwise_rows(const intact_conv* conv, const void* x,
                                                intact_type x_type, const void* weight,
                                                intact_type weight_type, int narrow, int32_t from,
                                                const intact_finish* finish, size_t begin,
                                                size_t end) {
  const size_t sample_size = (size_t)conv->h * (size_t)conv->w * (size_t)conv->c;
  int64_t acc[INTACT_LANES];
  for (size_t row = begin; row < end; ++row) {
    const int32_t oy = (int32_t)(row % (size_t)conv->oh);
    const void* input = intact_at(x, x_type, row / (size_t)conv->oh * sample_size);
    for (int32_t ox = 0; ox < conv->ow; ++ox) {
      const size_t pixel = row * (size_t)conv->ow + (size_t)ox;
      for (int32_t first = from; first < conv->o; first += INTACT_LANES) {
        const int32_t count = intact_min(conv->o - first, INTACT_LANES);
        intact_depthwise_sums(conv, input, x_type, weight, weight_type, narrow, oy, ox, first,
                              count, acc);
        intact_finish_sums(finish, acc, first, count, pixel * (size_t)conv->o + (size_t)first);
      }
    }
  }
}

/* QConv2d with C = groups = O; weights (kh, kw, C). (begin, end) are output rows. */
INTACT_INLINE void intact_depthwise_conv2d(const intact_conv* conv, const void* x,
                                           const void* weight, const intact_finish* finish,
                                           size_t begin, size_t end) {
  const intact_type x_type = INTACT_CODES(conv->factors.x_type);
  const intact_type weight_type = INTACT_WEIGHTS(conv->factors.weight_type);
  const int narrow = intact_is_narrow(&conv->factors);
  int32_t from = 0;
#if INTACT_DSP
  if (intact_dsp_serves_depthwise(conv, finish)) {
    from = intact_dsp_depthwise_rows(conv, (const int8_t*)x, (const int8_t*)weight, finish, begin,
                                     end);
    if (from == conv->o) return;
  }
#endif
  if (narrow && x_type == INTACT_INT8 && weight_type == INTACT_INT8) {
    intact_depthwise_rows(conv, x, INTACT_INT8, weight, INTACT_INT8, 1, from, finish, begin, end);
  } else if (narrow && x_type == INTACT_UINT8 && weight_type == INTACT_INT8) {
    intact_depthwise_rows(conv, x, INTACT_UINT8, weight, INTACT_INT8, 1, from, finish, begin, end);
  } else if (!narrow && x_type == INTACT_INT16 && weight_type == INTACT_INT8) {
    intact_depthwise_rows(conv, x, INTACT_INT16, weight, INTACT_INT8, 0, from, finish, begin, end);
  } else {
    intact_depthwise_rows(conv, x, x_type, weight, weight_type, narrow, from, finish, begin, end);
  }
}

#endif /* INTACT_DEPTHWISE_H_ */
