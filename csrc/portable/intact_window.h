/* The windows of convolutions: which taps meet which pixels. */
#ifndef INTACT_WINDOW_H_
#define INTACT_WINDOW_H_

#include "intact_dot.h"

typedef struct {
  int32_t n, h, w, c; /* x */
  int32_t oh, ow, o;  /* out */
  int32_t kh, kw;
  int32_t stride_h, stride_w;
  int32_t pad_top, pad_left; /* what follows at the bottom and right is told by oh, ow */
  int32_t dilation_h, dilation_w;
  int32_t groups;
  intact_factors factors;
} intact_conv;

/* The input pixel along one axis that a tap meets, or -1: for output pixel `out` of a convolution
 * of `in` pixels, or of a transposed one. */
INTACT_ALWAYS_INLINE int32_t intact_source(int32_t out, int32_t tap, int32_t stride, int32_t pad,
                                           int32_t dilation, int32_t in, int transposed) {
  int32_t source = 0;
  if (transposed) {
    const int32_t position = out + pad - tap * dilation;
    if (position < 0 || position % stride != 0) return -1;
    source = position / stride;
  } else {
    source = out * stride + tap * dilation - pad;
  }
  return source < in ? intact_max(source, -1) : -1;
}

#endif /* INTACT_WINDOW_H_ */
