/* Linear layers, products of activations and embeddings (doc/arithmetic.md, eq. 16, 20, 22). */
#ifndef INTACT_LINEAR_H_
#define INTACT_LINEAR_H_

#include "intact_conv_dsp.h"
#include "intact_dot.h"

/* acc[r] = the sum of one row x (inputs) with channel first + r of weight (O, inputs),
 * r < count. */
INTACT_INLINE void intact_linear_sums(const intact_factors* factors, const void* x,
                                      const void* weight, int32_t inputs, int32_t first,
                                      int32_t count, int64_t* acc) {
  const size_t start = (size_t)first * (size_t)inputs;
  for (int32_t r = 0; r < count; ++r) acc[r] = 0;
  intact_dot_rows(factors, x, intact_weight_at(factors, weight, start), (size_t)inputs,
                  (size_t)inputs, count, acc);
}

/* Work of a linear layer is divided by blocks: a row of out and INTACT_SUMS of its channels. */
INTACT_INLINE size_t intact_linear_blocks(size_t rows, int32_t outputs) {
  return rows * (((size_t)outputs + INTACT_SUMS - 1) / INTACT_SUMS);
}

/* Sums of blocks begin..end. */
INTACT_ALWAYS_INLINE void intact_linear_rows(const intact_factors* factors, int32_t inputs,
                                             int32_t outputs, const void* x, const void* weight,
                                             size_t begin, size_t end, intact_use_sums use,
                                             const void* context) {
  const size_t blocks = intact_linear_blocks(1, outputs);
  int64_t acc[INTACT_SUMS];
  for (size_t block = begin; block < end; ++block) {
    const size_t row = block / blocks;
    const int32_t first = (int32_t)(block % blocks) * INTACT_SUMS;
    const int32_t count = intact_min(outputs - first, INTACT_SUMS);
    intact_linear_sums(factors, intact_x_at(factors, x, row * (size_t)inputs), weight,
                       inputs, first, count, acc);
    use(context, acc, row, first, count, row * (size_t)outputs + (size_t)first);
  }
}

/* QLinear: x (rows, inputs), weight (outputs, inputs) of centred integers, out (rows, outputs).
 * (begin, end) are blocks. */
INTACT_INLINE void intact_linear(const intact_factors* factors, int32_t inputs, int32_t outputs,
                                 const void* x, const void* weight, const intact_finish* finish,
                                 size_t begin, size_t end) {
#if INTACT_DSP
  const size_t blocks = intact_linear_blocks(1, outputs);
  if (intact_dsp_serves_factors(factors, finish) && begin % blocks == 0 && end % blocks == 0) {
    intact_dsp_linear(factors, inputs, outputs, (const int8_t*)x, weight, finish,
                      begin / blocks, end / blocks);
    return;
  }
#endif
  intact_linear_rows(factors, inputs, outputs, x, weight, begin, end, intact_use_finish, finish);
}

/* --- products of activations -------------------------------------------------------------- */

typedef struct {
  int32_t m, k, n;
  int32_t rank;           /* leading axes of out, outermost first */
  const int32_t* shape;   /* (rank) */
  const int32_t* a_steps; /* (rank): matrices of a from one index to the next, 0: broadcast */
  const int32_t* b_steps;
  int32_t a_zero_point, b_zero_point;
  intact_type a_type, b_type, out_type;
  intact_requant requant;
} intact_product;

enum { INTACT_COLUMNS = 32 }; /* columns that are summed together */

/* acc[j] = sum over k of (a[k] - z_a) * (b[k, j] - z_b), j < count; b is the first column. */
INTACT_ALWAYS_INLINE void intact_matmul_sums(const intact_product* product, const void* a,
                                             intact_type a_type, const void* b, intact_type b_type,
                                             int narrow, int32_t count, int64_t* acc) {
  int32_t sums[INTACT_COLUMNS];
  for (int32_t j = 0; j < count; ++j) {
    sums[j] = 0;
    acc[j] = 0;
  }
  for (int32_t k = 0; k < product->k; ++k) {
    const int32_t factor = intact_centred(a, a_type, (size_t)k, product->a_zero_point);
    for (int32_t j = 0; j < count; ++j) {
      const int32_t centred = intact_centred(b, b_type, (size_t)j, product->b_zero_point);
      if (narrow) {
        sums[j] += factor * centred;
      } else {
        acc[j] += (int64_t)factor * centred;
      }
    }
    b = intact_at(b, b_type, (size_t)product->n);
  }
  for (int32_t j = 0; j < count; ++j) acc[j] += sums[j];
}

/* One row of `out`: a (k), b (k, n), `index` of the first result. */
INTACT_ALWAYS_INLINE void intact_matmul_row(const intact_product* product, const void* a,
                                            intact_type a_type, const void* b, intact_type b_type,
                                            int narrow, void* out, size_t index) {
  int64_t acc[INTACT_COLUMNS];
  for (int32_t first = 0; first < product->n; first += INTACT_COLUMNS) {
    const int32_t count = intact_min(product->n - first, INTACT_COLUMNS);
    intact_matmul_sums(product, a, a_type, intact_at(b, b_type, (size_t)first), b_type, narrow,
                       count, acc);
    for (int32_t j = 0; j < count; ++j) {
      const int32_t code = intact_requantize(acc[j], &product->requant, first + j);
      intact_store(out, INTACT_CODES(product->out_type), index + (size_t)(first + j), code);
    }
  }
}

/* The number of an operand's matrix for matrix `batch` of out. */
INTACT_INLINE size_t intact_matrix(size_t batch, int32_t rank, const int32_t* shape,
                                   const int32_t* steps) {
  size_t matrix = 0;
  for (int32_t axis = rank - 1; axis >= 0; --axis) {
    matrix += batch % (size_t)shape[axis] * (size_t)steps[axis];
    batch /= (size_t)shape[axis];
  }
  return matrix;
}

/* QMatMul: a (..., m, k), b (..., k, n), out (..., m, n). (begin, end) are rows of all matrices of
 * out. */
INTACT_INLINE void intact_matmul(const intact_product* product, const void* a, const void* b,
                                 void* out, size_t begin, size_t end) {
  const intact_type a_type = INTACT_CODES(product->a_type);
  const intact_type b_type = INTACT_CODES(product->b_type);
  const int narrow =
      !INTACT_WIDE(product->requant.wide) && a_type <= INTACT_UINT8 && b_type <= INTACT_UINT8;
  const size_t m = (size_t)product->m, k = (size_t)product->k, n = (size_t)product->n;
  for (size_t row = begin; row < end; ++row) {
    const size_t batch = row / m;
    const size_t left = intact_matrix(batch, product->rank, product->shape, product->a_steps);
    const size_t right = intact_matrix(batch, product->rank, product->shape, product->b_steps);
    const void* a_row = intact_at(a, a_type, (left * m + row % m) * k);
    const void* matrix = intact_at(b, b_type, right * k * n);
    if (narrow && a_type == INTACT_INT8 && b_type == INTACT_INT8) {
      intact_matmul_row(product, a_row, INTACT_INT8, matrix, INTACT_INT8, 1, out, row * n);
    } else if (narrow && a_type == INTACT_UINT8 && b_type == INTACT_UINT8) {
      intact_matmul_row(product, a_row, INTACT_UINT8, matrix, INTACT_UINT8, 1, out, row * n);
    } else if (!narrow && a_type == INTACT_INT16 && b_type == INTACT_INT16) {
      intact_matmul_row(product, a_row, INTACT_INT16, matrix, INTACT_INT16, 0, out, row * n);
    } else {
      intact_matmul_row(product, a_row, a_type, matrix, b_type, narrow, out, row * n);
    }
  }
}

/* --- embeddings --------------------------------------------------------------------------- */

typedef struct {
  int32_t vocabulary, depth; /* rows and columns of weight */
  int32_t indices_wide;      /* indices are int64, not int32 */
  intact_type weight_type;   /* of centred integers */
  intact_type out_type;
  intact_requant requant; /* an entry for each row, or a single one */
} intact_table;

/* QEmbedding: weight (vocabulary, depth), out (..., depth). (begin, end) are indices. Returns 0, or
 * 1 where an index is that of no row; `out` is then incomplete. */
INTACT_INLINE int32_t intact_embedding(const intact_table* table, const void* indices,
                                       const void* weight, void* out, size_t begin, size_t end) {
  const size_t depth = (size_t)table->depth;
  for (size_t i = begin; i < end; ++i) {
    const int64_t index = intact_load_wide(indices, table->indices_wide, i);
    if (index < 0 || index >= table->vocabulary) return 1;
    for (size_t d = 0; d < depth; ++d) {
      const int32_t integer =
          intact_load(weight, INTACT_WEIGHTS(table->weight_type), (size_t)index * depth + d);
      const int32_t code = intact_requantize(integer, &table->requant, (int32_t)index);
      intact_store(out, INTACT_CODES(table->out_type), i * depth + d, code);
    }
  }
  return 0;
}

#endif /* INTACT_LINEAR_H_ */
