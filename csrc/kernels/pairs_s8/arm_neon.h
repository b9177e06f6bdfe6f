// Rows of pairs, 16 at a time. For files compiled for ARM.
#pragma once

#include <arm_neon.h>
#include <string.h>

#include "kernels/pairs_s8/pairs_s8.h"

namespace intact {
namespace {

static inline uint8x16_t load_part(const uint8_t* codes, int64_t count) {
  uint8_t bytes[16] = {};
  memcpy(bytes, codes, (size_t)count);
  return vld1q_u8(bytes);
}

// codes16(a, b) gives the results of 16 pairs.
template <typename Codes16>
static inline void run_row(const PairRows* rows, int64_t row, const Codes16& codes16) {
  const uint8_t* a_codes = rows->a + row * rows->a_next;
  const uint8_t* b_codes = rows->b + row * rows->b_next;
  uint8_t* out = rows->out + row * rows->count;
  uint8x16_t a = vdupq_n_u8(a_codes[0]);
  uint8x16_t b = vdupq_n_u8(b_codes[0]);
  int64_t i = 0;
  for (; i + 16 <= rows->count; i += 16) {
    if (rows->a_step) a = vld1q_u8(a_codes + i);
    if (rows->b_step) b = vld1q_u8(b_codes + i);
    vst1q_u8(out + i, codes16(a, b));
  }
  const int64_t rest = rows->count - i;
  if (rest == 0) return;
  if (rows->a_step) a = load_part(a_codes + i, rest);
  if (rows->b_step) b = load_part(b_codes + i, rest);
  uint8_t codes[16];
  vst1q_u8(codes, codes16(a, b));
  memcpy(out + i, codes, (size_t)rest);
}

}  // namespace
}  // namespace intact
