// Matrix products with 8-bit codes in and out.
#pragma once

#include <cstdint>
#include <span>

#include "core/requant.h"
#include "cpu.h"
#include "ops/ops.h"

namespace intact {

// QLinear: x (..., depth), weight (columns, depth) of int8, bias (columns,). Returns nullptr where
// no kernel up to `isa` applies.
OpPtr make_gemm_linear(int depth, std::span<const std::int8_t> weight,
                       std::span<const std::int32_t> bias, std::int32_t input_zero_point,
                       const Requant& requant, DType input, DType output, Isa isa);

struct MatMulSpec {
  int depth;    // K
  int columns;  // N
  std::int32_t a_zero_point;
  std::int32_t b_zero_point;
  DType a, b, output;  // int8 or uint8
};

// QMatMul: a (..., M, K), b (..., K, N), leading axes broadcast. Returns nullptr likewise.
OpPtr make_gemm_matmul(const MatMulSpec& spec, const Requant& requant, Isa isa);

}  // namespace intact
