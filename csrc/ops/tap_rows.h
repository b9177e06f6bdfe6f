// What the kernels of kernels/depthwise_row.h read for one row of outputs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/depthwise_row.h"
#include "ops/conv2d.h"
#include "ops/portable.h"

namespace intact {

// Row `oh` of sample `sample`; x (N, H, W, C), weight (kh, kw, C), out (N, OH, OW, C).
template <typename Code>
TapRows<Code> tap_rows(const Conv2dSpec& spec, const Tensor& x, const Code* weight,
                               std::int64_t sample, std::int64_t oh, const Tensor& out) {
  const Shape& shape = x.shape;
  const std::int64_t channels = shape[3], dilation = spec.dilation[0];
  const std::int64_t start = oh * spec.stride[0] - spec.padding[0][0];
  const std::int64_t skipped = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
  const std::int64_t fitting = start >= shape[1] ? 0 : (shape[1] - 1 - start) / dilation + 1;
  const std::int64_t inside = std::min<std::int64_t>(spec.kernel[0], fitting) - skipped;
  TapRows<Code> row{};
  if (inside > 0) {
    row.x = x.as<const Code>() +
            (sample * shape[1] + start + skipped * dilation) * shape[2] * channels;
    row.weight = weight + skipped * spec.kernel[1] * channels;
    row.rows = to_int32(inside);
  }
  row.row_stride = dilation * shape[2] * channels;
  row.taps = spec.kernel[1];
  row.width = to_int32(shape[2]);
  row.channels = to_int32(channels);
  row.out_width = to_int32(out.shape[2]);
  row.stride = spec.stride[1];
  row.dilation = spec.dilation[1];
  row.before = spec.padding[1][0];
  return row;
}

}  // namespace intact
