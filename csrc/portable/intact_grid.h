/* Strided grids: how operations that broadcast, reduce or move elements walk their operands. */
#ifndef INTACT_GRID_H_
#define INTACT_GRID_H_

#include "intact_fixedpoint.h"

/* Axes of a value, as many as ir/verify allows; exported C takes as many as it has. */
#ifndef INTACT_MAX_RANK
#define INTACT_MAX_RANK 16
#endif

/* Indices in row-major order, with an offset into each of two operands that moves by stride[i]
 * where index i grows by one. Units are the user's: elements or bytes. At least one axis. */
typedef struct {
  int32_t rank;
  int32_t shape[INTACT_MAX_RANK];
  size_t stride[2][INTACT_MAX_RANK];
} intact_grid;

/* A row (all of the last axis) of a grid, and the offsets of its first element. */
typedef struct {
  int32_t index[INTACT_MAX_RANK];
  size_t offset[2];
} intact_row;

INTACT_INLINE size_t intact_volume(const int32_t* shape, int32_t rank) {
  size_t product = 1;
  for (int32_t i = 0; i < rank; ++i) product *= (size_t)shape[i];
  return product;
}

INTACT_INLINE size_t intact_smaller(size_t a, size_t b) { return a < b ? a : b; }

INTACT_INLINE int32_t intact_last_size(const intact_grid* grid) {
  return grid->shape[grid->rank - 1];
}

/* Drops axes of size 1 and joins neighbours that both operands walk as one, so that the last axis
 * is as long as it can be. The order of the indices stays. */
INTACT_INLINE void intact_grid_merge(intact_grid* grid) {
  int32_t rank = 0;
  for (int32_t i = 0; i < grid->rank; ++i) {
    const size_t size = (size_t)grid->shape[i];
    const size_t a = grid->stride[0][i], b = grid->stride[1][i];
    if (size == 1) continue;
    if (rank > 0 && grid->stride[0][rank - 1] == size * a &&
        grid->stride[1][rank - 1] == size * b) {
      grid->shape[rank - 1] *= grid->shape[i];
    } else {
      grid->shape[rank++] = grid->shape[i];
    }
    grid->stride[0][rank - 1] = a;
    grid->stride[1][rank - 1] = b;
  }
  if (rank == 0) {
    grid->shape[rank] = 1;
    grid->stride[0][rank] = 0;
    grid->stride[1][rank] = 0;
    rank = 1;
  }
  grid->rank = rank;
}

/* Strides of a contiguous operand of this shape, the last being `unit`. */
INTACT_INLINE void intact_contiguous(const int32_t* shape, int32_t rank, size_t unit,
                                     size_t* stride) {
  for (int32_t i = rank - 1; i >= 0; --i) {
    stride[i] = unit;
    unit *= (size_t)shape[i];
  }
}

/* Finds row number `number`. */
INTACT_INLINE void intact_row_seek(const intact_grid* grid, size_t number, intact_row* row) {
  row->offset[0] = 0;
  row->offset[1] = 0;
  for (int32_t i = 0; i < INTACT_MAX_RANK; ++i) row->index[i] = 0; /* compilers ask for all */
  for (int32_t i = grid->rank - 2; i >= 0; --i) {
    const size_t size = (size_t)grid->shape[i];
    const size_t index = number % size;
    number /= size;
    row->index[i] = (int32_t)index;
    row->offset[0] += index * grid->stride[0][i];
    row->offset[1] += index * grid->stride[1][i];
  }
}

/* Goes to the next row; after the last one, to the first. */
INTACT_INLINE void intact_row_next(const intact_grid* grid, intact_row* row) {
  for (int32_t i = grid->rank - 2; i >= 0; --i) {
    row->offset[0] += grid->stride[0][i];
    row->offset[1] += grid->stride[1][i];
    if (++row->index[i] < grid->shape[i]) return;
    row->index[i] = 0;
    row->offset[0] -= (size_t)grid->shape[i] * grid->stride[0][i];
    row->offset[1] -= (size_t)grid->shape[i] * grid->stride[1][i];
  }
}

#endif /* INTACT_GRID_H_ */
