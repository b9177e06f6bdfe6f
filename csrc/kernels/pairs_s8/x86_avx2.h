// Rows of pairs, 32 at a time. For files compiled with AVX2.
#pragma once

#include <immintrin.h>
#include <string.h>

#include "kernels/pairs_s8/pairs_s8.h"

namespace intact {
namespace {

static inline __m256i load_part(const uint8_t* codes, int64_t count) {
  uint8_t bytes[32] = {};
  memcpy(bytes, codes, (size_t)count);
  return _mm256_loadu_si256((const __m256i*)bytes);
}

// codes32(a, b) gives the results of 32 pairs.
template <typename Codes32>
static inline void run_row(const PairRows* rows, int64_t row, const Codes32& codes32) {
  const uint8_t* a_codes = rows->a + row * rows->a_next;
  const uint8_t* b_codes = rows->b + row * rows->b_next;
  uint8_t* out = rows->out + row * rows->count;
  __m256i a = _mm256_set1_epi8((int8_t)a_codes[0]);
  __m256i b = _mm256_set1_epi8((int8_t)b_codes[0]);
  int64_t i = 0;
  for (; i + 32 <= rows->count; i += 32) {
    if (rows->a_step) a = _mm256_loadu_si256((const __m256i*)(a_codes + i));
    if (rows->b_step) b = _mm256_loadu_si256((const __m256i*)(b_codes + i));
    _mm256_storeu_si256((__m256i*)(out + i), codes32(a, b));
  }
  const int64_t rest = rows->count - i;
  if (rest == 0) return;
  if (rows->a_step) a = load_part(a_codes + i, rest);
  if (rows->b_step) b = load_part(b_codes + i, rest);
  uint8_t codes[32];
  _mm256_storeu_si256((__m256i*)codes, codes32(a, b));
  memcpy(out + i, codes, (size_t)rest);
}

}  // namespace
}  // namespace intact
