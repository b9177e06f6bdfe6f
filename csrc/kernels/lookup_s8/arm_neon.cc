#include <arm_neon.h>

#include "kernels/lookup_s8/lookup_s8.h"

namespace intact {
namespace {

// TBL looks up in 64 entries and gives 0 for larger indices; TBX leaves what was there.
static inline uint8x16_t look_up(uint8x16_t x, const uint8x16x4_t (&table)[4]) {
  const uint8x16_t part = vdupq_n_u8(64);
  uint8x16_t result = vqtbl4q_u8(table[0], x);
#pragma GCC unroll 3
  for (int i = 1; i < 4; ++i) {
    x = vsubq_u8(x, part);
    result = vqtbx4q_u8(result, table[i], x);
  }
  return result;
}

}  // namespace

void lookup_s8_neon(const uint8_t* table, const uint8_t* x, uint8_t* out, int64_t count) {
  int64_t i = 0;
  if (count >= 16) {
    uint8x16x4_t parts[4];
    for (int k = 0; k < 4; ++k) parts[k] = vld1q_u8_x4(table + 64 * k);
    for (; i + 16 <= count; i += 16) vst1q_u8(out + i, look_up(vld1q_u8(x + i), parts));
  }
  for (; i < count; ++i) out[i] = table[x[i]];
}

}  // namespace intact
