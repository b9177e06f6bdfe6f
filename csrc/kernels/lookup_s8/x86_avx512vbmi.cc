#include "kernels/lookup_s8/lookup_s8.h"
#include "kernels/x86_lanes.h"

namespace intact {
namespace {

// The 256 entries.
struct Table {
  __m512i part[4];
};

static inline __m512i look_up(__m512i x, const Table* t) {
  const __m512i low = _mm512_permutex2var_epi8(t->part[0], x, t->part[1]);
  const __m512i high = _mm512_permutex2var_epi8(t->part[2], x, t->part[3]);
  return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), low, high);
}

}  // namespace

void lookup_s8_avx512vbmi(const uint8_t* table, const uint8_t* x, uint8_t* out, int64_t count) {
  Table t;
  for (int k = 0; k < 4; ++k) t.part[k] = _mm512_loadu_si512(table + 64 * k);
  int64_t i = 0;
  for (; i + 64 <= count; i += 64) {
    _mm512_storeu_si512(out + i, look_up(_mm512_loadu_si512(x + i), &t));
  }
  if (i == count) return;
  const __mmask64 rest = first_lanes64(count - i);
  _mm512_mask_storeu_epi8(out + i, rest, look_up(_mm512_maskz_loadu_epi8(rest, x + i), &t));
}

}  // namespace intact
