/* Stand-ins for the functions of arm_nnfunctions.h, after what CMSIS-NN says that they compute.
 * They show that exported C calls them with the right arguments, layouts, offsets and scratch
 * memory; they do not show what the library's own code does. Scratch memory is filled with rubbish before
 * and after a function's work, so that it must be no one else's. STAND_IN_DSP and STAND_IN_MVE
 * choose whose scratch memory they ask for, as the library's macros ARM_MATH_DSP, ARM_MATH_MVEI;
 * STAND_IN_MORE is what they ask for on top. */
#include "arm_nnfunctions.h"

#include <stddef.h>
#include <string.h>

#include "intact_softmax.h" /* gemmlowp's exponential and reciprocal */

#ifndef STAND_IN_MORE
#define STAND_IN_MORE 0
#endif

/* Double rounding; a shift to the left must not be needed. */
static int32_t requantize(int32_t value, int32_t multiplier, int32_t shift) {
  const int64_t high = ((int64_t)value * multiplier + ((int64_t)1 << 30)) >> 31;
  const int64_t magnitude = high < 0 ? -high : high;
  const int64_t half = shift < 0 ? (int64_t)1 << (-shift - 1) : 0;
  const int64_t rounded = (magnitude + half) >> -shift;
  return (int32_t)(high < 0 ? -rounded : rounded);
}

static int8_t clamp(int32_t value, const cmsis_nn_activation* range) {
  if (value < range->min) value = range->min;
  if (value > range->max) value = range->max;
  return (int8_t)value;
}

/* Whether a context has the bytes; they are spoilt. */
static int scratch(const cmsis_nn_context* ctx, int32_t size) {
  if (size == 0) return 1;
  if (ctx->buf == NULL || ctx->size < size || (uintptr_t)ctx->buf % 4 != 0) return 0;
  memset(ctx->buf, 0x5A, (size_t)size);
  return 1;
}

static int32_t rounded_up(int32_t value, int32_t unit) { return (value + unit - 1) / unit * unit; }

/* --- convolutions --------------------------------------------------------------------------- */

int32_t arm_convolve_wrapper_s8_get_buffer_size(const cmsis_nn_conv_params* conv,
                                                const cmsis_nn_dims* x,
                                                const cmsis_nn_dims* filter,
                                                const cmsis_nn_dims* out) {
  const int32_t taps = filter->h * filter->w * x->c;
  (void)out;
  if (filter->h == 1 && filter->w == 1 && conv->padding.h == 0 && conv->padding.w == 0) return 0;
#ifdef STAND_IN_MVE
  return 4 * rounded_up(taps, 16) + STAND_IN_MORE;
#else
  return 4 * rounded_up(taps, 4) + STAND_IN_MORE;
#endif
}

int32_t arm_depthwise_conv_wrapper_s8_get_buffer_size(const cmsis_nn_dw_conv_params* conv,
                                                      const cmsis_nn_dims* x,
                                                      const cmsis_nn_dims* filter,
                                                      const cmsis_nn_dims* out) {
  const int32_t taps = filter->h * filter->w;
  if (x->c != out->c || conv->dilation.h != 1 || conv->dilation.w != 1) return 0;
#if defined(STAND_IN_MVE)
  return 4 * 124 * taps;
#elif defined(STAND_IN_DSP)
  if (filter->h == 3 && filter->w == 3 && conv->padding.h <= 1 && conv->padding.w <= 1) return 0;
  return 2 * x->c * taps;
#else
  (void)taps;
  return 0;
#endif
}

/* One output channel, from inputs first, first + 1, ... and weights `apart` from each other. */
static void convolve(const cmsis_nn_conv_params* conv, const cmsis_nn_dims* x, const int8_t* input,
                     const cmsis_nn_dims* filter, const int8_t* weight, int32_t apart,
                     int32_t first, int32_t inputs, int32_t bias, int32_t multiplier, int32_t shift,
                     const cmsis_nn_dims* out, int8_t* output) {
  for (int32_t pixel = 0; pixel < out->h * out->w; ++pixel) {
    int32_t sum = bias;
    for (int32_t tap = 0; tap < filter->h * filter->w; ++tap) {
      const int32_t row = pixel / out->w * conv->stride.h - conv->padding.h +
                          tap / filter->w * conv->dilation.h;
      const int32_t column = pixel % out->w * conv->stride.w - conv->padding.w +
                             tap % filter->w * conv->dilation.w;
      if (row < 0 || row >= x->h || column < 0 || column >= x->w) continue;
      for (int32_t c = 0; c < inputs; ++c) {
        sum += (input[(row * x->w + column) * x->c + first + c] + conv->input_offset) *
               weight[tap * apart + c];
      }
    }
    sum = requantize(sum, multiplier, shift) + conv->output_offset;
    output[pixel * out->c] = clamp(sum, &conv->activation);
  }
}

arm_cmsis_nn_status arm_convolve_wrapper_s8(const cmsis_nn_context* ctx,
                                            const cmsis_nn_conv_params* conv,
                                            const cmsis_nn_per_channel_quant_params* quant,
                                            const cmsis_nn_dims* x, const int8_t* input,
                                            const cmsis_nn_dims* filter, const int8_t* weight,
                                            const cmsis_nn_dims* bias_dims, const int32_t* bias,
                                            const cmsis_nn_dims* out, int8_t* output) {
  const int32_t size = arm_convolve_wrapper_s8_get_buffer_size(conv, x, filter, out);
  if (!scratch(ctx, size) || x->n != 1 || filter->n != out->c || filter->c != x->c ||
      bias_dims->c != out->c) {
    return ARM_CMSIS_NN_ARG_ERROR;
  }
  for (int32_t o = 0; o < out->c; ++o) {
    convolve(conv, x, input, filter, weight + o * filter->h * filter->w * x->c, x->c, 0, x->c,
             bias[o], quant->multiplier[o], quant->shift[o], out, output + o);
  }
  (void)scratch(ctx, size);
  return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_depthwise_conv_wrapper_s8(
    const cmsis_nn_context* ctx, const cmsis_nn_dw_conv_params* depthwise,
    const cmsis_nn_per_channel_quant_params* quant, const cmsis_nn_dims* x, const int8_t* input,
    const cmsis_nn_dims* filter, const int8_t* weight, const cmsis_nn_dims* bias_dims,
    const int32_t* bias, const cmsis_nn_dims* out, int8_t* output) {
  const int32_t size = arm_depthwise_conv_wrapper_s8_get_buffer_size(depthwise, x, filter, out);
  const cmsis_nn_conv_params conv = {depthwise->input_offset, depthwise->output_offset,
                                     depthwise->stride,       depthwise->padding,
                                     depthwise->dilation,     depthwise->activation};
  if (!scratch(ctx, size) || x->n != 1 || filter->n != 1 || filter->c != out->c ||
      depthwise->ch_mult * x->c != out->c || bias_dims->c != out->c) {
    return ARM_CMSIS_NN_ARG_ERROR;
  }
  for (int32_t o = 0; o < out->c; ++o) {
    convolve(&conv, x, input, filter, weight + o, out->c, o / depthwise->ch_mult, 1, bias[o],
             quant->multiplier[o], quant->shift[o], out, output + o);
  }
  (void)scratch(ctx, size);
  return ARM_CMSIS_NN_SUCCESS;
}

/* --- fully connected ------------------------------------------------------------------------ */

int32_t arm_fully_connected_s8_get_buffer_size(const cmsis_nn_dims* filter) {
#ifdef STAND_IN_MVE
  return 4 * filter->c;
#else
  (void)filter;
  return 0;
#endif
}

/* With MVE, the buffer has what arm_vector_sum_s8 computes of weights, input offset and bias. */
static int32_t first_sum(const cmsis_nn_context* ctx, const int32_t* bias, const int8_t* weight,
                         int32_t inputs, int32_t offset, int32_t o) {
  int32_t sum = bias[o];
#ifdef STAND_IN_MVE
  (void)weight, (void)inputs, (void)offset;
  sum = ((const int32_t*)ctx->buf)[o];
#else
  (void)ctx;
  for (int32_t i = 0; i < inputs; ++i) sum += offset * weight[o * inputs + i];
#endif
  return sum;
}

arm_cmsis_nn_status arm_fully_connected_wrapper_s8(
    const cmsis_nn_context* ctx, const cmsis_nn_fc_params* params,
    const cmsis_nn_quant_params* quant, const cmsis_nn_dims* x, const int8_t* input,
    const cmsis_nn_dims* filter, const int8_t* weight, const cmsis_nn_dims* bias_dims,
    const int32_t* bias, const cmsis_nn_dims* out, int8_t* output) {
  const int32_t inputs = filter->n, outputs = out->c;
  if (filter->c != outputs || bias_dims->c != outputs || x->n != out->n ||
      params->filter_offset != 0 || ctx->size < arm_fully_connected_s8_get_buffer_size(filter)) {
    return ARM_CMSIS_NN_ARG_ERROR;
  }
  for (int32_t row = 0; row < x->n; ++row) {
    for (int32_t o = 0; o < outputs; ++o) {
      const int32_t channel = quant->is_per_channel ? o : 0;
      int32_t sum = first_sum(ctx, bias, weight, inputs, params->input_offset, o);
      for (int32_t i = 0; i < inputs; ++i) sum += input[row * inputs + i] * weight[o * inputs + i];
      sum = requantize(sum, quant->multiplier[channel], quant->shift[channel]);
      output[row * outputs + o] = clamp(sum + params->output_offset, &params->activation);
    }
  }
  return ARM_CMSIS_NN_SUCCESS;
}

/* --- the others ----------------------------------------------------------------------------- */

arm_cmsis_nn_status arm_elementwise_add_s8(
    const int8_t* a, const int8_t* b, const int32_t a_offset, const int32_t a_multiplier,
    const int32_t a_shift, const int32_t b_offset, const int32_t b_multiplier,
    const int32_t b_shift, const int32_t left_shift, int8_t* output, const int32_t out_offset,
    const int32_t out_multiplier, const int32_t out_shift, const int32_t low, const int32_t high,
    const int32_t count) {
  const cmsis_nn_activation range = {low, high};
  for (int32_t i = 0; i < count; ++i) {
    const int32_t left = (a[i] + a_offset) * (1 << left_shift);
    const int32_t right = (b[i] + b_offset) * (1 << left_shift);
    const int32_t sum =
        requantize(left, a_multiplier, a_shift) + requantize(right, b_multiplier, b_shift);
    output[i] = clamp(requantize(sum, out_multiplier, out_shift) + out_offset, &range);
  }
  return ARM_CMSIS_NN_SUCCESS;
}

int32_t arm_avgpool_s8_get_buffer_size(const int dim_dst_width, const int ch_src) {
  (void)dim_dst_width;
#ifdef STAND_IN_DSP
  return ch_src * (int32_t)sizeof(int32_t);
#else
  (void)ch_src;
  return 0;
#endif
}

/* The mean, half away from zero, or the largest of each window's inputs. */
static void pool(const cmsis_nn_pool_params* params, const cmsis_nn_dims* x, const int8_t* input,
                 const cmsis_nn_dims* filter, const cmsis_nn_dims* out, int8_t* output,
                 int is_mean) {
  for (int32_t i = 0; i < out->h * out->w * out->c; ++i) {
    const int32_t channel = i % out->c, pixel = i / out->c;
    int32_t sum = 0, count = 0, largest = INT8_MIN;
    for (int32_t tap = 0; tap < filter->h * filter->w; ++tap) {
      const int32_t row =
          pixel / out->w * params->stride.h - params->padding.h + tap / filter->w;
      const int32_t column =
          pixel % out->w * params->stride.w - params->padding.w + tap % filter->w;
      if (row >= 0 && row < x->h && column >= 0 && column < x->w) {
        const int32_t code = input[(row * x->w + column) * x->c + channel];
        sum += code;
        if (code > largest) largest = code;
        ++count;
      }
    }
    if (is_mean) largest = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
    output[i] = clamp(largest, &params->activation);
  }
}

arm_cmsis_nn_status arm_avgpool_s8(const cmsis_nn_context* ctx, const cmsis_nn_pool_params* params,
                                   const cmsis_nn_dims* x, const int8_t* input,
                                   const cmsis_nn_dims* filter, const cmsis_nn_dims* out,
                                   int8_t* output) {
  const int32_t size = arm_avgpool_s8_get_buffer_size(out->w, x->c);
  if (!scratch(ctx, size) || x->n != 1 || x->c != out->c) return ARM_CMSIS_NN_ARG_ERROR;
  pool(params, x, input, filter, out, output, 1);
  (void)scratch(ctx, size);
  return ARM_CMSIS_NN_SUCCESS;
}

arm_cmsis_nn_status arm_max_pool_s8(const cmsis_nn_context* ctx, const cmsis_nn_pool_params* params,
                                    const cmsis_nn_dims* x, const int8_t* input,
                                    const cmsis_nn_dims* filter, const cmsis_nn_dims* out,
                                    int8_t* output) {
  (void)ctx;
  if (x->n != 1 || x->c != out->c) return ARM_CMSIS_NN_ARG_ERROR;
  pool(params, x, input, filter, out, output, 0);
  return ARM_CMSIS_NN_SUCCESS;
}

/* exp of a difference from the largest code, Q0.31. */
static int32_t exponential(int32_t difference, int32_t multiplier, int32_t shift) {
  const int32_t scaled = intact_doubling_high_mul(difference * (1 << shift), multiplier);
  return intact_exp_on_negative_values(scaled);
}

void arm_softmax_s8(const int8_t* input, const int32_t rows, const int32_t length,
                    const int32_t multiplier, const int32_t shift, const int32_t diff_min,
                    int8_t* output) {
  const cmsis_nn_activation range = {INT8_MIN, INT8_MAX};
  for (int32_t row = 0; row < rows; ++row, input += length, output += length) {
    int32_t largest = INT8_MIN, headroom, scale;
    uint32_t sum = 0;
    for (int32_t i = 0; i < length; ++i) {
      if (input[i] > largest) largest = input[i];
    }
    for (int32_t i = 0; i < length; ++i) {
      const int32_t difference = input[i] - largest;
      if (difference >= diff_min) {
        const int32_t e = exponential(difference, multiplier, shift);
        sum += (uint32_t)intact_rounding_divide_by_pot(e, 12);
      }
    }
    headroom = intact_leading_zeros(sum);
    scale = intact_one_over_one_plus_x((int32_t)((sum << headroom) - ((uint32_t)1 << 31)));
    for (int32_t i = 0; i < length; ++i) {
      const int32_t difference = input[i] - largest;
      int32_t code = INT8_MIN;
      if (difference >= diff_min) {
        const int32_t share =
            intact_doubling_high_mul(scale, exponential(difference, multiplier, shift));
        code += intact_rounding_divide_by_pot(share, 35 - headroom);
      }
      output[i] = clamp(code, &range);
    }
  }
}
