// Layers from real to real numbers over 8-bit codes (doc/arithmetic.md, section 10), beside the
// products. The numbers are those of portable/intact_dynamic.h in every bit.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "kernels/depthwise_row.h"

namespace intact {

// What turns the accumulators of some output channels into real numbers (eq. 54).
struct RealColumns {
  const int32_t* offset;  // added to the accumulators
  const float* weight_scale;
  const float* bias;
};

// One output row of a depthwise convolution, channels last.
struct DynamicDepthwiseRow {
  TapRows<int8_t> taps;
  float scale;
  const float* weight_scale;
  const float* bias;
  float* out;
};

struct DynamicS8Kernel {
  Isa isa;
  const char* name;
  // Codes of one row, and its scale (eq. 53).
  float (*encode)(const float* x, size_t count, int32_t qmax, int8_t* codes);
  // int32 accumulators become the real numbers in their place.
  void (*finish)(float* out, size_t count, float scale, const RealColumns* columns);
  void (*depthwise)(const DynamicDepthwiseRow* row);
};

#define DYNAMIC_S8(isa, name)                                                            \
  float name##_encode(const float* x, size_t count, int32_t qmax, int8_t* codes);        \
  void name##_finish(float* out, size_t count, float scale, const RealColumns* columns); \
  void name##_depthwise(const DynamicDepthwiseRow* row);
#include "kernels/dynamic_s8/kernels.inc"
#undef DYNAMIC_S8

// The best kernels up to this level; nullptr if there are none.
const DynamicS8Kernel* pick_dynamic_s8(Isa best);

}  // namespace intact
