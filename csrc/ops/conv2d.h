// Convolutions with 8-bit codes in and out: the kinds of kernels, and what they are made of.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "core/requant.h"
#include "cpu.h"
#include "kernels/requantize/float_step.h"
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

// A bound of the magnitude of an output channel's accumulator, with its bias; `weight` is the
// channel's alone.
inline std::int64_t accumulator_bound(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                                      std::int32_t bias) {
  const int lowest = spec.input == DType::kInt8 ? INT8_MIN : 0;
  const std::int64_t reach =
      std::max(spec.input_zero_point - lowest, lowest + UINT8_MAX - spec.input_zero_point);
  std::int64_t magnitude = 0;
  for (const std::int8_t w : weight) magnitude += std::abs(w);
  return reach * magnitude + std::abs(std::int64_t{bias});
}

// Those of all channels where sums are so short that their requantization is worth the search for
// float steps; empty elsewhere.
inline std::vector<std::int64_t> bounds_for_steps(const Conv2dSpec& spec,
                                                  std::span<const std::int8_t> weight,
                                                  std::span<const std::int32_t> bias) {
  constexpr std::size_t kShort = 128;
  std::vector<std::int64_t> bounds;
  const std::size_t taps = weight.size() / bias.size();
  if (!kTakesFloatSteps || taps > kShort) return bounds;
  for (std::size_t c = 0; c < bias.size(); ++c) {
    bounds.push_back(accumulator_bound(spec, weight.subspan(c * taps, taps), bias[c]));
  }
  return bounds;
}

}  // namespace intact
