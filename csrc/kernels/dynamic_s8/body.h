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

// Channels first .. first + count - 1 of the pixel whose window begins at column `start`.
inline void depthwise_pixel(const DynamicDepthwiseRow& row, int32_t start, int32_t first,
                            int32_t count, float* out) {
  int32_t sums[kChannels] = {};
  for (int32_t i = 0; i < row.rows; ++i) {
    const int8_t* x = row.x + i * row.row_stride + first;
    const int8_t* weight = row.weight + static_cast<ptrdiff_t>(i) * row.taps * row.channels + first;
    for (int32_t j = 0; j < row.taps; ++j, weight += row.channels) {
      const int32_t column = start + j * row.dilation;
      if (column < 0 || column >= row.width) continue;
      const int8_t* pixel = x + static_cast<ptrdiff_t>(column) * row.channels;
      if (count == kChannels) {
        for (int32_t c = 0; c < kChannels; ++c) sums[c] += pixel[c] * weight[c];
      } else {
        for (int32_t c = 0; c < count; ++c) sums[c] += pixel[c] * weight[c];
      }
    }
  }
  for (int32_t c = 0; c < count; ++c) {
    const float product = static_cast<float>(sums[c]) * (row.scale * row.weight_scale[first + c]);
    out[c] = product + row.bias[first + c];
  }
}

inline void depthwise_row(const DynamicDepthwiseRow& row) {
  for (int32_t pixel = 0; pixel < row.out_width; ++pixel) {
    float* out = row.out + static_cast<ptrdiff_t>(pixel) * row.channels;
    const int32_t start = pixel * row.stride - row.before;
    for (int32_t c = 0; c < row.channels; c += kChannels) {
      const int32_t count = row.channels - c < kChannels ? row.channels - c : kChannels;
      depthwise_pixel(row, start, c, count, out + c);
    }
  }
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
