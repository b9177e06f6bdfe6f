// Finds the weighted sum that equals a given function of two codes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/pairs_s8/misses.h"
#include "kernels/sum_s8/sum_s8.h"

namespace intact {

// One operand: the code of real 0, counted as `codes` are, and by how much the function grows,
// about, from one code to the next.
struct SumS8Operand {
  PairCodes codes;
  std::int32_t zero;
  double slope;
};

// What the function gives.
struct SumS8Output {
  bool is_unsigned;
  std::int32_t zero_point;
  std::int32_t qmin, qmax;
};

// `table` has the code of (a', b') at 256 a' + b'. The sum gives the same code for all codes of the
// operands: the kernel ran over every pair. nullopt if too many corrections were necessary.
std::optional<SumS8> find_sum_s8(const SumS8Kernel& kernel, std::span<const std::uint8_t> table,
                                 const SumS8Operand& a, const SumS8Operand& b,
                                 const SumS8Output& output);

}  // namespace intact
