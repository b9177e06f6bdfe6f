// The excess of weights over what vpmaddubsw can add (gemm_pairs.h), multiplied apart.
#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s8/gemm_pairs.h"

namespace intact {
namespace {

// x[i] = row i of an 8 x 8 matrix; afterwards its column.
static inline void transpose8(__m256i (&x)[8]) {
  __m256i pairs[8], quads[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(x[i], x[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    quads[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    quads[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    quads[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    quads[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    x[i] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x20);
    x[i + 4] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x31);
  }
}

// 16 kHalves rows of one column's excess.
template <int kHalves>
static inline void add_excess(__m256i (&acc)[2 * kHalves], const uint8_t* codes, int64_t stride,
                              const ExcessPair* pair) {
  int32_t values;
  memcpy(&values, pair->value, 4);
  const __m256i weights = _mm256_set1_epi32(values);
#pragma GCC unroll 2
  for (int i = 0; i < kHalves; ++i) {
    const __m128i first = _mm_load_si128((const __m128i*)(codes + pair->k[0] * stride + 16 * i));
    const __m128i second = _mm_load_si128((const __m128i*)(codes + pair->k[1] * stride + 16 * i));
    const __m256i low = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(first, second));
    const __m256i high = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(first, second));
    acc[2 * i] = _mm256_add_epi32(acc[2 * i], _mm256_madd_epi16(low, weights));
    acc[2 * i + 1] = _mm256_add_epi32(acc[2 * i + 1], _mm256_madd_epi16(high, weights));
  }
}

// 16 kHalves rows of all columns.
template <int kHalves>
static void start_rows(const uint8_t* codes, int64_t stride, const ExcessPair* pairs,
                       const int32_t* begin, int32_t columns, int32_t* start) {
  __m256i sums[4 * kHalves][8];  // [8 rows, first or last 8 columns][column]
  for (int32_t n = 0; n < 16; ++n) {
    __m256i acc[2 * kHalves];
#pragma GCC unroll 4
    for (int i = 0; i < 2 * kHalves; ++i) acc[i] = _mm256_setzero_si256();
    if (n < columns) {
      for (int32_t i = begin[n]; i < begin[n + 1]; ++i) {
        add_excess<kHalves>(acc, codes, stride, pairs + i);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 2 * kHalves; ++i) sums[2 * i + n / 8][n % 8] = acc[i];
  }
  for (int i = 0; i < 4 * kHalves; ++i) {
    transpose8(sums[i]);
    int32_t* to = start + 16 * 8 * (i / 2) + 8 * (i % 2);
    for (int r = 0; r < 8; ++r) _mm256_store_si256((__m256i*)(to + 16 * r), sums[i][r]);
  }
}

}  // namespace

void gemm_pairs_avx2_transpose(const uint8_t* a, int64_t stride, int32_t rows, int32_t depth,
                               uint8_t* out, int64_t out_stride) {
  for (int32_t row = 0; row < rows; row += 16) {
    for (int32_t k = 0; k < depth; k += 16) {
      __m128i x[16], y[16];
      for (int i = 0; i < 16; ++i) {
        const int32_t own = row + i < rows ? row + i : rows - 1;
        x[i] = _mm_loadu_si128((const __m128i*)(a + own * stride + k));
      }
      // Each of four rounds puts rows i and i + 8 side by side.
      for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 8; ++i) {
          y[2 * i] = _mm_unpacklo_epi8(x[i], x[i + 8]);
          y[2 * i + 1] = _mm_unpackhi_epi8(x[i], x[i + 8]);
        }
        for (int i = 0; i < 16; ++i) x[i] = y[i];
      }
      for (int i = 0; i < 16; ++i) {
        _mm_store_si128((__m128i*)(out + (k + i) * out_stride + row), x[i]);
      }
    }
  }
}

void gemm_pairs_avx2_excess(const uint8_t* codes, int64_t stride, int32_t rows,
                            const ExcessPair* pairs, const int32_t* begin, int32_t columns,
                            int32_t* start) {
  int32_t row = 0;
  for (; row + 16 < rows; row += 32) {
    start_rows<2>(codes + row, stride, pairs, begin, columns, start + 16 * row);
  }
  if (row < rows) start_rows<1>(codes + row, stride, pairs, begin, columns, start + 16 * row);
}

}  // namespace intact
