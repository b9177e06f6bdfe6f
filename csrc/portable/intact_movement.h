/* Operations that move elements of 1, 2, 4 or 8 bytes, whatever they mean. */
#ifndef INTACT_MOVEMENT_H_
#define INTACT_MOVEMENT_H_

#include <string.h>

#include "intact_grid.h"

/* --- Permute, Slice, Expand: strided views ------------------------------------------------- */

/* An array seen with other axes: element i of the view lies `offset` and i's strides into it. */
typedef struct {
  intact_grid grid; /* stride[0] in bytes; stride[1] is 0 */
  size_t offset;    /* bytes */
  size_t element;   /* bytes */
} intact_view;

/* The array itself. Then any of the functions below; at last intact_view_finish. */
INTACT_INLINE void intact_view_start(intact_view* view, const int32_t* shape, int32_t rank,
                                     size_t element) {
  view->grid.rank = rank;
  view->offset = 0;
  view->element = element;
  for (int32_t i = 0; i < rank; ++i) {
    view->grid.shape[i] = shape[i];
    view->grid.stride[1][i] = 0;
  }
  intact_contiguous(shape, rank, element, view->grid.stride[0]);
}

/* Axis i becomes the former axes[i]. */
INTACT_INLINE void intact_view_permute(intact_view* view, const int32_t* axes) {
  const intact_grid before = view->grid;
  for (int32_t i = 0; i < before.rank; ++i) {
    view->grid.shape[i] = before.shape[axes[i]];
    view->grid.stride[0][i] = before.stride[0][axes[i]];
  }
}

/* [start:stop:step] along an axis; 0 <= start < stop <= size. */
INTACT_INLINE void intact_view_slice(intact_view* view, int32_t axis, int32_t start, int32_t stop,
                                     int32_t step) {
  view->offset += (size_t)start * view->grid.stride[0][axis];
  view->grid.shape[axis] = (stop - start - 1) / step + 1;
  view->grid.stride[0][axis] *= (size_t)step;
}

/* Repeats axes of size 1 until the view has this shape, of the same rank. */
INTACT_INLINE void intact_view_expand(intact_view* view, const int32_t* shape) {
  for (int32_t i = 0; i < view->grid.rank; ++i) {
    if (view->grid.shape[i] != shape[i]) {
      view->grid.shape[i] = shape[i];
      view->grid.stride[0][i] = 0;
    }
  }
}

INTACT_INLINE void intact_view_finish(intact_view* view) { intact_grid_merge(&view->grid); }

/* `rows` rows of `count` elements each into contiguous y. */
typedef struct {
  size_t rows;
  size_t row_stride; /* bytes */
  size_t count;
  size_t stride; /* bytes */
} intact_strided_rows;

INTACT_ALWAYS_INLINE void intact_gather_body(uint8_t* y, const uint8_t* x,
                                             const intact_strided_rows* r, size_t element) {
  for (size_t i = 0; i < r->rows; ++i) {
    const uint8_t* source = x + i * r->row_stride;
    for (size_t j = 0; j < r->count; ++j, y += element, source += r->stride) {
      memcpy(y, source, element);
    }
  }
}

INTACT_INLINE void intact_gather(uint8_t* y, const uint8_t* x, const intact_strided_rows* r,
                                 size_t element) {
  if (r->stride == element) {
    for (size_t i = 0; i < r->rows; ++i) {
      memcpy(y + i * r->count * element, x + i * r->row_stride, r->count * element);
    }
  } else if (element == 1) {
    intact_gather_body(y, x, r, 1);
  } else if (element == 2) {
    intact_gather_body(y, x, r, 2);
  } else if (element == 4) {
    intact_gather_body(y, x, r, 4);
  } else {
    intact_gather_body(y, x, r, 8);
  }
}

/* Copies the elements [begin, end) of the view of x, in row-major order, to the same of y. */
INTACT_INLINE void intact_view_copy(const void* x, void* y, const intact_view* view, size_t begin,
                                    size_t end) {
  const intact_grid* grid = &view->grid;
  const int32_t last = grid->rank - 1;
  const size_t size = (size_t)grid->shape[last], stride = grid->stride[0][last];
  const size_t outer = last == 0 ? 1 : (size_t)grid->shape[last - 1];
  const size_t outer_stride = last == 0 ? 0 : grid->stride[0][last - 1];
  const uint8_t* source = (const uint8_t*)x + view->offset;
  uint8_t* target = (uint8_t*)y;
  for (size_t at = begin; at < end;) {
    const size_t number = at / size, column = at % size;
    /* Whole rows as far as their axis goes; parts of rows where the range begins or ends. */
    const size_t fit = intact_smaller((end - at) / size, outer - number % outer);
    const size_t whole = column == 0 ? fit : 0;
    const size_t part = intact_smaller(end - at, size - column);
    const intact_strided_rows rows = {whole == 0 ? 1 : whole, outer_stride,
                                      whole == 0 ? part : size, stride};
    intact_row row;
    intact_row_seek(grid, number, &row);
    intact_gather(target + at * view->element, source + row.offset[0] + column * stride, &rows,
                  view->element);
    at += rows.rows * rows.count;
  }
}

/* --- Pad ----------------------------------------------------------------------------------- */

typedef enum {
  INTACT_PAD_CONSTANT,
  INTACT_PAD_REFLECT,
  INTACT_PAD_REPLICATE,
  INTACT_PAD_CIRCULAR
} intact_pad_mode;

typedef struct {
  int32_t rank;
  int32_t shape[INTACT_MAX_RANK];     /* of x */
  int32_t out_shape[INTACT_MAX_RANK]; /* x with its padding */
  int32_t before[INTACT_MAX_RANK];    /* padding before the first index */
  intact_pad_mode mode;
  size_t element; /* bytes */
} intact_pad_params;

/* The last axis with padding: it and all after it make one row. */
INTACT_INLINE int32_t intact_pad_axis(const intact_pad_params* p) {
  int32_t axis = p->rank - 1;
  while (axis > 0 && p->shape[axis] == p->out_shape[axis]) --axis;
  return axis;
}

/* Rows of the output. */
INTACT_INLINE size_t intact_pad_rows(const intact_pad_params* p) {
  return p->rank == 0 ? 1 : intact_volume(p->out_shape, intact_pad_axis(p));
}

/* The index of x that output index i shows; -1: the constant. Padding by reflection is less than
 * `size` long, circular padding at most that. */
INTACT_INLINE int32_t intact_pad_source(int32_t i, int32_t before, int32_t size,
                                        intact_pad_mode mode) {
  const int32_t index = i - before;
  if (index >= 0 && index < size) return index;
  switch (mode) {
    case INTACT_PAD_CONSTANT:
      return -1;
    case INTACT_PAD_REFLECT:
      return index < 0 ? -index : 2 * (size - 1) - index;
    case INTACT_PAD_REPLICATE:
      return index < 0 ? 0 : size - 1;
    case INTACT_PAD_CIRCULAR:
      return index < 0 ? index + size : index - size;
  }
  return -1;
}

INTACT_INLINE void intact_fill(uint8_t* y, const void* value, size_t element, size_t count) {
  if (element == 1) {
    memset(y, *(const uint8_t*)value, count);
  } else {
    for (size_t i = 0; i < count; ++i) memcpy(y + i * element, value, element);
  }
}

/* Output positions low .. high - 1 of the padded axis of one row. */
INTACT_INLINE void intact_pad_edge(const uint8_t* x, uint8_t* y, const intact_pad_params* p,
                                   const void* value, int32_t low, int32_t high) {
  const int32_t axis = intact_pad_axis(p);
  const size_t inner = intact_volume(p->shape + axis + 1, p->rank - axis - 1);
  const size_t bytes = inner * p->element;
  if (p->mode == INTACT_PAD_CONSTANT) {
    intact_fill(y + (size_t)low * bytes, value, p->element, (size_t)(high - low) * inner);
    return;
  }
  for (int32_t i = low; i < high; ++i) {
    const int32_t source = intact_pad_source(i, p->before[axis], p->shape[axis], p->mode);
    memcpy(y + (size_t)i * bytes, x + (size_t)source * bytes, bytes);
  }
}

/* The element of x at which output row `row` begins to read; -1: the row is constant. */
INTACT_INLINE int64_t intact_pad_row(const intact_pad_params* p, size_t row) {
  const int32_t axis = intact_pad_axis(p);
  size_t unit = intact_volume(p->shape + axis, p->rank - axis), at = 0;
  for (int32_t i = axis - 1; i >= 0; --i) {
    const int32_t index = (int32_t)(row % (size_t)p->out_shape[i]);
    const int32_t source = intact_pad_source(index, p->before[i], p->shape[i], p->mode);
    if (source < 0) return -1;
    at += (size_t)source * unit;
    row /= (size_t)p->out_shape[i];
    unit *= (size_t)p->shape[i];
  }
  return (int64_t)at;
}

/* Pad; `value` points to one element, for INTACT_PAD_CONSTANT. [begin, end) counts the rows of
 * intact_pad_rows. */
INTACT_INLINE void intact_pad(const void* x, void* y, const intact_pad_params* p, const void* value,
                              size_t begin, size_t end) {
  const int32_t axis = p->rank == 0 ? 0 : intact_pad_axis(p);
  const size_t length = intact_volume(p->out_shape + axis, p->rank - axis);
  const size_t middle = intact_volume(p->shape + axis, p->rank - axis) * p->element;
  for (size_t row = begin; row < end; ++row) {
    uint8_t* out = (uint8_t*)y + row * length * p->element;
    const int64_t first = p->rank == 0 ? 0 : intact_pad_row(p, row);
    if (first < 0) {
      intact_fill(out, value, p->element, length);
    } else if (p->rank == 0) {
      memcpy(out, x, p->element);
    } else {
      const uint8_t* source = (const uint8_t*)x + (size_t)first * p->element;
      const size_t inner = length / (size_t)p->out_shape[axis];
      const int32_t before = p->before[axis], after = before + p->shape[axis];
      intact_pad_edge(source, out, p, value, 0, before);
      memcpy(out + (size_t)before * inner * p->element, source, middle);
      intact_pad_edge(source, out, p, value, after, p->out_shape[axis]);
    }
  }
}

/* --- Concat -------------------------------------------------------------------------------- */

/* `rows` rows of `bytes` bytes each, at these distances. */
typedef struct {
  size_t rows;
  size_t from_stride;
  size_t to_stride;
} intact_row_copy;

INTACT_ALWAYS_INLINE void intact_copy_rows_body(uint8_t* to, const uint8_t* from,
                                                const intact_row_copy* copy, size_t bytes) {
  for (size_t i = 0; i < copy->rows; ++i) {
    memcpy(to + i * copy->to_stride, from + i * copy->from_stride, bytes);
  }
}

/* Short rows of the usual sizes are copied without a call each. */
INTACT_INLINE void intact_copy_rows(uint8_t* to, const uint8_t* from, const intact_row_copy* copy,
                                    size_t bytes) {
  switch (bytes) {
    case 8:
      intact_copy_rows_body(to, from, copy, 8);
      break;
    case 16:
      intact_copy_rows_body(to, from, copy, 16);
      break;
    case 32:
      intact_copy_rows_body(to, from, copy, 32);
      break;
    case 64:
      intact_copy_rows_body(to, from, copy, 64);
      break;
    default:
      intact_copy_rows_body(to, from, copy, bytes);
      break;
  }
}

enum { INTACT_CONCAT_ROWS = 64 }; /* of one input before the next: their output stays in a cache */

/* y's rows are input 0's row, then input 1's, and so on: a row is the joined axis and all after
 * it, row_bytes[i] of input i. [begin, end) counts rows: the elements of the axes before. */
INTACT_INLINE void intact_concat(const void* const* inputs, const size_t* row_bytes, size_t count,
                                 void* y, size_t begin, size_t end) {
  size_t total = 0;
  for (size_t i = 0; i < count; ++i) total += row_bytes[i];
  for (size_t row = begin; row < end; row += INTACT_CONCAT_ROWS) {
    const size_t rows = intact_smaller(INTACT_CONCAT_ROWS, end - row);
    uint8_t* out = (uint8_t*)y + row * total;
    for (size_t i = 0; i < count; ++i) {
      const intact_row_copy copy = {rows, row_bytes[i], total};
      const uint8_t* from = (const uint8_t*)inputs[i] + row * row_bytes[i];
      intact_copy_rows(out, from, &copy, row_bytes[i]);
      out += row_bytes[i];
    }
  }
}

#endif /* INTACT_MOVEMENT_H_ */
