#include <immintrin.h>
#include <string.h>

#include "kernels/gemm_s16/gemm_s16.h"

namespace intact {
namespace {

static inline __m512i broadcast_pair(const int16_t* pair) {
  int32_t bits;
  memcpy(&bits, pair, sizeof(bits));
  return _mm512_set1_epi32(bits);
}

// A tile of Rows x 16 Vectors, in registers for all k. Every fourth row has its own pointer: the
// others are within reach of the addressing modes.
template <int Rows, int Vectors>
static inline void tile(int depth, const int16_t* a, ptrdiff_t a_stride, const int16_t* panel,
                        int32_t* c, ptrdiff_t c_stride) {
  constexpr int kPointers = (Rows + 3) / 4;
  const int16_t* pairs[kPointers];
  __m512i sums[Rows][Vectors];
#pragma GCC unroll 3
  for (int i = 0; i < kPointers; ++i) pairs[i] = a + 4 * i * a_stride;
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) sums[r][v] = _mm512_setzero_si512();
  }
  for (int k = 0; k < depth; k += kGemmS16Depth) {
#pragma GCC unroll 2
    for (int half = 0; half < kGemmS16Depth; half += 2) {
      __m512i b[Vectors];
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) b[v] = _mm512_loadu_si512(panel + 32 * v);
      panel += 32 * Vectors;
#pragma GCC unroll 12
      for (int r = 0; r < Rows; ++r) {
        const __m512i pair = broadcast_pair(pairs[r / 4] + (r % 4) * a_stride + half);
#pragma GCC unroll 4
        for (int v = 0; v < Vectors; ++v) {
          sums[r][v] = _mm512_dpwssd_epi32(sums[r][v], pair, b[v]);
        }
      }
    }
#pragma GCC unroll 3
    for (int i = 0; i < kPointers; ++i) pairs[i] += kGemmS16Depth;
  }
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) {
      _mm512_storeu_si512(c + r * c_stride + 16 * v, sums[r][v]);
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

void gemm_s16_avx512vnni(int rows, int columns, int depth, const int16_t* a, ptrdiff_t a_stride,
                         const int16_t* panel, int32_t* c, ptrdiff_t c_stride) {
  switch (columns / 16) {
    case 1:
      return panel_product<12, 1>(rows, depth, a, a_stride, panel, c, c_stride);
    case 2:
      return panel_product<12, 2>(rows, depth, a, a_stride, panel, c, c_stride);
    case 3:
      return panel_product<8, 3>(rows, depth, a, a_stride, panel, c, c_stride);
    default:
      return panel_product<6, 4>(rows, depth, a, a_stride, panel, c, c_stride);
  }
}

}  // namespace intact
