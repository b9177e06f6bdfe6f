// Constructors of the operations on codes beside linear algebra; each is defined in the file of
// its family. What an operation computes is said by the class of the same name in ir/int_ops.py,
// and by ir/float_ops.py for movements. Types and shapes come with the tensors.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/requant.h"
#include "cpu.h"
#include "ops/ops.h"
#include "portable/intact_elementwise.h"
#include "portable/intact_movement.h"

namespace intact {

// elementwise.cc: sums, differences (`subtract`) and products broadcast.
OpPtr make_sum(const intact_operand& a, const intact_operand& b, std::int32_t left_shift,
               bool subtract, Requant requant, Isa isa);
OpPtr make_mul(std::int32_t a_zero_point, std::int32_t b_zero_point, Requant requant, Isa isa);
// Inputs x and slope.
OpPtr make_prelu(std::int32_t input_zero_point, std::int32_t slope_zero_point, Requant positive,
                 Requant negative);

// Lowest and highest code of a format.
struct CodeRange {
  std::int32_t qmin;
  std::int32_t qmax;
};
// 513 entries, for x of `bits` bits.
OpPtr make_interpolated_lookup(std::vector<std::int32_t> table, std::int32_t bits, CodeRange input,
                               CodeRange output, Isa isa);

// softmax.cc: over the last axis; `bits` of the output.
OpPtr make_softmax(std::int32_t multiplier, std::int32_t shift, std::int32_t diff_min,
                   std::int32_t bits, CodeRange output, Isa isa);
OpPtr make_softmax16(std::int32_t multiplier, std::int32_t shift,
                     std::vector<std::int32_t> exp_table,
                     std::vector<std::int32_t> reciprocal_table, std::int32_t bits);

// normalization.cc
struct Normalization {
  std::int64_t epsilon;
  std::vector<std::int8_t> gain_sign;
  Requant gain;
  std::vector<std::int32_t> beta;
  std::int32_t zero_point;
  CodeRange output;
};
OpPtr make_layer_norm(std::int32_t axes, Normalization normalization, DType input, DType output,
                      Isa isa);
OpPtr make_group_norm(std::int32_t groups, Normalization normalization, DType input, DType output,
                      Isa isa);

// pooling.cc: pairs are (height, width); padding is ((top, bottom), (left, right)). With an `isa`
// beyond kNone, all codes have 8 bits.
using Pair = std::array<std::int32_t, 2>;
using Padding = std::array<Pair, 2>;
OpPtr make_max_pool2d(Pair kernel, Pair stride, Padding padding, Pair dilation, Isa isa);
OpPtr make_avg_pool2d(Pair kernel, Pair stride, Padding padding, bool count_include_pad,
                      std::int32_t zero_point, Isa isa);
// `pixels`: of the input, at most.
OpPtr make_adaptive_avg_pool2d(std::int64_t pixels, Isa isa);
OpPtr make_mean(const std::vector<std::int32_t>& axes, std::int32_t input_zero_point,
                Requant requant, DType output, Isa isa);

// resize.cc: to the output's size. Nearest takes elements of any type; its space axes are 1 and 2
// of (N, H, W, C), or 2 and 3 of (N, C, H, W) if `channels_first`, where W may be missing.
OpPtr make_resize_nearest2d(bool channels_first);
// `narrow`: codes have 8 bits.
OpPtr make_resize_bilinear2d(bool align_corners, bool narrow, Isa isa);

// movement.cc: elements of any type.
OpPtr make_permute(std::vector<std::int32_t> axes, Isa isa);
OpPtr make_slice(std::int32_t axis, std::int32_t start, std::int32_t stop, std::int32_t step);
OpPtr make_expand();
// `before` has one entry for each axis; `value` the bytes of one element.
OpPtr make_pad(std::vector<std::int32_t> before, intact_pad_mode mode,
               std::vector<std::uint8_t> value);
OpPtr make_concat(std::int32_t axis);

}  // namespace intact
