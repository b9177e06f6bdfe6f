// Rows of pairs, 64 at a time. For files compiled with AVX-512 F and BW.
#pragma once

#include "kernels/pairs_s8/pairs_s8.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

// codes64(a, b) gives the results of 64 pairs.
template <typename Codes64>
static inline void run_row(const PairRows* rows, int64_t row, const Codes64& codes64) {
  const uint8_t* a_codes = rows->a + row * rows->a_next;
  const uint8_t* b_codes = rows->b + row * rows->b_next;
  uint8_t* out = rows->out + row * rows->count;
  __m512i a = _mm512_set1_epi8((int8_t)a_codes[0]);
  __m512i b = _mm512_set1_epi8((int8_t)b_codes[0]);
  int64_t i = 0;
  for (; i + 64 <= rows->count; i += 64) {
    if (rows->a_step) a = _mm512_loadu_si512(a_codes + i);
    if (rows->b_step) b = _mm512_loadu_si512(b_codes + i);
    _mm512_storeu_si512(out + i, codes64(a, b));
  }
  if (i == rows->count) return;
  const __mmask64 rest = first_lanes64(rows->count - i);
  if (rows->a_step) a = _mm512_maskz_loadu_epi8(rest, a_codes + i);
  if (rows->b_step) b = _mm512_maskz_loadu_epi8(rest, b_codes + i);
  _mm512_mask_storeu_epi8(out + i, rest, codes64(a, b));
}

}  // namespace
}  // namespace intact
