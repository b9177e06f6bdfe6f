// Finds the scaled product that equals a given function of two codes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "kernels/mul_s8/mul_s8.h"
#include "kernels/pairs_s8/misses.h"

namespace intact {

// One operand, and the code of real 0, counted as `codes` are.
struct MulS8Operand {
  PairCodes codes;
  std::int32_t zero;
};

// What the function gives: eq. 15 of (a - zero) (b - zero).
struct MulS8Output {
  bool is_unsigned;
  std::int32_t zero_point;
  std::int32_t qmin, qmax;
  std::int32_t multiplier, shift;
};

// `table` has the code of (a', b') at 256 a' + b'. The product gives the same code for all codes of
// the operands: the kernel ran over every pair. nullopt if too many corrections were necessary.
std::optional<MulS8> find_mul_s8(const MulS8Kernel& kernel, std::span<const std::uint8_t> table,
                                 const MulS8Operand& a, const MulS8Operand& b,
                                 const MulS8Output& output);

}  // namespace intact
