// Constructors of the operations on real numbers, channels first. What an operation computes is
// said by the class of the same name in ir/float_ops.py. `isa` is the best level of kernels that
// may be used.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cpu.h"
#include "kernels/float_math/float_math.h"
#include "ops/ops.h"

namespace intact {

// A matrix of floats, row-major.
struct FloatMatrix {
  const float* data;
  std::int64_t rows;
  std::int64_t columns;
};

// Inputs x (..., depth), [bias (outputs,)]; the weight (outputs, depth) is packed.
OpPtr make_linear(const FloatMatrix& weight, Isa isa);

// The same with integer weights, codes (outputs, depth) of 4 or 8 bits times scales: (outputs, 1),
// or (outputs, depth / 32).
OpPtr make_weight_only_linear(const std::int8_t* codes, int bits, std::int64_t depth,
                              const FloatMatrix& scales, Isa isa);

OpPtr make_float_matmul(Isa isa);

// A convolution of one or two space axes; a missing height is 1. `spread` puts so many pixels less
// one of zeros between two of x: that of a transposed convolution is its stride, of others 1.
struct FloatConvSpec {
  std::array<int, 2> kernel;
  std::array<int, 2> stride;
  std::array<int, 2> before;  // padding above and on the left; may be negative
  std::array<int, 2> dilation;
  std::array<int, 2> spread;
  int groups;
};

// Inputs x (N, C, *space), [bias (O,)]; weight (O, C / groups * kernel), in this order.
OpPtr make_float_conv(const FloatConvSpec& spec, const FloatMatrix& weight, Isa isa);

// Indices of an integer type, weight (V, D) of any type.
OpPtr make_rows();

enum class Binary { kAdd, kSub, kMul };
OpPtr make_float_binary(Binary kind);
OpPtr make_activation(const ActivationSpec& spec, Isa isa);
// Inputs x (N, C, ...) and slope (C,) or (1,).
OpPtr make_float_prelu();
// x (N, C, ...) between low and high, both (C,), perhaps infinite.
OpPtr make_channel_clamp(std::vector<float> low, std::vector<float> high);
// x (N, C, ...) times gain plus shift, both (C,).
OpPtr make_channel_affine(std::vector<float> gain, std::vector<float> shift);

OpPtr make_float_softmax(int axis, Isa isa);
// Inputs x, gamma, beta.
OpPtr make_float_layer_norm(int axes, float eps, Isa isa);
OpPtr make_float_group_norm(int groups, float eps, Isa isa);

// Windows over one or two space axes; `after` is padding that counts as `before` does.
struct FloatPoolSpec {
  std::array<int, 2> kernel;
  std::array<int, 2> stride;
  std::array<int, 2> before;
  std::array<int, 2> after;
  std::array<int, 2> dilation;
};
OpPtr make_float_max_pool(const FloatPoolSpec& spec, Isa isa);
OpPtr make_float_avg_pool(const FloatPoolSpec& spec, bool count_include_pad);
OpPtr make_float_adaptive_avg_pool();
OpPtr make_float_mean(const std::vector<std::int32_t>& axes);
OpPtr make_float_resize_bilinear(bool align_corners);

}  // namespace intact
