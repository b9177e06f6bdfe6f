/* Sums of products of codes and weights: the inner loop of convolutions and linear layers. */
#ifndef INTACT_DOT_H_
#define INTACT_DOT_H_

#include "intact_block.h"
#include "intact_dot_dsp.h"
#include "intact_fixedpoint.h"

enum { INTACT_SUMS = 16 }; /* output channels that are summed together */

/* What stands on the two sides of a product (x - zero_point) * weight. */
typedef struct {
  intact_type x_type;
  intact_type weight_type;
  int32_t zero_point;
  int32_t wide; /* 0: no partial sum leaves int32 (eq. 19) */
} intact_factors;

/* The address of x[index]. */
INTACT_ALWAYS_INLINE const void* intact_x_at(const intact_factors* factors, const void* x,
                                             size_t index) {
  return intact_at(x, INTACT_CODES(factors->x_type), index);
}

/* The address of weight[index]. */
INTACT_ALWAYS_INLINE const void* intact_weight_at(const intact_factors* factors,
                                                  const void* weight, size_t index) {
  return intact_at(weight, INTACT_WEIGHTS(factors->weight_type), index);
}

/* Partial sums of 16-bit activations or weights of 32 bits need more than int32. */
INTACT_ALWAYS_INLINE int intact_is_narrow(const intact_factors* factors) {
  return !INTACT_WIDE(factors->wide) && INTACT_CODES(factors->x_type) <= INTACT_UINT8 &&
         INTACT_WEIGHTS(factors->weight_type) != INTACT_INT32;
}

/* x[index] - zero_point. Of 8-bit codes it has 16 bits, and vector units have instructions for sums
 * of 16-bit products that the compiler chooses only if it knows. */
INTACT_ALWAYS_INLINE int32_t intact_centred(const void* x, intact_type type, size_t index,
                                            int32_t zero_point) {
  const int32_t centred = intact_load(x, type, index) - zero_point;
  return type <= INTACT_UINT8 ? (int16_t)centred : centred;
}

/* acc[r] += sum of (x - zero_point) * weight[r * stride] over n elements, r < 4, where the sums fit
 * int32. Four rows share each x. */
INTACT_ALWAYS_INLINE void intact_dot4(const void* x, intact_type x_type, int32_t zero_point,
                                      const void* weight, intact_type weight_type, size_t stride,
                                      size_t n, int64_t* acc) {
  const void* weight1 = intact_at(weight, weight_type, stride);
  const void* weight2 = intact_at(weight1, weight_type, stride);
  const void* weight3 = intact_at(weight2, weight_type, stride);
  int32_t sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
  for (size_t i = 0; i < n; ++i) {
    const int32_t centred = intact_centred(x, x_type, i, zero_point);
    sum0 += centred * intact_load(weight, weight_type, i);
    sum1 += centred * intact_load(weight1, weight_type, i);
    sum2 += centred * intact_load(weight2, weight_type, i);
    sum3 += centred * intact_load(weight3, weight_type, i);
  }
  acc[0] += sum0;
  acc[1] += sum1;
  acc[2] += sum2;
  acc[3] += sum3;
}

/* The same for one row. */
INTACT_ALWAYS_INLINE void intact_dot1(const void* x, intact_type x_type, int32_t zero_point,
                                      const void* weight, intact_type weight_type, size_t n,
                                      int64_t* acc) {
  int32_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    sum += intact_centred(x, x_type, i, zero_point) * intact_load(weight, weight_type, i);
  }
  *acc += sum;
}

/* The same for one row, whatever the sums. */
INTACT_ALWAYS_INLINE void intact_dot1_wide(const void* x, intact_type x_type, int32_t zero_point,
                                           const void* weight, intact_type weight_type, size_t n,
                                           int64_t* acc) {
  int64_t sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const int64_t centred = intact_centred(x, x_type, i, zero_point);
    sum += centred * intact_load(weight, weight_type, i);
  }
  *acc += sum;
}

INTACT_ALWAYS_INLINE void intact_dot_rows_body(const void* x, intact_type x_type,
                                               int32_t zero_point, const void* weight,
                                               intact_type weight_type, size_t stride, size_t n,
                                               int32_t rows, int64_t* acc) {
  const int32_t fours = rows & ~3; /* GCC warns of loops that begin where another ended */
  for (int32_t r = 0; r < fours; r += 4) {
    intact_dot4(x, x_type, zero_point, intact_at(weight, weight_type, (size_t)r * stride),
                weight_type, stride, n, acc + r);
  }
  for (int32_t r = fours; r < rows; ++r) {
    intact_dot1(x, x_type, zero_point, intact_at(weight, weight_type, (size_t)r * stride),
                weight_type, n, acc + r);
  }
}

/* As intact_dot_rows, where the sums fit int32. */
INTACT_INLINE void intact_dot_rows_narrow(const intact_factors* factors, const void* x,
                                          const void* weight, size_t stride, size_t n,
                                          int32_t rows, int64_t* acc) {
  const intact_type x_type = INTACT_CODES(factors->x_type);
  const intact_type weight_type = INTACT_WEIGHTS(factors->weight_type);
  const int32_t z = factors->zero_point;
  if (x_type == INTACT_INT8 && weight_type == INTACT_INT8) {
#if INTACT_DSP
    intact_dsp_dot_rows((const int8_t*)x, z, (const int8_t*)weight, stride, n, rows, acc);
#else
    intact_dot_rows_body(x, INTACT_INT8, z, weight, INTACT_INT8, stride, n, rows, acc);
#endif
  } else if (x_type == INTACT_UINT8 && weight_type == INTACT_INT8) {
    intact_dot_rows_body(x, INTACT_UINT8, z, weight, INTACT_INT8, stride, n, rows, acc);
  } else if (x_type == INTACT_INT8 && weight_type == INTACT_INT16) {
    intact_dot_rows_body(x, INTACT_INT8, z, weight, INTACT_INT16, stride, n, rows, acc);
  } else if (x_type == INTACT_UINT8 && weight_type == INTACT_INT16) {
    intact_dot_rows_body(x, INTACT_UINT8, z, weight, INTACT_INT16, stride, n, rows, acc);
  } else if (x_type == INTACT_INT16 && weight_type == INTACT_INT8 && z == 0) {
    intact_dot_rows_body(x, INTACT_INT16, 0, weight, INTACT_INT8, stride, n, rows, acc);
  } else if (x_type == INTACT_INT8 && weight_type == INTACT_INT4) {
    intact_dot_rows_body(x, INTACT_INT8, z, weight, INTACT_INT4, stride, n, rows, acc);
  } else if (x_type == INTACT_INT8 && weight_type == INTACT_INT4_HIGH) {
    intact_dot_rows_body(x, INTACT_INT8, z, weight, INTACT_INT4_HIGH, stride, n, rows, acc);
  } else {
    intact_dot_rows_body(x, x_type, z, weight, weight_type, stride, n, rows, acc);
  }
}

/* acc[r] += sum over n elements of (x - zero_point) * weight[r * stride], r < rows. */
INTACT_INLINE void intact_dot_rows(const intact_factors* factors, const void* x,
                                   const void* weight, size_t stride, size_t n, int32_t rows,
                                   int64_t* acc) {
  const intact_type x_type = INTACT_CODES(factors->x_type);
  const intact_type weight_type = INTACT_WEIGHTS(factors->weight_type);
  if (intact_is_narrow(factors)) {
    intact_dot_rows_narrow(factors, x, weight, stride, n, rows, acc);
  } else if (weight_type == INTACT_INT8 || weight_type >= INTACT_INT4 ||
             (weight_type == INTACT_INT16 && x_type <= INTACT_UINT8)) {
    /* 256 products of 8 and 16 bits, zero points subtracted, are below 2**31. */
    for (size_t start = 0; start < n; start += 256) {
      const size_t length = n - start < 256 ? n - start : 256;
      intact_dot_rows_narrow(factors, intact_at(x, x_type, start),
                             intact_at(weight, weight_type, start), stride, length, rows, acc);
    }
  } else if (x_type == INTACT_INT16 && weight_type == INTACT_INT16 && factors->zero_point == 0) {
    for (int32_t r = 0; r < rows; ++r) {
      intact_dot1_wide(x, INTACT_INT16, 0,
                       intact_at(weight, INTACT_INT16, (size_t)r * stride), INTACT_INT16, n,
                       acc + r);
    }
  } else {
    for (int32_t r = 0; r < rows; ++r) {
      intact_dot1_wide(x, x_type, factors->zero_point,
                       intact_at(weight, weight_type, (size_t)r * stride), weight_type, n, acc + r);
    }
  }
}

/* What becomes of the sums of a layer: out = requant(sum + bias). */
typedef struct {
  const void* bias;  /* (O) int32, or int64 if bias_wide */
  int32_t bias_wide;
  const intact_requant* requant;
  void* out;
  intact_type out_type;
} intact_finish;

/* The codes of `count` <= INTACT_BLOCK sums of output channels `first`...; `index` is where the
 * first belongs. */
INTACT_INLINE void intact_finish_sums(const intact_finish* finish, const int64_t* acc,
                                      int32_t first, int32_t count, size_t index) {
  const intact_requant requant = *finish->requant;
  int32_t codes[INTACT_BLOCK];
  if (!INTACT_WIDE(requant.wide) && !INTACT_WIDE(finish->bias_wide)) {
    const int32_t* bias = (const int32_t*)finish->bias + first;
    for (int32_t i = 0; i < count; ++i) {
      codes[i] = intact_requantize_narrow((int32_t)acc[i] + bias[i], &requant, first + i);
    }
  } else {
    for (int32_t i = 0; i < count; ++i) {
      const size_t channel = (size_t)(first + i);
      const int64_t bias =
          intact_load_wide(finish->bias, INTACT_WIDE(finish->bias_wide), channel);
      codes[i] = intact_requantize(acc[i] + bias, &requant, first + i);
    }
  }
  intact_store_block(finish->out, finish->out_type, index, (size_t)count, codes);
}

/* What becomes of the sums of `count` channels of a pixel or row: (context, acc, sample or row,
 * first channel, count, index of the first result). */
typedef void (*intact_use_sums)(const void*, const int64_t*, size_t, int32_t, int32_t, size_t);

INTACT_INLINE void intact_use_finish(const void* finish, const int64_t* acc, size_t row,
                                     int32_t first, int32_t count, size_t index) {
  (void)row;
  intact_finish_sums((const intact_finish*)finish, acc, first, count, index);
}

#endif /* INTACT_DOT_H_ */
