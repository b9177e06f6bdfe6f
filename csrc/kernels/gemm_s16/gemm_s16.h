// Products of int16 matrices, of Winograd's transforms and of 16-bit codes; sums wrap around modulo
// 2^32.
//
// A is row-major: rows of `depth` numbers, `a_stride` numbers apart. B is packed in panels of up to
// `width` columns, a multiple of `lanes`:
//   panel[k / 2][column][k % 2]
// so that a vector holds pairs of consecutive k, and one pair of A serves it with one instruction.
// C is row-major int32, `c_stride` numbers apart.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

namespace intact {

constexpr int kGemmS16Depth = 4;  // depth is a multiple of it; zeros fill it up

struct GemmS16Kernel {
  Isa isa;
  int lanes;
  int width;
  // C = A panel, for any number of rows; C has `columns` columns, 1 .. width. No pair of products
  // may be twice (-2^15)^2, whose sum is not in int32.
  void (*run)(int rows, int columns, int depth, const int16_t* a, ptrdiff_t a_stride,
              const int16_t* panel, int32_t* c, ptrdiff_t c_stride);
};

#define GEMM_S16(isa, function, lanes, width)                                              \
  void function(int rows, int columns, int depth, const int16_t* a, ptrdiff_t a_stride,    \
                const int16_t* panel, int32_t* c, ptrdiff_t c_stride);
#include "kernels/gemm_s16/kernels.inc"
#undef GEMM_S16

// The best kernel up to this level; nullptr if there is none.
const GemmS16Kernel* pick_gemm_s16(Isa best);

}  // namespace intact
