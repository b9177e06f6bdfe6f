// Convolutions with 8-bit codes in and out: the kinds of kernels, and what they are made of.
#pragma once

#include <cstdint>
#include <span>

#include "core/requant.h"
#include "cpu.h"
#include "ops/ops.h"

namespace intact {

// QConv2d of ir/int_ops.py; x (N, H, W, C), weight (O, kh, kw, C / groups), out (N, OH, OW, O).
struct Conv2dSpec {
  int out_channels;
  int kernel[2];
  int depth;  // C / groups
  int image[2];  // H, W of x: what is fastest depends on it
  int stride[2];
  int padding[2][2];  // (top, bottom), (left, right)
  int dilation[2];
  int groups;
  std::int32_t input_zero_point;
  DType input;   // int8 or uint8
  DType output;  // int8 or uint8
};

// weight: decoded integers that fit int8, one channel after the other; bias: one for each channel.
// Each returns nullptr where its kernels do not apply or another one would be faster: the caller
// goes on to the next. `isa` is the best level that may be used.
OpPtr make_depthwise_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                            std::span<const std::int32_t> bias, const Requant& requant, Isa isa);
OpPtr make_winograd_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                           std::span<const std::int32_t> bias, const Requant& requant, Isa isa);
OpPtr make_row_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                      std::span<const std::int32_t> bias, const Requant& requant, Isa isa);
OpPtr make_gemm_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                       std::span<const std::int32_t> bias, const Requant& requant, Isa isa);

// A tile of outputs x outputs pixels, 2 or 4, fast or not.
OpPtr make_winograd_conv2d_of(int outputs, const Conv2dSpec& spec,
                              std::span<const std::int8_t> weight,
                              std::span<const std::int32_t> bias, const Requant& requant, Isa isa);

}  // namespace intact
