/* Real numbers to codes, codes to real numbers, codes to other codes (doc/arithmetic.md, eq. 3, 4,
 * 15). (begin, end) are elements.
 *
 * float is IEEE 754 single precision, evaluated as such (FLT_EVAL_METHOD 0) and without
 * -ffast-math.
 */
#ifndef INTACT_CONVERT_H_
#define INTACT_CONVERT_H_

#include "intact_block.h"

/* Parameters of codes; element i has entry (i / inner) % channels. */
typedef struct {
  const float* scale;        /* (channels) */
  const int32_t* zero_point; /* (channels) */
  int32_t channels;
  size_t inner; /* elements of all axes behind the one that has the scales */
  int32_t qmin, qmax;
  intact_type type; /* of the codes */
} intact_scales;

/* The elements that follow `position` and have the same scale, up to `end`. */
INTACT_INLINE size_t intact_run_end(const intact_scales* scales, size_t position, size_t end) {
  if (scales->channels == 1) return end;
  const size_t next = (position / scales->inner + 1) * scales->inner;
  return next < end ? next : end;
}

INTACT_INLINE size_t intact_scale_index(const intact_scales* scales, size_t position) {
  return scales->channels == 1 ? 0 : position / scales->inner % (size_t)scales->channels;
}

/* clamp(round(x / scale), low, high), ties away from zero; NaN gives 0. low and high are integers.
 *
 * The largest float below 1/2 cannot carry a number below k + 1/2 to k + 1, and k + 1/2 rounds up
 * to it (numerics/special.py). */
INTACT_ALWAYS_INLINE int32_t intact_round_quotient(float x, float scale, float low, float high) {
  /* Selections of floats, not of operations, which compilers turn into vectors. */
  const float quotient = x / scale;
  const float almost_half = quotient < 0.0f ? -0.49999997f : 0.49999997f;
  const float shifted = quotient + almost_half;
  const float raised = shifted < low ? low : shifted;
  const float clamped = raised > high ? high : raised;
  const float number = clamped == clamped ? clamped : 0.0f;
  return (int32_t)number;
}

INTACT_ALWAYS_INLINE void intact_quantize_body(const float* x, float scale, int32_t zero_point,
                                               int32_t qmin, int32_t qmax, void* out,
                                               intact_type type, size_t begin, size_t end) {
  const float low = (float)(qmin - zero_point), high = (float)(qmax - zero_point);
  for (size_t i = begin; i < end; ++i) {
    intact_store(out, type, i, intact_round_quotient(x[i], scale, low, high) + zero_point);
  }
}

/* out[i] = clamp(round(x[i] / scale) + zero_point, qmin, qmax) with one scale; type of 8 or 16
 * bits. */
INTACT_INLINE void intact_quantize_run(const float* x, float scale, int32_t zero_point,
                                       int32_t qmin, int32_t qmax, void* out, intact_type type,
                                       size_t begin, size_t end) {
  switch (type) {
    case INTACT_INT8:
      intact_quantize_body(x, scale, zero_point, qmin, qmax, out, INTACT_INT8, begin, end);
      break;
    case INTACT_UINT8:
      intact_quantize_body(x, scale, zero_point, qmin, qmax, out, INTACT_UINT8, begin, end);
      break;
    case INTACT_INT16:
      intact_quantize_body(x, scale, zero_point, qmin, qmax, out, INTACT_INT16, begin, end);
      break;
    case INTACT_UINT16:
      intact_quantize_body(x, scale, zero_point, qmin, qmax, out, INTACT_UINT16, begin, end);
      break;
    case INTACT_INT32:
    case INTACT_INT4:
    case INTACT_INT4_HIGH:
      break;
  }
}

/* Quantize (eq. 3): a NaN becomes the zero point. */
INTACT_INLINE void intact_quantize(const intact_scales* scales, const float* x, void* out,
                                   size_t begin, size_t end) {
  while (begin < end) {
    const size_t stop = intact_run_end(scales, begin, end);
    const size_t entry = intact_scale_index(scales, begin);
    intact_quantize_run(x, scales->scale[entry], scales->zero_point[entry], scales->qmin,
                        scales->qmax, out, scales->type, begin, stop);
    begin = stop;
  }
}

INTACT_ALWAYS_INLINE void intact_dequantize_body(const void* x, intact_type type, float scale,
                                                 float zero_point, float* out, size_t begin,
                                                 size_t end) {
  for (size_t i = begin; i < end; ++i) {
    out[i] = ((float)intact_load(x, type, i) - zero_point) * scale;
  }
}

/* Dequantize (eq. 4), of 32-bit codes too. */
INTACT_INLINE void intact_dequantize(const intact_scales* scales, const void* x, float* out,
                                     size_t begin, size_t end) {
  while (begin < end) {
    const size_t stop = intact_run_end(scales, begin, end);
    const size_t entry = intact_scale_index(scales, begin);
    const float scale = scales->scale[entry];
    const float zero_point = (float)scales->zero_point[entry];
    switch (scales->type) {
      case INTACT_INT8:
        intact_dequantize_body(x, INTACT_INT8, scale, zero_point, out, begin, stop);
        break;
      case INTACT_UINT8:
        intact_dequantize_body(x, INTACT_UINT8, scale, zero_point, out, begin, stop);
        break;
      case INTACT_INT16:
        intact_dequantize_body(x, INTACT_INT16, scale, zero_point, out, begin, stop);
        break;
      case INTACT_UINT16:
        intact_dequantize_body(x, INTACT_UINT16, scale, zero_point, out, begin, stop);
        break;
      case INTACT_INT32:
        intact_dequantize_body(x, INTACT_INT32, scale, zero_point, out, begin, stop);
        break;
      case INTACT_INT4:
      case INTACT_INT4_HIGH:
        break;
    }
    begin = stop;
  }
}

/* Requantize: out = requant(x - zero_point) for x (..., channels). out may be x of no narrower
 * type. */
INTACT_INLINE void intact_requantize_codes(const intact_requant* requant, int32_t zero_point,
                                           const void* x, intact_type x_type, void* out,
                                           intact_type out_type, size_t begin, size_t end) {
  int32_t codes[INTACT_BLOCK];
  int64_t acc[INTACT_BLOCK];
  for (size_t first = begin; first < end; first += INTACT_BLOCK) {
    const size_t block = INTACT_BLOCK, left = end - first;
    const size_t count = left < block ? left : block;
    intact_load_block(x, x_type, first, 1, count, codes);
    for (size_t i = 0; i < count; ++i) acc[i] = (int64_t)codes[i] - zero_point;
    intact_requantize_block(acc, count, requant, out, out_type, first);
  }
}

#endif /* INTACT_CONVERT_H_ */
