// What pools share, and those of 8-bit codes in vectors.
#pragma once

#include "cpu.h"
#include "ops/codes.h"
#include "ops/ops.h"
#include "ops/portable.h"
#include "portable/intact_pooling.h"

namespace intact {

// The sizes of a pool's tensors; windows are the caller's.
inline intact_pool_params pool_sizes(const Tensor& x, const Tensor& output) {
  intact_pool_params params{};
  params.n = to_int32(x.shape[0]);
  params.h = to_int32(x.shape[1]);
  params.w = to_int32(x.shape[2]);
  params.c = to_int32(x.shape[3]);
  params.out_h = to_int32(output.shape[1]);
  params.out_w = to_int32(output.shape[2]);
  params.dilation_h = 1;
  params.dilation_w = 1;
  params.type = portable_type(x.dtype);
  return params;
}

struct PoolWindow {
  Pair kernel;
  Pair stride;
  Padding padding;
  Pair dilation;

  intact_pool_params params(const Tensor& x, const Tensor& output) const {
    intact_pool_params params = pool_sizes(x, output);
    params.kernel_h = kernel[0];
    params.kernel_w = kernel[1];
    params.stride_h = stride[0];
    params.stride_w = stride[1];
    params.dilation_h = dilation[0];
    params.dilation_w = dilation[1];
    params.top = padding[0][0];
    params.bottom = padding[0][1];
    params.left = padding[1][0];
    params.right = padding[1][1];
    return params;
  }

  std::int64_t taps() const { return std::int64_t{kernel[0]} * kernel[1]; }
};

// Calls task(begin, end) on ranges of the output's rows; `taps`: reads for each of its elements.
template <typename Task>
void share_pool_rows(const Tensor& output, std::int64_t taps, Workspace& workspace,
                     const Task& task) {
  const Shape& shape = output.shape;
  workspace.pool.parallel_ranges(
      shape[0] * shape[1], grain_of(shape[2] * shape[3] * taps),
      [&](std::int64_t begin, std::int64_t end, int) { task(size(begin), size(end)); });
}

// pool8.cc: nullptr where portable code has to do it, as it does for Isa::kNone.
OpPtr make_max_pool8(const PoolWindow& window, Isa isa);
OpPtr make_avg_pool8(const PoolWindow& window, bool count_include_pad, std::int32_t zero_point,
                     Isa isa);
OpPtr make_adaptive_avg_pool8(std::int64_t pixels, Isa isa);
OpPtr make_mean8(const std::vector<std::int32_t>& axes, std::int32_t input_zero_point,
                 const Requant& requant, DType output, Isa isa);

}  // namespace intact
