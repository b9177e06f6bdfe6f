// Products of 8-bit codes by vpmaddubsw, for CPUs whose best is AVX2.
//
// vpmaddubsw adds two products of unsigned and signed bytes in 16 bits and saturates. It is exact
// where no two weights of a pair are above 128 together, nor below -128: 255 * 128 < 2^15. Few
// pairs of a trained layer are. What they have in excess is taken from their larger weight when
// weights are packed, and multiplied apart: the sums of a panel's excess are what its accumulators
// start with.
#pragma once

#include "kernels/gemm_s8/gemm_s8.h"

namespace intact {

// Excess of the weights of one column at two places; a value of 0 fills the last pair up.
struct ExcessPair {
  int32_t k[2];
  int16_t value[2];
};

struct GemmPairsKernel {
  GemmS8Kernel product;  // panels of 16 columns; packs no matrices that are computed
  // out[k][row] = a[row][k], with strides in bytes; those of `out` are multiples of 16. Reads up to
  // 16 bytes past a row, and writes rows and columns up to the next multiple of 16.
  void (*transpose)(const uint8_t* a, int64_t stride, int32_t rows, int32_t depth, uint8_t* out,
                    int64_t out_stride);
  // start[row][n] = sum of value * codes[k][row] over pairs begin[n] .. begin[n + 1] - 1. Rows up
  // to the next multiple of 16 are written.
  void (*excess)(const uint8_t* codes, int64_t stride, int32_t rows, const ExcessPair* pairs,
                 const int32_t* begin, int32_t columns, int32_t* start);
};

// nullptr where there is none, or one of pick_gemm_s8 is better.
const GemmPairsKernel* pick_gemm_pairs(Isa best);

#if defined(INTACT_X86)
void gemm_pairs_avx2_pack(const uint8_t* codes, int64_t count, int32_t is_signed, void* a);
void gemm_pairs_avx2_run(const GemmS8Tile* tile);
void gemm_pairs_avx2_transpose(const uint8_t* a, int64_t stride, int32_t rows, int32_t depth,
                               uint8_t* out, int64_t out_stride);
void gemm_pairs_avx2_excess(const uint8_t* codes, int64_t stride, int32_t rows,
                            const ExcessPair* pairs, const int32_t* begin, int32_t columns,
                            int32_t* start);
#endif

}  // namespace intact
