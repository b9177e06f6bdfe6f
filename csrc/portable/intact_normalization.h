/* Layer and group normalization (doc/arithmetic.md, section 8). */
#ifndef INTACT_NORMALIZATION_H_
#define INTACT_NORMALIZATION_H_

#include "intact_block.h"
#include "intact_grid.h"

/* Gain and offset of each of C channels: the elements of a row for layer norm. */
typedef struct {
  int64_t epsilon;         /* in units of n**2 * code**2, 1 .. 2**61 */
  const int8_t* gain_sign; /* (C,): -1, 0 or 1 */
  intact_requant gain;     /* to 8 fractional bits */
  const int32_t* beta;     /* (C,), 8 fractional bits */
  int32_t zero_point;
  int32_t qmin;
  int32_t qmax;
  intact_type x_type;
  intact_type out_type;
} intact_normalization;

/* The codes that are normalized together: `runs` runs of `length` codes, `stride` apart. */
typedef struct {
  size_t first;
  size_t runs;
  size_t length;
  size_t stride;
  int32_t channel; /* of each run's first code */
} intact_norm_group;

/* floor(sqrt(x)) for x < 2**62, bit by bit. */
INTACT_INLINE int64_t intact_integer_sqrt(int64_t x) {
  uint64_t rest = (uint64_t)x, root = 0;
  for (uint64_t bit = (uint64_t)1 << 60; bit != 0; bit >>= 2) {
    if (rest >= root + bit) {
      rest -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  }
  return (int64_t)root;
}

/* t = int32((d * inverse + 2**(shift - 1)) >> shift) with d = count * q - total (eq. 42 to 46). */
typedef struct {
  int64_t count;
  int64_t total;
  int64_t inverse;
  int32_t shift;
} intact_standardizer;

INTACT_INLINE intact_standardizer intact_standardize(int64_t count, int64_t total, int64_t squares,
                                                     int64_t epsilon) {
  /* n * sum q**2 is below 2**62 for the longest rows, and so is the variance with epsilon. */
  int64_t scaled = count * squares - total * total + epsilon;
  intact_standardizer result;
  int32_t k = 0;
  while (scaled < (int64_t)1 << 60) {
    scaled *= 4;
    --k;
  }
  result.count = count;
  result.total = total;
  result.inverse = ((int64_t)1 << 61) / intact_integer_sqrt(scaled);
  result.shift = 41 + k;
  return result;
}

INTACT_INLINE intact_standardizer intact_standardize_group(const void* x,
                                                           const intact_norm_group* group,
                                                           const intact_normalization* params) {
  int64_t total = 0, squares = 0;
  int32_t codes[INTACT_BLOCK];
  for (size_t run = 0; run < group->runs; ++run) {
    const size_t begin = group->first + run * group->stride;
    for (size_t done = 0; done < group->length; done += INTACT_BLOCK) {
      const size_t count = intact_smaller(INTACT_BLOCK, group->length - done);
      int32_t part = 0; /* of 64 codes: at most 2**22 */
      intact_load_block(x, params->x_type, begin + done, 1, count, codes);
      for (size_t i = 0; i < count; ++i) {
        part += codes[i];
        squares += (int64_t)codes[i] * codes[i];
      }
      total += part;
    }
  }
  return intact_standardize((int64_t)(group->runs * group->length), total, squares,
                            params->epsilon);
}

/* The code of a standardized number with 20 fractional bits (eq. 47 and 48). */
INTACT_INLINE int32_t intact_affine(int32_t t, const intact_normalization* params,
                                    int32_t channel) {
  const int64_t turned = (int64_t)t * params->gain_sign[channel];
  const int64_t gained = intact_requantize(turned, &params->gain, channel);
  const int32_t sum = intact_saturate32(gained + params->beta[channel]);
  const int64_t code = (int64_t)intact_rounding_divide_by_pot(sum, 8) + params->zero_point;
  return intact_clamp(code, params->qmin, params->qmax);
}

INTACT_INLINE void intact_normalize_group(const void* x, void* y, const intact_norm_group* group,
                                          const intact_normalization* params) {
  const intact_standardizer s = intact_standardize_group(x, group, params);
  const int64_t half = (int64_t)1 << (s.shift - 1);
  int32_t codes[INTACT_BLOCK];
  for (size_t run = 0; run < group->runs; ++run) {
    const size_t begin = group->first + run * group->stride;
    for (size_t done = 0; done < group->length; done += INTACT_BLOCK) {
      const size_t count = intact_smaller(INTACT_BLOCK, group->length - done);
      const int32_t channel = group->channel + (int32_t)done;
      intact_load_block(x, params->x_type, begin + done, 1, count, codes);
      for (size_t i = 0; i < count; ++i) {
        const int64_t distance = s.count * codes[i] - s.total;
        const int32_t t = intact_saturate32((distance * s.inverse + half) >> s.shift);
        codes[i] = intact_affine(t, params, channel + (int32_t)i);
      }
      intact_store_block(y, params->out_type, begin + done, count, codes);
    }
  }
}

/* QLayerNorm: rows of `count` elements each; [begin, end) counts rows. y may be x of no narrower
 * type. */
INTACT_INLINE void intact_layer_norm(const void* x, void* y, const intact_normalization* params,
                                     size_t count, size_t begin, size_t end) {
  for (size_t row = begin; row < end; ++row) {
    const intact_norm_group group = {row * count, 1, count, 0, 0};
    intact_normalize_group(x, y, &group, params);
  }
}

typedef struct {
  size_t pixels; /* of a sample */
  int32_t channels;
  int32_t groups;
} intact_group_norm_shape;

/* Group `number` of the N * groups of an x (N, pixels, C). */
INTACT_INLINE intact_norm_group intact_group_norm_group(const intact_group_norm_shape* shape,
                                                        size_t number) {
  const size_t channels = (size_t)shape->channels, groups = (size_t)shape->groups;
  const size_t length = channels / groups;
  const size_t sample = number / groups, channel = number % groups * length;
  const intact_norm_group group = {sample * shape->pixels * channels + channel, shape->pixels,
                                   length, channels, (int32_t)channel};
  return group;
}

/* QGroupNorm: [begin, end) counts groups of samples. y may be x of as wide a type. */
INTACT_INLINE void intact_group_norm(const void* x, void* y, const intact_normalization* params,
                                     const intact_group_norm_shape* shape, size_t begin,
                                     size_t end) {
  for (size_t number = begin; number < end; ++number) {
    const intact_norm_group group = intact_group_norm_group(shape, number);
    intact_normalize_group(x, y, &group, params);
  }
}

#endif /* INTACT_NORMALIZATION_H_ */
