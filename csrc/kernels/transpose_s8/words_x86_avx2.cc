// Tiles of 8 x 8 words: pairs, then fours of them, then the halves of registers change places.
#include <immintrin.h>
#include <string.h>

#include "kernels/transpose_s8/transpose_s8.h"

namespace intact {
namespace {

constexpr int64_t kTile = 8;
constexpr int64_t kWord = 4;

static inline __m256 low_pairs(__m256 a, __m256 b) {
  return _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
}

static inline __m256 high_pairs(__m256 a, __m256 b) {
  return _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
}

static inline void transpose_tile(const uint8_t* x, int64_t stride, uint8_t* y, int64_t y_stride) {
  __m256 row[kTile], pair[kTile];
  for (int i = 0; i < kTile; ++i) row[i] = _mm256_loadu_ps((const float*)(x + i * stride));
  for (int i = 0; i < kTile; i += 2) {
    pair[i] = _mm256_unpacklo_ps(row[i], row[i + 1]);
    pair[i + 1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
  }
  for (int i = 0; i < kTile; i += 4) {
    row[i] = low_pairs(pair[i], pair[i + 2]);
    row[i + 1] = high_pairs(pair[i], pair[i + 2]);
    row[i + 2] = low_pairs(pair[i + 1], pair[i + 3]);
    row[i + 3] = high_pairs(pair[i + 1], pair[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps((float*)(y + i * y_stride), _mm256_permute2f128_ps(row[i], row[i + 4], 0x20));
    _mm256_storeu_ps((float*)(y + (i + 4) * y_stride),
                     _mm256_permute2f128_ps(row[i], row[i + 4], 0x31));
  }
}

}  // namespace

void transpose_s8_avx2_words(const uint8_t* x, int64_t stride, int64_t rows, int64_t columns,
                             uint8_t* y) {
  const int64_t whole_rows = rows / kTile * kTile, whole_columns = columns / kTile * kTile;
  for (int64_t c = 0; c < whole_columns; c += kTile) {
    for (int64_t r = 0; r < whole_rows; r += kTile) {
      transpose_tile(x + r * stride + c * kWord, stride, y + (c * rows + r) * kWord, rows * kWord);
    }
  }
  for (int64_t c = 0; c < columns; ++c) {
    for (int64_t r = c < whole_columns ? whole_rows : 0; r < rows; ++r) {
      memcpy(y + (c * rows + r) * kWord, x + r * stride + c * kWord, kWord);
    }
  }
}

}  // namespace intact
