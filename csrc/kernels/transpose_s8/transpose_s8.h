// Transposed matrices of bytes, and of words of 4 bytes.
#pragma once

#include <stdint.h>

#include "cpu.h"

namespace intact {

struct TransposeKernel {
  Isa isa;
  const char* name;
  // y (columns, rows), contiguous, from x (rows, columns), whose rows lie `stride` bytes apart.
  void (*run)(const uint8_t* x, int64_t stride, int64_t rows, int64_t columns, uint8_t* y);
  // The same of words, at any address.
  void (*run_words)(const uint8_t* x, int64_t stride, int64_t rows, int64_t columns, uint8_t* y);
};

#define TRANSPOSE_S8(isa, name)                                                           \
  void name(const uint8_t* x, int64_t stride, int64_t rows, int64_t columns, uint8_t* y); \
  void name##_words(const uint8_t* x, int64_t stride, int64_t rows, int64_t columns, uint8_t* y);
#include "kernels/transpose_s8/kernels.inc"
#undef TRANSPOSE_S8

// The best kernel up to this level; nullptr if there is none.
const TransposeKernel* pick_transpose_s8(Isa best);

}  // namespace intact
