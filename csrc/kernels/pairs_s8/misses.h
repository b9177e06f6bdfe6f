// Compares a kernel with a function of two codes, on all pairs of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/pairs_s8/pairs_s8.h"

namespace intact {

constexpr int kPairCodes = 256;

// The codes of an operand, counted from the lowest of their type.
struct PairCodes {
  bool is_signed;
  std::int32_t first, last;

  std::uint8_t flip() const { return is_signed ? 0x80 : 0; }
};

// `table` has the code of (a', b') at 256 a' + b'. Calls miss(a', b', bits of the code) where
// run(rows) gives another one, until that returns false; returns whether it never did.
template <typename Run, typename Miss>
bool for_misses(std::span<const std::uint8_t> table, const PairCodes& a, const PairCodes& b,
                const Run& run, const Miss& miss) {
  std::uint8_t codes[kPairCodes], found[kPairCodes];
  for (int j = 0; j < kPairCodes; ++j) codes[j] = static_cast<std::uint8_t>(j ^ b.flip());
  for (std::int32_t i = a.first; i <= a.last; ++i) {
    const auto code = static_cast<std::uint8_t>(i ^ a.flip());
    run(PairRows{&code, codes, found, kPairCodes, 0, 1, 1, 0, 0});
    const std::uint8_t* wanted = table.data() + std::ptrdiff_t{kPairCodes} * i;
    if (std::equal(wanted + b.first, wanted + b.last + 1, found + b.first)) continue;
    for (std::int32_t j = b.first; j <= b.last; ++j) {
      if (wanted[j] != found[j] && !miss(i, j, wanted[j])) return false;
    }
  }
  return true;
}

}  // namespace intact
