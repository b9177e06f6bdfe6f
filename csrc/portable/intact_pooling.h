/* Pooling and means (doc/arithmetic.md, eq. 49 and 50), channels last. */
#ifndef INTACT_POOLING_H_
#define INTACT_POOLING_H_

#include <string.h>

#include "intact_block.h"
#include "intact_grid.h"

/* x (n, h, w, c) to y (n, out_h, out_w, c), of one type. */
typedef struct {
  int32_t n;
  int32_t h;
  int32_t w;
  int32_t c;
  int32_t out_h;
  int32_t out_w;
  int32_t kernel_h;
  int32_t kernel_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t dilation_h; /* 1 for averages */
  int32_t dilation_w;
  int32_t top; /* padding before the first pixel */
  int32_t left;
  int32_t bottom; /* padding after the last, without overhang; counts in averages alone */
  int32_t right;
  intact_type type;
} intact_pool_params;

/* Positions low, low + step, .. below high along one axis. */
typedef struct {
  int32_t low;
  int32_t high;
  int32_t step;
} intact_span;

/* The taps of window `out` that lie in 0 .. size - 1. */
INTACT_INLINE intact_span intact_taps(int32_t out, int32_t stride, int32_t before, int32_t kernel,
                                      int32_t dilation, int32_t size) {
  const int64_t start = (int64_t)out * stride - before;
  const int64_t end = start + (int64_t)(kernel - 1) * dilation + 1;
  const int64_t skipped = start < 0 ? (-start + dilation - 1) / dilation : 0;
  intact_span span;
  span.low = (int32_t)(start + skipped * dilation);
  span.high = (int32_t)(end < size ? end : size);
  span.step = dilation;
  return span;
}

/* --- maxima -------------------------------------------------------------------------------- */

/* One loop for each type, without widening, which compilers turn into vectors of bytes. */
INTACT_INLINE void intact_max_row(void* y, const void* x, intact_type stored, size_t count) {
  const intact_type type = INTACT_CODES(stored);
  if (type == INTACT_INT8) {
    int8_t* out = (int8_t*)y;
    const int8_t* in = (const int8_t*)x;
    for (size_t i = 0; i < count; ++i) out[i] = in[i] > out[i] ? in[i] : out[i];
  } else if (type == INTACT_UINT8) {
    uint8_t* out = (uint8_t*)y;
    const uint8_t* in = (const uint8_t*)x;
    for (size_t i = 0; i < count; ++i) out[i] = in[i] > out[i] ? in[i] : out[i];
  } else if (type == INTACT_INT16) {
    int16_t* out = (int16_t*)y;
    const int16_t* in = (const int16_t*)x;
    for (size_t i = 0; i < count; ++i) out[i] = in[i] > out[i] ? in[i] : out[i];
  } else {
    uint16_t* out = (uint16_t*)y;
    const uint16_t* in = (const uint16_t*)x;
    for (size_t i = 0; i < count; ++i) out[i] = in[i] > out[i] ? in[i] : out[i];
  }
}

/* QMaxPool2d: padding never wins, and every window has a pixel. [begin, end) counts the rows
 * (n, out_h). */
INTACT_INLINE void intact_max_pool2d(const void* x, void* y, const intact_pool_params* p,
                                     size_t begin, size_t end) {
  const size_t c = (size_t)p->c, bytes = c * intact_size(INTACT_CODES(p->type));
  uint8_t* out = (uint8_t*)y + begin * (size_t)p->out_w * bytes;
  for (size_t row = begin; row < end; ++row) {
    const size_t sample = row / (size_t)p->out_h;
    const int32_t i = (int32_t)(row % (size_t)p->out_h);
    const uint8_t* image = (const uint8_t*)x + sample * (size_t)p->h * (size_t)p->w * bytes;
    const intact_span rows = intact_taps(i, p->stride_h, p->top, p->kernel_h, p->dilation_h, p->h);
    for (int32_t j = 0; j < p->out_w; ++j, out += bytes) {
      const intact_span columns =
          intact_taps(j, p->stride_w, p->left, p->kernel_w, p->dilation_w, p->w);
      int first = 1;
      for (int32_t h = rows.low; h < rows.high; h += rows.step) {
        for (int32_t w = columns.low; w < columns.high; w += columns.step) {
          const uint8_t* pixel = image + ((size_t)h * (size_t)p->w + (size_t)w) * bytes;
          if (first) {
            memcpy(out, pixel, bytes);
          } else {
            intact_max_row(out, pixel, p->type, c);
          }
          first = 0;
        }
      }
    }
  }
}

/* --- sums ---------------------------------------------------------------------------------- */

enum { INTACT_EXACT_SUM = 1 << 15 }; /* as many codes of 16 bits sum up within int32 */

/* `rows` rows of `columns` vectors of codes each; strides in elements. */
typedef struct {
  size_t first;
  size_t rows;
  size_t row_stride;
  size_t columns;
  size_t column_stride;
} intact_rectangle;

/* sums[i] = the sum of element i of each vector; at most INTACT_BLOCK elements. */
INTACT_INLINE void intact_sum_rectangle(const void* x, intact_type type, const intact_rectangle* r,
                                        size_t count, int64_t* sums) {
  int32_t part[INTACT_BLOCK];
  size_t room = INTACT_EXACT_SUM;
  memset(part, 0, count * sizeof(part[0]));
  memset(sums, 0, count * sizeof(sums[0]));
  for (size_t i = 0; i < r->rows; ++i) {
    for (size_t j = 0; j < r->columns; ++j) {
      const size_t at = r->first + i * r->row_stride + j * r->column_stride;
      if (room-- == 0) {
        for (size_t k = 0; k < count; ++k) sums[k] += part[k];
        memset(part, 0, count * sizeof(part[0]));
        room = INTACT_EXACT_SUM - 1;
      }
      intact_add_block(x, type, at, count, part);
    }
  }
  for (size_t k = 0; k < count; ++k) sums[k] += part[k];
}

/* Eq. 49: round(total / count), ties away from zero. */
INTACT_INLINE int32_t intact_divide_half_away(int64_t total, int64_t count) {
  const uint64_t magnitude = (uint64_t)(total < 0 ? -total : total) + ((uint64_t)count >> 1);
  /* Divisions of 32 bits where they do: those of 64 are slow, and software on small machines. */
  const int64_t quotient = magnitude <= UINT32_MAX && count <= UINT32_MAX
                               ? (int64_t)((uint32_t)magnitude / (uint32_t)count)
                               : (int64_t)(magnitude / (uint64_t)count);
  return (int32_t)(total < 0 ? -quotient : quotient);
}

/* The mean of a rectangle of pixels, and of `padded` more that hold `value`. */
INTACT_INLINE void intact_mean_pixels(const void* x, void* y, intact_type type,
                                      const intact_rectangle* rectangle, size_t channels,
                                      size_t padded, int32_t value, size_t out) {
  const int64_t count = (int64_t)(rectangle->rows * rectangle->columns + padded);
  intact_rectangle part = *rectangle;
  int64_t sums[INTACT_BLOCK];
  int32_t codes[INTACT_BLOCK];
  for (size_t first = 0; first < channels; first += INTACT_BLOCK) {
    const size_t block = intact_smaller(INTACT_BLOCK, channels - first);
    part.first = rectangle->first + first;
    intact_sum_rectangle(x, type, &part, block, sums);
    for (size_t i = 0; i < block; ++i) {
      codes[i] = intact_divide_half_away(sums[i] + (int64_t)padded * value, count);
    }
    intact_store_block(y, type, out + first, block, codes);
  }
}

/* How many taps of window `out` lie in -before .. size + after - 1. */
INTACT_INLINE int64_t intact_counted(int32_t out, int32_t stride, int32_t before, int32_t kernel,
                                     int32_t size, int32_t after) {
  const int64_t start = (int64_t)out * stride - before;
  const int64_t end = start + kernel, limit = (int64_t)size + after;
  return (end < limit ? end : limit) - start;
}

/* QAvgPool2d: padding does not count, or with count_include_pad counts as zero_point, but never
 * what lies beyond it. [begin, end) counts the rows (n, out_h). */
INTACT_INLINE void intact_avg_pool2d(const void* x, void* y, const intact_pool_params* p,
                                     int32_t count_include_pad, int32_t zero_point, size_t begin,
                                     size_t end) {
  const size_t c = (size_t)p->c, w = (size_t)p->w;
  size_t out = begin * (size_t)p->out_w * c;
  for (size_t row = begin; row < end; ++row) {
    const size_t sample = row / (size_t)p->out_h;
    const int32_t i = (int32_t)(row % (size_t)p->out_h);
    const intact_span rows = intact_taps(i, p->stride_h, p->top, p->kernel_h, 1, p->h);
    const int64_t tall = intact_counted(i, p->stride_h, p->top, p->kernel_h, p->h, p->bottom);
    const size_t first = (sample * (size_t)p->h + (size_t)rows.low) * w;
    for (int32_t j = 0; j < p->out_w; ++j, out += c) {
      const intact_span columns = intact_taps(j, p->stride_w, p->left, p->kernel_w, 1, p->w);
      const int64_t wide = intact_counted(j, p->stride_w, p->left, p->kernel_w, p->w, p->right);
      const intact_rectangle pixels = {(first + (size_t)columns.low) * c,
                                       (size_t)(rows.high - rows.low), w * c,
                                       (size_t)(columns.high - columns.low), c};
      const size_t inside = pixels.rows * pixels.columns;
      const size_t padded = count_include_pad ? (size_t)(tall * wide) - inside : 0;
      intact_mean_pixels(x, y, p->type, &pixels, c, padded, zero_point, out);
    }
  }
}

/* Window `out` of an adaptive pool: floor(out * size / outs) .. ceil((out + 1) * size / outs). */
INTACT_INLINE intact_span intact_adaptive_window(int32_t out, int32_t size, int32_t outs) {
  intact_span span;
  span.low = (int32_t)((int64_t)out * size / outs);
  span.high = (int32_t)((((int64_t)out + 1) * size + outs - 1) / outs);
  span.step = 1;
  return span;
}

/* QAdaptiveAvgPool2d, of the params n, h, w, c, out_h, out_w, type. [begin, end) counts the rows
 * (n, out_h). */
INTACT_INLINE void intact_adaptive_avg_pool2d(const void* x, void* y, const intact_pool_params* p,
                                              size_t begin, size_t end) {
  const size_t c = (size_t)p->c, w = (size_t)p->w;
  size_t out = begin * (size_t)p->out_w * c;
  for (size_t row = begin; row < end; ++row) {
    const size_t sample = row / (size_t)p->out_h;
    const intact_span rows =
        intact_adaptive_window((int32_t)(row % (size_t)p->out_h), p->h, p->out_h);
    const size_t first = (sample * (size_t)p->h + (size_t)rows.low) * w;
    for (int32_t j = 0; j < p->out_w; ++j, out += c) {
      const intact_span columns = intact_adaptive_window(j, p->w, p->out_w);
      const intact_rectangle pixels = {(first + (size_t)columns.low) * c,
                                       (size_t)(rows.high - rows.low), w * c,
                                       (size_t)(columns.high - columns.low), c};
      intact_mean_pixels(x, y, p->type, &pixels, c, 0, 0, out);
    }
  }
}

/* --- means over axes ----------------------------------------------------------------------- */

/* Which axes of x remain and which are summed, each with x's strides. */
typedef struct {
  intact_grid kept;
  intact_grid reduced;
} intact_reduction;

/* Bit i of `axes`: axis i of x is summed. */
INTACT_INLINE void intact_reduce(intact_reduction* reduction, const int32_t* shape, int32_t rank,
                                 uint32_t axes) {
  size_t unit = 1;
  int32_t kept = 0, reduced = 0;
  for (int32_t i = 0; i < rank; ++i) {
    if ((axes >> i) & 1) {
      ++reduced;
    } else {
      ++kept;
    }
  }
  reduction->kept.rank = kept;
  reduction->reduced.rank = reduced;
  for (int32_t i = rank - 1; i >= 0; --i) {
    const int32_t is_reduced = (axes >> i) & 1;
    intact_grid* grid = is_reduced ? &reduction->reduced : &reduction->kept;
    const int32_t axis = is_reduced ? --reduced : --kept;
    grid->shape[axis] = shape[i];
    grid->stride[0][axis] = unit;
    grid->stride[1][axis] = 0;
    unit *= (size_t)shape[i];
  }
  intact_grid_merge(&reduction->kept);
  intact_grid_merge(&reduction->reduced);
}

/* The sum of `count` codes. */
INTACT_INLINE int64_t intact_sum_run(const void* x, intact_type type, size_t first, size_t stride,
                                     size_t count) {
  int64_t total = 0;
  int32_t codes[INTACT_BLOCK];
  for (size_t done = 0; done < count; done += INTACT_BLOCK) {
    const size_t block = intact_smaller(INTACT_BLOCK, count - done);
    int32_t part = 0;
    intact_load_block(x, type, first + done * stride, stride, block, codes);
    for (size_t i = 0; i < block; ++i) part += codes[i];
    total += part;
  }
  return total;
}

/* sums[i] += the sum of all that is reduced into the output whose codes begin at first + i *
 * stride. */
INTACT_INLINE void intact_sum_reduced(const void* x, intact_type type, const intact_grid* reduced,
                                      size_t first, size_t stride, size_t count, int64_t* sums) {
  const int32_t last = reduced->rank - 1;
  const size_t length = (size_t)reduced->shape[last], step = reduced->stride[0][last];
  const size_t rows = intact_volume(reduced->shape, last);
  int64_t part[INTACT_BLOCK];
  intact_row row;
  intact_row_seek(reduced, 0, &row);
  for (size_t i = 0; i < rows; ++i) {
    const size_t at = first + row.offset[0];
    if (stride == 1) {
      const intact_rectangle run = {at, 1, 0, length, step};
      intact_sum_rectangle(x, type, &run, count, part);
      for (size_t k = 0; k < count; ++k) sums[k] += part[k];
    } else {
      for (size_t k = 0; k < count; ++k) {
        sums[k] += intact_sum_run(x, type, at + k * stride, step, length);
      }
    }
    intact_row_next(reduced, &row);
  }
}

typedef struct {
  int32_t input_zero_point;
  intact_requant requant; /* holds the 1 / count */
  intact_type x_type;
  intact_type out_type;
} intact_mean_params;

/* QMean: y = requant(sum of (x - input_zero_point)) (eq. 50); [begin, end) counts elements of y. */
INTACT_INLINE void intact_mean(const void* x, void* y, const intact_reduction* reduction,
                               const intact_mean_params* params, size_t begin, size_t end) {
  const intact_grid* kept = &reduction->kept;
  const int32_t last = kept->rank - 1;
  const size_t size = (size_t)kept->shape[last], stride = kept->stride[0][last];
  const size_t summed = intact_volume(reduction->reduced.shape, reduction->reduced.rank);
  const int64_t offset = -(int64_t)summed * params->input_zero_point;
  int64_t sums[INTACT_BLOCK];
  for (size_t at = begin; at < end;) {
    const size_t column = at % size;
    const size_t count = intact_smaller(INTACT_BLOCK, intact_smaller(size - column, end - at));
    intact_row row;
    intact_row_seek(kept, at / size, &row);
    for (size_t i = 0; i < count; ++i) sums[i] = offset;
    intact_sum_reduced(x, params->x_type, &reduction->reduced, row.offset[0] + column * stride,
                       stride, count, sums);
    intact_requantize_block(sums, count, &params->requant, y, params->out_type, at);
    at += count;
  }
}

#endif /* INTACT_POOLING_H_ */
