// What leads to the kernels of kernels/depthwise_row.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "core/buffer.h"
#include "core/thread_pool.h"
#include "kernels/depthwise_row.h"
#include "ops/conv2d.h"
#include "ops/portable.h"

namespace intact {

// What row `oh` of a sample reads; x (N, H, W, C), weight (kh, kw, C), out (N, OH, OW, C).
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
    row.x =
        x.as<const Code>() + (sample * shape[1] + start + skipped * dilation) * shape[2] * channels;
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

// weight (C, kh, kw) to (kh, kw, C).
template <typename Code>
Buffer<Code> taps_first(std::span<const std::int8_t> weight, std::size_t channels) {
  Buffer<Code> moved(weight.size());
  const std::size_t taps = weight.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t t = 0; t < taps; ++t) moved[t * channels + c] = weight[c * taps + t];
  }
  return moved;
}

// Calls task(sample, oh) for each row of outputs.
template <typename Task>
void for_output_rows(const Conv2dSpec& spec, const Tensor& out, ThreadPool& pool,
                     const Task& task) {
  const std::int64_t rows = out.shape[1];
  const std::int64_t products = out.shape.elements(2, 4) * spec.kernel[0] * spec.kernel[1];
  pool.parallel_ranges(out.shape[0] * rows, grain(products),
                       [&](std::int64_t begin, std::int64_t end, int) {
                         for (std::int64_t i = begin; i < end; ++i) task(i / rows, i % rows);
                       });
}

}  // namespace intact
