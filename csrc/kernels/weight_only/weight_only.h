// Integer weights that become real numbers inside of the kernel: y = x W' (scales), x float.
//
// W (outputs, depth) lies in panels of 16 outputs; lane l of panel p is output 16 p + l, and
// missing outputs are zeros. Consecutive k lie side by side:
//
//   8 bits: 16 bytes for each k, one signed code for each lane.
//   4 bits: 64 bytes for each 8 values of k, 4 for each lane. The signed code of k = 8 block + i is
//           in the low half of byte i for i < 4, and in the high half of byte i - 4 otherwise.
//           depth is filled up with zeros to a multiple of 8.
//
// Scales are (panels, groups, 16): one group for each 32 values of k, or a single one for all.
// A sum is formed as in float_gemm.h: the products x * code of a group in the order of k, each
// fused; then sum * scale is added (fused) to those of the earlier groups. So one row of x gives
// the same bits here as many rows on the float kernel with expanded panels.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

namespace intact {

struct WeightOnlyRow {
  const float* x;        // (depth,); 4 bits: padded with zeros to a multiple of 8
  const uint8_t* codes;  // panels
  ptrdiff_t panel_bytes;
  int64_t depth;
  const float* scales;
  ptrdiff_t scale_stride;  // of panels
  bool grouped;            // a scale for each 32 values of k; 32 divides depth
  float* y;                // (16 * panels)
};

struct WeightOnlyKernel {
  const char* name;
  float unit4;  // 4-bit codes count as this number times the code, which scales must make up for
  void (*row4)(const WeightOnlyRow& row, int64_t panels);
  void (*row8)(const WeightOnlyRow& row, int64_t panels);
  // `depth` values of k of one panel as floats, 16 for each k. 4 bits: a multiple of 8.
  void (*expand4)(const uint8_t* codes, int64_t depth, float* panel);
  void (*expand8)(const uint8_t* codes, int64_t depth, float* panel);
};

// The best kernel up to `isa`.
const WeightOnlyKernel& pick_weight_only(Isa isa);

}  // namespace intact
