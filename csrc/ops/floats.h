// Constructors of the operations on real numbers (float_ops.py), channels first. `isa` is the best
// level of kernels that may be used.
#pragma once

#include <cstdint>
#include <span>

#include "cpu.h"
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

}  // namespace intact
