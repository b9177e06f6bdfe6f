// Convolutions over the portable kernels: what integer and dynamic ones share.
#pragma once

#include "ops/layers.h"
#include "ops/portable.h"
#include "portable/intact_conv.h"

namespace intact {

// The kernels' parameters, but for the sizes of tensors.
inline intact_conv convolution_of(const Conv2dSpec& spec, intact_factors factors) {
  intact_conv conv{};
  conv.o = spec.out_channels;
  conv.kh = spec.kernel[0];
  conv.kw = spec.kernel[1];
  conv.stride_h = spec.stride[0];
  conv.stride_w = spec.stride[1];
  conv.pad_top = spec.padding[0][0];
  conv.pad_left = spec.padding[1][0];
  conv.dilation_h = spec.dilation[0];
  conv.dilation_w = spec.dilation[1];
  conv.groups = spec.groups;
  conv.factors = factors;
  return conv;
}

inline void set_sizes(intact_conv& conv, const Tensor& x, const Tensor& out) {
  conv.n = to_int32(x.shape[0]);
  conv.h = to_int32(x.shape[1]);
  conv.w = to_int32(x.shape[2]);
  conv.c = to_int32(x.shape[3]);
  conv.oh = to_int32(out.shape[1]);
  conv.ow = to_int32(out.shape[2]);
}

// kernel(begin, end) over all output rows.
template <typename Kernel>
void share_rows(const intact_conv& conv, ThreadPool& pool, Kernel&& kernel) {
  const std::int64_t taps = std::int64_t{conv.kh} * conv.kw * (conv.c / conv.groups);
  pool.parallel_ranges(std::int64_t{conv.n} * conv.oh, grain(taps * conv.ow * conv.o),
                       [&](std::int64_t begin, std::int64_t end, int) {
                         kernel(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
                       });
}

}  // namespace intact
