// The loops of all levels: plain C++ that compilers turn into vectors, for the files of this
// folder.
#pragma once

#include <string.h>

#include "kernels/dynamic_s8/dynamic_s8.h"
#include "portable/intact_dynamic.h"

namespace intact {
namespace {

inline float encode_row(const float* x, size_t count, int32_t qmax, int8_t* codes) {
  const float scale = intact_row_scale(x, count, qmax);
  intact_quantize_run(x, scale, 0, -qmax, qmax, codes, INTACT_INT8, 0, count);
  return scale;
}

inline void finish_row(float* out, size_t count, float scale, const RealColumns* columns) {
  const int32_t* offset = columns->offset;
  const float *weight_scale = columns->weight_scale, *bias = columns->bias;
  for (size_t i = 0; i < count; ++i) {
    int32_t sum;
    memcpy(&sum, out + i, sizeof sum);
    const float product = static_cast<float>(sum + offset[i]) * (scale * weight_scale[i]);
    out[i] = product + bias[i];
  }
}

constexpr int32_t kChannels = 64;  // whose sums stay in registers

inline void depthwise_row(const DynamicDepthwiseRow& row) {
  const float scale = row.scale;
  const float *weight_scale = row.weight_scale, *bias = row.bias;
  float* out = row.out;
  for_sums<kChannels>(
      row.taps, [=](const int32_t* sums, int32_t first, int32_t count, ptrdiff_t at) {
        for (int32_t c = 0; c < count; ++c) {
          const float product = static_cast<float>(sums[c]) * (scale * weight_scale[first + c]);
          out[at + c] = product + bias[first + c];
        }
      });
}

}  // namespace
}  // namespace intact

// The functions of one level.
#define INTACT_DYNAMIC_S8(name)                                                           \
  namespace intact {                                                                      \
  float name##_encode(const float* x, size_t count, int32_t qmax, int8_t* codes) {        \
    return encode_row(x, count, qmax, codes);                                             \
  }                                                                                       \
  void name##_finish(float* out, size_t count, float scale, const RealColumns* columns) { \
    finish_row(out, count, scale, columns);                                               \
  }                                                                                       \
  void name##_depthwise(const DynamicDepthwiseRow* row) { depthwise_row(*row); }          \
  }
