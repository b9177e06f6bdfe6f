#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s16/gemm_s16.h"

namespace intact {
namespace {

static inline __m256i broadcast_pair(const int16_t* pair) {
  int32_t bits;
  memcpy(&bits, pair, sizeof(bits));
  return _mm256_set1_epi32(bits);
}

// A tile of Rows x 8 Vectors, in registers for all k. Every fourth row has its own pointer: the
// others are within reach of the addressing modes.
template <int Rows, int Vectors>
static inline void tile(int depth, const int16_t* a, ptrdiff_t a_stride, const int16_t* panel,
                        int32_t* c, ptrdiff_t c_stride) {
  constexpr int kPointers = (Rows + 3) / 4;
  const int16_t* pairs[kPointers];
  __m256i sums[Rows][Vectors];
#pragma GCC unroll 2
  for (int i = 0; i < kPointers; ++i) pairs[i] = a + 4 * i * a_stride;
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) sums[r][v] = _mm256_setzero_si256();
  }
  for (int k = 0; k < depth; k += kGemmS16Depth) {
#pragma GCC unroll 2
    for (int half = 0; half < kGemmS16Depth; half += 2) {
      __m256i b[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) b[v] = _mm256_loadu_si256((const __m256i*)(panel + 16 * v));
      panel += 16 * Vectors;
#pragma GCC unroll 6
      for (int r = 0; r < Rows; ++r) {
        const __m256i pair = broadcast_pair(pairs[r / 4] + (r % 4) * a_stride + half);
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) {
          sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(pair, b[v]));
          // GCC would add the products of both halves first, and run out of registers.
          __asm__("" : "+x"(sums[r][v]));
        }
      }
    }
#pragma GCC unroll 2
    for (int i = 0; i < kPointers; ++i) pairs[i] += kGemmS16Depth;
  }
#pragma GCC unroll 6
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      _mm256_storeu_si256((__m256i*)(c + r * c_stride + 8 * v), sums[r][v]);
    }
  }
}

// Tiles of Rows rows while they last, then a smaller one.
template <int Rows, int Vectors>
static void panel_product(int rows, int depth, const int16_t* a, ptrdiff_t a_stride,
                          const int16_t* panel, int32_t* c, ptrdiff_t c_stride) {
  for (; rows >= Rows; rows -= Rows) {
    tile<Rows, Vectors>(depth, a, a_stride, panel, c, c_stride);
    a += Rows * a_stride;
    c += Rows * c_stride;
  }
  if constexpr (Rows > 1) {
    constexpr int kNext = Rows > 6 ? 6 : Rows - 1;
    if (rows > 0) panel_product<kNext, Vectors>(rows, depth, a, a_stride, panel, c, c_stride);
  }
}

}  // namespace

void gemm_s16_avx2(int rows, int columns, int depth, const int16_t* a, ptrdiff_t a_stride,
                   const int16_t* panel, int32_t* c, ptrdiff_t c_stride) {
  if (columns == 8) {
    return panel_product<6, 1>(rows, depth, a, a_stride, panel, c, c_stride);
  }
  return panel_product<6, 2>(rows, depth, a, a_stride, panel, c, c_stride);
}

}  // namespace intact
