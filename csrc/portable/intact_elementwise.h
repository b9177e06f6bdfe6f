/* Operations on single elements (doc/arithmetic.md, eq. 23 to 36). Ranges [begin, end) count
 * elements of the output. */
#ifndef INTACT_ELEMENTWISE_H_
#define INTACT_ELEMENTWISE_H_

#include "intact_block.h"
#include "intact_grid.h"

/* --- broadcasting ------------------------------------------------------------------------- */

/* How two operands broadcast to an output, as in NumPy: axes align at the end. The grid's strides
 * count elements, 0 where an operand repeats; merged, so that equal shapes are one long axis. */
INTACT_INLINE void intact_broadcast(intact_grid* grid, const int32_t* a, int32_t a_rank,
                                    const int32_t* b, int32_t b_rank) {
  const int32_t rank = intact_max(a_rank, b_rank);
  size_t a_unit = 1, b_unit = 1;
  grid->rank = rank;
  for (int32_t i = rank - 1; i >= 0; --i) {
    const int32_t a_axis = i - (rank - a_rank), b_axis = i - (rank - b_rank);
    const int32_t m = a_axis < 0 ? 1 : a[a_axis], n = b_axis < 0 ? 1 : b[b_axis];
    grid->shape[i] = m == 1 ? n : m;
    grid->stride[0][i] = m == 1 ? 0 : a_unit;
    grid->stride[1][i] = n == 1 ? 0 : b_unit;
    a_unit *= (size_t)m;
    b_unit *= (size_t)n;
  }
  intact_grid_merge(grid);
}

/* Walks the elements [begin, end) of a broadcast in blocks of one row of the grid. */
typedef struct {
  const intact_grid* grid;
  intact_row row;
  size_t column; /* in the row */
  size_t element;
  size_t end;
} intact_blocks;

/* Where the operands of a block begin, and how long it is. */
typedef struct {
  size_t a;
  size_t b;
  size_t count; /* at most INTACT_BLOCK; 0: there are no more */
} intact_block_place;

INTACT_INLINE void intact_blocks_start(intact_blocks* blocks, const intact_grid* grid, size_t begin,
                                       size_t end) {
  const size_t size = (size_t)intact_last_size(grid);
  blocks->grid = grid;
  blocks->element = begin;
  blocks->end = end;
  blocks->column = begin % size;
  intact_row_seek(grid, begin / size, &blocks->row);
}

/* The next block; `element` is then that of its end. */
INTACT_INLINE intact_block_place intact_blocks_next(intact_blocks* blocks) {
  const intact_grid* grid = blocks->grid;
  const size_t size = (size_t)intact_last_size(grid);
  intact_block_place place;
  if (blocks->column == size) {
    blocks->column = 0;
    intact_row_next(grid, &blocks->row);
  }
  place.a = blocks->row.offset[0] + blocks->column * grid->stride[0][grid->rank - 1];
  place.b = blocks->row.offset[1] + blocks->column * grid->stride[1][grid->rank - 1];
  place.count = intact_smaller(INTACT_BLOCK, size - blocks->column);
  place.count = intact_smaller(place.count, blocks->end - blocks->element);
  blocks->column += place.count;
  blocks->element += place.count;
  return place;
}

/* --- sums and products -------------------------------------------------------------------- */

/* One side of a sum: ((x - zero_point) << left_shift) * multiplier * 2**(shift - 31) (eq. 23). */
typedef struct {
  int32_t zero_point;
  int32_t multiplier;
  int32_t shift;
} intact_operand;

typedef struct {
  intact_operand a;
  intact_operand b;
  int32_t left_shift;
  int32_t subtract; /* 0: a' + b'; 1: a' - b' */
  intact_requant requant;
  intact_type a_type;
  intact_type b_type;
  intact_type out_type;
} intact_sum_params;

/* Eq. 23. The left shifts saturate for codes outside of their format alone. */
INTACT_INLINE void intact_rescale_block(int32_t* codes, size_t count, const intact_operand* operand,
                                        int32_t left_shift) {
  const int32_t zero_point = operand->zero_point, multiplier = operand->multiplier;
  const int64_t lift = (int64_t)1 << left_shift;
  if (operand->shift > 0) {
    for (size_t i = 0; i < count; ++i) {
      const int32_t lifted = intact_saturate32(((int64_t)codes[i] - zero_point) * lift);
      codes[i] = intact_multiply_by_quantized_multiplier(lifted, multiplier, operand->shift);
    }
  } else {
    const int32_t right = -operand->shift;
    for (size_t i = 0; i < count; ++i) {
      const int32_t lifted = intact_saturate32(((int64_t)codes[i] - zero_point) * lift);
      const int32_t high = intact_doubling_high_mul(lifted, multiplier);
      codes[i] = intact_rounding_divide_by_pot(high, right);
    }
  }
}

/* The same for codes of 8 bits, |x - zero_point| < 2**9, and left_shift <= 20, which need no
 * numbers of 64 bits beyond the products: then 2 * lifted fits int32. */
INTACT_INLINE void intact_rescale_block_narrow(int32_t* codes, size_t count,
                                               const intact_operand* operand, int32_t left_shift) {
  const int32_t zero_point = operand->zero_point, multiplier = operand->multiplier;
  const int32_t right = -1 - operand->shift, lift = 1 << left_shift;
  for (size_t i = 0; i < count; ++i) {
    const int32_t high = intact_doubling_high_mul_small((codes[i] - zero_point) * lift, multiplier);
    codes[i] = right < 0 ? high : intact_rounding_shift(high, right);
  }
}

/* Whether sums of these need no saturation and no numbers of 64 bits: all that TFLite's 8-bit
 * addition makes. */
INTACT_INLINE int intact_sum_is_narrow(const intact_sum_params* params) {
  return params->a_type <= INTACT_UINT8 && params->b_type <= INTACT_UINT8 &&
         params->left_shift <= 20 && params->a.shift <= 0 && params->b.shift <= 0 &&
         params->requant.channels == 1 && params->requant.clamps == 1 && !params->requant.wide;
}

/* y = requant(left +- right), both rescaled. */
INTACT_INLINE void intact_sum_block(const int32_t* left, const int32_t* right, size_t count,
                                    const intact_sum_params* params, void* y, size_t first) {
  int64_t acc[INTACT_BLOCK];
  if (params->subtract) {
    for (size_t i = 0; i < count; ++i) acc[i] = (int64_t)left[i] - right[i];
  } else {
    for (size_t i = 0; i < count; ++i) acc[i] = (int64_t)left[i] + right[i];
  }
  intact_requantize_block(acc, count, &params->requant, y, params->out_type, first);
}

INTACT_INLINE void intact_sum_block_narrow(int32_t* left, const int32_t* right, size_t count,
                                           const intact_sum_params* params, void* y,
                                           size_t first) {
  const intact_requant requant = params->requant;
  const int32_t sign = params->subtract ? -1 : 1;
  for (size_t i = 0; i < count; ++i) {
    left[i] = intact_requantize_narrow(left[i] + sign * right[i], &requant, 0);
  }
  intact_store_block(y, params->out_type, first, count, left);
}

/* QAdd, QSub: y = requant(a' + b') or requant(a' - b') over the elements [begin, end) of the grid
 * that `intact_broadcast` made (eq. 24). */
INTACT_INLINE void intact_sum(const void* a, const void* b, void* y, const intact_grid* grid,
                              const intact_sum_params* params, size_t begin, size_t end) {
  const size_t* a_stride = grid->stride[0];
  const size_t* b_stride = grid->stride[1];
  const int32_t last = grid->rank - 1;
  const int narrow = intact_sum_is_narrow(params);
  int32_t left[INTACT_BLOCK], right[INTACT_BLOCK];
  intact_blocks blocks;
  intact_blocks_start(&blocks, grid, begin, end);
  while (blocks.element < end) {
    const size_t first = blocks.element;
    const intact_block_place at = intact_blocks_next(&blocks);
    intact_load_block(a, params->a_type, at.a, a_stride[last], at.count, left);
    intact_load_block(b, params->b_type, at.b, b_stride[last], at.count, right);
    if (narrow) {
      intact_rescale_block_narrow(left, at.count, &params->a, params->left_shift);
      intact_rescale_block_narrow(right, at.count, &params->b, params->left_shift);
      intact_sum_block_narrow(left, right, at.count, params, y, first);
    } else {
      intact_rescale_block(left, at.count, &params->a, params->left_shift);
      intact_rescale_block(right, at.count, &params->b, params->left_shift);
      intact_sum_block(left, right, at.count, params, y, first);
    }
  }
}

typedef struct {
  int32_t a_zero_point;
  int32_t b_zero_point;
  intact_requant requant;
  intact_type a_type;
  intact_type b_type;
  intact_type out_type;
} intact_mul_params;

/* QMul: y = requant((a - a_zero_point) * (b - b_zero_point)) (eq. 25). y may be an operand of its
 * shape and no narrower type. */
INTACT_INLINE void intact_mul(const void* a, const void* b, void* y, const intact_grid* grid,
                              const intact_mul_params* params, size_t begin, size_t end) {
  const size_t* a_stride = grid->stride[0];
  const size_t* b_stride = grid->stride[1];
  const int32_t last = grid->rank - 1;
  int32_t left[INTACT_BLOCK], right[INTACT_BLOCK];
  int64_t acc[INTACT_BLOCK];
  intact_blocks blocks;
  intact_blocks_start(&blocks, grid, begin, end);
  while (blocks.element < end) {
    const size_t first = blocks.element;
    const intact_block_place at = intact_blocks_next(&blocks);
    intact_load_block(a, params->a_type, at.a, a_stride[last], at.count, left);
    intact_load_block(b, params->b_type, at.b, b_stride[last], at.count, right);
    for (size_t i = 0; i < at.count; ++i) {
      acc[i] = (int64_t)(left[i] - params->a_zero_point) * (right[i] - params->b_zero_point);
    }
    intact_requantize_block(acc, at.count, &params->requant, y, params->out_type, first);
  }
}

/* --- activations -------------------------------------------------------------------------- */

typedef struct {
  int32_t input_zero_point;
  int32_t slope_zero_point;
  int32_t slopes; /* 1, or as many as x has channels */
  intact_requant positive;
  intact_requant negative;
  intact_type x_type;
  intact_type slope_type;
  intact_type out_type;
} intact_prelu_params;

/* QPrelu (eq. 34): with v = x - input_zero_point, positive(v) where v >= 0, else
 * negative(v * (slope - slope_zero_point)). x (..., C). y may be x of no narrower type. */
INTACT_INLINE void intact_prelu(const void* x, const void* slope, void* y,
                                const intact_prelu_params* params, size_t begin, size_t end) {
  const intact_requant* positive = &params->positive;
  const intact_requant* negative = &params->negative;
  const int32_t most = intact_max(intact_max(positive->channels, positive->clamps),
                                  intact_max(negative->channels, negative->clamps));
  const size_t channels = (size_t)intact_max(most, params->slopes);
  size_t channel = begin % channels;
  int32_t codes[INTACT_BLOCK];
  for (size_t first = begin; first < end; first += INTACT_BLOCK) {
    const size_t count = intact_smaller(INTACT_BLOCK, end - first);
    intact_load_block(x, params->x_type, first, 1, count, codes);
    for (size_t i = 0; i < count; ++i) {
      const int32_t v = codes[i] - params->input_zero_point;
      if (v >= 0) {
        codes[i] = intact_requantize(v, positive, (int32_t)channel);
      } else {
        const size_t at = params->slopes == 1 ? 0 : channel;
        const int32_t factor =
            intact_load(slope, INTACT_CODES(params->slope_type), at) - params->slope_zero_point;
        codes[i] = intact_requantize((int64_t)v * factor, negative, (int32_t)channel);
      }
      if (++channel == channels) channel = 0;
    }
    intact_store_block(y, params->out_type, first, count, codes);
  }
}

/* Lookup (eq. 29) of codes of up to 8 bits: y = table[x as a byte], 256 entries of `entry` bytes,
 * 1 or 2. By the byte, so that code -1 has entry 255: no code of memory lies outside. y may be x if
 * entries have 1 byte. */
INTACT_INLINE void intact_lookup(const void* x, const void* table, void* y, int32_t entry,
                                 size_t begin, size_t end) {
  const uint8_t* codes = (const uint8_t*)x;
  if (entry == 1) {
    for (size_t i = begin; i < end; ++i) {
      ((uint8_t*)y)[i] = ((const uint8_t*)table)[codes[i]];
    }
  } else {
    for (size_t i = begin; i < end; ++i) {
      ((uint16_t*)y)[i] = ((const uint16_t*)table)[codes[i]];
    }
  }
}

/* Eq. 36 without its clamp: table (513,) at position / 2**bits; 0 <= position < 512 << bits. */
INTACT_INLINE int32_t intact_interpolate(const int32_t* table, int32_t position, int32_t bits) {
  const int32_t base = table[position >> bits];
  const int32_t slope = table[(position >> bits) + 1] - base;
  const int32_t part = position & ((1 << bits) - 1);
  return base + ((slope * part + ((1 << bits) >> 1)) >> bits);
}

typedef struct {
  const int32_t* table; /* (513,), within +-2**23, so that slope * part fits 32 bits */
  int32_t bits;         /* of x, 9 to 16 */
  int32_t input_qmin;
  int32_t input_qmax;
  int32_t qmin;
  int32_t qmax;
  intact_type x_type;
  intact_type out_type;
} intact_interpolated_lookup_params;

/* InterpolatedLookup (eq. 36). y may be x. */
INTACT_INLINE void intact_interpolated_lookup(const void* x, void* y,
                                              const intact_interpolated_lookup_params* params,
                                              size_t begin, size_t end) {
  const int32_t low = params->input_qmax + 1 - (1 << params->bits);
  int32_t codes[INTACT_BLOCK];
  for (size_t first = begin; first < end; first += INTACT_BLOCK) {
    const size_t count = intact_smaller(INTACT_BLOCK, end - first);
    intact_load_block(x, params->x_type, first, 1, count, codes);
    for (size_t i = 0; i < count; ++i) {
      const int32_t code = intact_clamp(codes[i], params->input_qmin, params->input_qmax);
      const int32_t value = intact_interpolate(params->table, code - low, params->bits - 9);
      codes[i] = intact_clamp(value, params->qmin, params->qmax);
    }
    intact_store_block(y, params->out_type, first, count, codes);
  }
}

#endif /* INTACT_ELEMENTWISE_H_ */
