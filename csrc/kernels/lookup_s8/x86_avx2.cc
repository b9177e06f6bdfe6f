#include <immintrin.h>

#include "kernels/lookup_s8/lookup_s8.h"

namespace intact {
namespace {

// Byte shuffles look up in 16 entries, and give 0 where the index is negative. Row k holds entries
// 16 k .. 16 k + 15, each exclusive-or the one 16 before, if that is in the same half of the table.
// An index that falls by 16 from row to row then picks, exclusive-or, exactly its entry.
struct Table {
  __m256i row[16];
};

static inline Table load_table(const uint8_t* table) {
  Table t;
  __m128i before = _mm_setzero_si128();
  for (int k = 0; k < 16; ++k) {
    const __m128i row = _mm_loadu_si128((const __m128i*)(table + 16 * k));
    if (k == 8) before = _mm_setzero_si128();
    t.row[k] = _mm256_broadcastsi128_si256(_mm_xor_si128(row, before));
    before = row;
  }
  return t;
}

// 4 vectors together, so that each row is loaded for several.
static inline void look_up128(const uint8_t* x, uint8_t* out, const Table* t) {
  const __m256i sixteen = _mm256_set1_epi8(16), top = _mm256_set1_epi8((int8_t)0x80);
  __m256i result[4], index[4];
  for (int v = 0; v < 4; ++v) {
    index[v] = _mm256_loadu_si256((const __m256i*)(x + 32 * v));
    result[v] = _mm256_setzero_si256();
  }
  for (int half = 0; half < 2; ++half) {
    for (int k = 0; k < 8; ++k) {
      const __m256i row = t->row[8 * half + k];
      for (int v = 0; v < 4; ++v) {
        result[v] = _mm256_xor_si256(result[v], _mm256_shuffle_epi8(row, index[v]));
        index[v] = _mm256_subs_epi8(index[v], sixteen);
      }
    }
    for (int v = 0; v < 4; ++v) {
      index[v] = _mm256_xor_si256(_mm256_loadu_si256((const __m256i*)(x + 32 * v)), top);
    }
  }
  for (int v = 0; v < 4; ++v) _mm256_storeu_si256((__m256i*)(out + 32 * v), result[v]);
}

}  // namespace

void lookup_s8_avx2(const uint8_t* table, const uint8_t* x, uint8_t* out, int64_t count) {
  int64_t i = 0;
  if (count >= 128) {
    const Table t = load_table(table);
    for (; i + 128 <= count; i += 128) look_up128(x + i, out + i, &t);
  }
  for (; i < count; ++i) out[i] = table[x[i]];
}

}  // namespace intact
