// Portable kernels whose loops compilers turn into vectors, compiled for each instruction set.
#pragma once

#include "cpu.h"
#include "portable/intact_convert.h"
#include "portable/intact_elementwise.h"
#include "portable/intact_resize.h"

namespace intact {

struct Loops {
  Isa isa;
  const char* name;
  decltype(&intact_sum) sum;
  decltype(&intact_mul) mul;
  decltype(&intact_interpolated_lookup) interpolated_lookup;
  decltype(&intact_quantize) quantize;
  decltype(&intact_dequantize) dequantize;
  decltype(&intact_requantize_codes) requantize_codes;
  decltype(&intact_resize_bilinear2d) resize_bilinear2d;
};

// Those of the file that names it: its functions are its own (static), as are its instructions.
#define INTACT_LOOPS(isa, name)                                                              \
  {isa,             name,              intact_sum,              intact_mul,                  \
   intact_interpolated_lookup,         intact_quantize,         intact_dequantize,           \
   intact_requantize_codes,            intact_resize_bilinear2d}

#if defined(INTACT_X86)
extern const Loops kLoopsAvx2;
extern const Loops kLoopsAvx512Vnni;
#endif

// The best up to this level.
const Loops& pick_loops(Isa best);

}  // namespace intact
