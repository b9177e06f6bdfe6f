// Masks of the first lanes of a vector, of which there is at least one; `count` may be larger than
// there are lanes. For files compiled with AVX-512.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace intact {
namespace {

static inline __mmask16 first_lanes16(int64_t count) {
  return (__mmask16)(count >= 16 ? 0xFFFF : (1u << count) - 1u);
}

static inline __mmask32 first_lanes32(int64_t count) {
  return count >= 32 ? 0xFFFFFFFFu : (1u << count) - 1u;
}

static inline __mmask64 first_lanes64(int64_t count) {
  return count >= 64 ? ~0ull : (1ull << count) - 1ull;
}

}  // namespace
}  // namespace intact
