/* Layers from real to real numbers with integers in between (doc/arithmetic.md, section 10).
 *
 * First each row (of a linear layer) or sample (of a convolution) becomes codes with a scale, then
 * the layer runs over the codes. Results equal exec/dynamic.py in every bit if no product and sum
 * are fused: compile with -ffp-contract=off. Further demands on float: intact_convert.h.
 */
#ifndef INTACT_DYNAMIC_H_
#define INTACT_DYNAMIC_H_

#include <string.h>

#include "intact_conv.h"
#include "intact_convert.h"
#include "intact_linear.h"

/* Eq. 53: max |x| / qmax, 1 for zeros; NaN if there is one. */
INTACT_INLINE float intact_row_scale(const float* x, size_t n, int32_t qmax) {
  /* Without their sign, floats order as their bits do, NaN last. */
  uint32_t most = 0;
  for (size_t i = 0; i < n; ++i) {
    uint32_t bits = 0;
    memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffffu;
    most = bits > most ? bits : most;
  }
  float largest = 0.0f;
  memcpy(&largest, &most, sizeof largest);
  const float scale = largest / (float)qmax;
  return scale == 0.0f ? 1.0f : scale;
}

/* scales[r] and codes (rows, n), int8 or int16, of x (rows, n). (begin, end) are rows. */
INTACT_INLINE void intact_encode_rows(const float* x, size_t n, int32_t qmax, float* scales,
                                      void* codes, intact_type type, size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row) {
    const float scale = intact_row_scale(x + row * n, n, qmax);
    scales[row] = scale;
    intact_quantize_run(x, scale, 0, -qmax, qmax, codes, type, row * n, (row + 1) * n);
  }
}

/* What becomes of the sums (eq. 54). */
typedef struct {
  const float* scales;       /* of each row or sample */
  const float* weight_scale; /* (O) */
  const float* bias;         /* (O) */
  float* out;
} intact_real;

INTACT_INLINE void intact_use_real(const void* context, const int64_t* acc, size_t sample,
                                   int32_t first, int32_t count, size_t index) {
  const intact_real* real = (const intact_real*)context;
  const float scale = real->scales[sample];
  for (int32_t i = 0; i < count; ++i) {
    const float product = (float)acc[i] * (scale * real->weight_scale[first + i]);
    real->out[index + (size_t)i] = product + real->bias[first + i];
  }
}

/* DynamicLinear over codes (rows, inputs). (begin, end) are blocks, as those of intact_linear. */
INTACT_INLINE void intact_dynamic_linear(const intact_factors* factors, int32_t inputs,
                                         int32_t outputs, const void* codes, const void* weight,
                                         const intact_real* real, size_t begin, size_t end) {
  intact_linear_rows(factors, inputs, outputs, codes, weight, begin, end, intact_use_real, real);
}

/* DynamicConv2d over codes (n, h, w, c). (begin, end) are output rows. */
INTACT_INLINE void intact_dynamic_conv2d(const intact_conv* conv, const void* codes,
                                         const void* weight, const intact_real* real, size_t begin,
                                         size_t end) {
  intact_conv_rows(conv, codes, weight, begin, end, 0, intact_use_real, real);
}

#endif /* INTACT_DYNAMIC_H_ */
