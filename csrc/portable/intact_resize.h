/* Resizing (doc/arithmetic.md, eq. 51 and 52), channels last. Ranges [begin, end) count the rows
 * (n, out_h). */
#ifndef INTACT_RESIZE_H_
#define INTACT_RESIZE_H_

#include <string.h>

#include "intact_block.h"
#include "intact_grid.h"

/* x (n, h, w, c) to y (n, out_h, out_w, c). */
typedef struct {
  int32_t n;
  int32_t h;
  int32_t w;
  int32_t c;
  int32_t out_h;
  int32_t out_w;
} intact_resize_shape;

/* QResizeNearest2d, and ResizeNearest of elements of any size: source index floor(i * in / out). */
INTACT_INLINE void intact_resize_nearest2d(const void* x, void* y, const intact_resize_shape* s,
                                           size_t element, size_t begin, size_t end) {
  const size_t pixel = (size_t)s->c * element, width = (size_t)s->w * pixel;
  uint8_t* out = (uint8_t*)y + begin * (size_t)s->out_w * pixel;
  for (size_t row = begin; row < end; ++row) {
    const size_t sample = row / (size_t)s->out_h;
    const int64_t i = (int64_t)(row % (size_t)s->out_h);
    const size_t h = (size_t)(i * s->h / s->out_h);
    const uint8_t* source = (const uint8_t*)x + (sample * (size_t)s->h + h) * width;
    for (int32_t j = 0; j < s->out_w; ++j, out += pixel) {
      memcpy(out, source + (size_t)((int64_t)j * s->w / s->out_w) * pixel, pixel);
    }
  }
}

/* Two neighbours along an axis, and the weight of the upper one in 1/1024. */
typedef struct {
  int32_t low;
  int32_t high;
  int32_t fraction;
} intact_neighbours;

/* The step from one output to the next in 1/1024 of an input. */
INTACT_INLINE int64_t intact_resize_scale(int32_t size, int32_t out, int32_t align_corners) {
  if (align_corners && out > 1) {
    return (1024 * ((int64_t)size - 1) + (out - 1) / 2) / (out - 1);
  }
  return (1024 * (int64_t)size + out / 2) / out;
}

/* Eq. 51 for output i. */
INTACT_INLINE intact_neighbours intact_resize_neighbours(int32_t i, int64_t scale, int32_t size,
                                                         int32_t align_corners) {
  const int64_t position = i * scale + (align_corners ? 0 : scale / 2 - 512);
  intact_neighbours result;
  result.low = intact_clamp(position >> 10, 0, size - 1);
  result.high = intact_clamp((position + 1023) >> 10, 0, size - 1);
  /* Where both are one pixel, beyond the outermost centres too, any weight gives its code. */
  result.fraction =
      result.low == result.high ? 0 : (int32_t)(position - 1024 * (int64_t)result.low);
  return result;
}

/* QResizeBilinear2d (eq. 52, TFLite RESIZE_BILINEAR). */
INTACT_INLINE void intact_resize_bilinear2d(const void* x, void* y, const intact_resize_shape* s,
                                            intact_type type, int32_t align_corners, size_t begin,
                                            size_t end) {
  const size_t c = (size_t)s->c, w = (size_t)s->w;
  const int64_t row_scale = intact_resize_scale(s->h, s->out_h, align_corners);
  const int64_t column_scale = intact_resize_scale(s->w, s->out_w, align_corners);
  int32_t corners[4][INTACT_BLOCK], codes[INTACT_BLOCK];
  size_t out = begin * (size_t)s->out_w * c;
  for (size_t row = begin; row < end; ++row) {
    const size_t image = row / (size_t)s->out_h * (size_t)s->h;
    const intact_neighbours v =
        intact_resize_neighbours((int32_t)(row % (size_t)s->out_h), row_scale, s->h, align_corners);
    const size_t top = (image + (size_t)v.low) * w, bottom = (image + (size_t)v.high) * w;
    for (int32_t j = 0; j < s->out_w; ++j, out += c) {
      const intact_neighbours u = intact_resize_neighbours(j, column_scale, s->w, align_corners);
      const size_t low = (size_t)u.low, high = (size_t)u.high;
      for (size_t first = 0; first < c; first += INTACT_BLOCK) {
        const size_t count = intact_smaller(INTACT_BLOCK, c - first);
        intact_load_block(x, type, (top + low) * c + first, 1, count, corners[0]);
        intact_load_block(x, type, (top + high) * c + first, 1, count, corners[1]);
        intact_load_block(x, type, (bottom + low) * c + first, 1, count, corners[2]);
        intact_load_block(x, type, (bottom + high) * c + first, 1, count, corners[3]);
        for (size_t i = 0; i < count; ++i) {
          const int32_t upper = (1024 - u.fraction) * corners[0][i] + u.fraction * corners[1][i];
          const int32_t lower = (1024 - u.fraction) * corners[2][i] + u.fraction * corners[3][i];
          const int64_t total = (int64_t)(1024 - v.fraction) * upper + (int64_t)v.fraction * lower;
          const int64_t half = (int64_t)1 << 19;
          codes[i] = (int32_t)((total > 0 ? total + half : total - half) / ((int64_t)1 << 20));
        }
        intact_store_block(y, type, out + first, count, codes);
      }
    }
  }
}

#endif /* INTACT_RESIZE_H_ */
