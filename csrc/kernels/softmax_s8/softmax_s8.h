// Softmax of rows of 8-bit codes (doc/arithmetic.md, section 7).
//
// A code depends on the row's maximum m, its sum S and m - x alone, and there are 256 such
// differences: a row's sum and its codes are read from tables, the second of which is made for each
// row. Both roundings of eq. 39 are one shift of 64 bits, as neither is of a negative number:
//   floor((floor((r e + 2^30) / 2^31) + 2^(k-1)) / 2^k) = floor((r e + 2^30 + 2^(30+k)) /
//   2^(31+k)).
#pragma once

#include <stdint.h>

#include "cpu.h"

namespace intact {

// Tables by d = m - x, aligned to 64 bytes.
struct SoftmaxView {
  // e in the order in which a kernel packs 64-bit numbers to `group` bytes: difference d = 16 l +
  // 4 k + j of a group, with k and j below 4, is number (4 l + j) / 2 of vector 2 k + j % 2.
  const uint64_t* exponential;
  const int32_t* rounded;  // e / 2^12, below 2^20
  const uint8_t* planes;   // the lowest byte of all of them, the next, the third
  int32_t live;            // differences from here on have code qmin; a multiple of 64
  int32_t length;          // of a row
  int32_t bits;            // of y's format
  int32_t qmin;
  int32_t qmax;
  int32_t is_unsigned;  // x is uint8_t
};

struct SoftmaxS8Kernel {
  Isa isa;
  bool vbmi;  // needs AVX512-VBMI beside
  const char* name;
  int32_t group;
  void (*run)(const uint8_t* x, uint8_t* y, int64_t rows, const SoftmaxView* view);
};

#define SOFTMAX_S8(isa, vbmi, name, group) \
  void name(const uint8_t* x, uint8_t* y, int64_t rows, const SoftmaxView* view);
#include "kernels/softmax_s8/kernels.inc"
#undef SOFTMAX_S8

// The best kernel up to this level; nullptr if there is none.
const SoftmaxS8Kernel* pick_softmax_s8(Isa best);

}  // namespace intact
