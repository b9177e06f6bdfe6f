// What layers of 16-bit codes need beside products: requantization of 48-bit accumulators
// (doc/arithmetic.md, eq. 14), and depthwise convolutions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"
#include "kernels/depthwise_row.h"

namespace intact {

constexpr int kWideColumns = 64;  // channels that are finished together, at most

// By channel.
struct WideColumns {
  const int64_t* bias;
  const int64_t* multiplier;  // reduced to 15 bits
  const int64_t* right;       // 15 - shift
  const int64_t* qmin;
  const int64_t* qmax;
  int64_t zero_point;
};

// One output row of a depthwise convolution, channels last.
struct WideDepthwiseRow {
  TapRows<int16_t> taps;
  WideColumns columns;
  int16_t* out;
};

struct WideS16Kernel {
  Isa isa;
  const char* name;
  // Codes of `count` channels, up to kWideColumns: each accumulator is the sum of `parts` numbers,
  // `part` apart.
  void (*finish)(const int32_t* sums, int32_t parts, ptrdiff_t part, int32_t count,
                 const WideColumns* columns, int16_t* out);
  void (*depthwise)(const WideDepthwiseRow* row);
};

#define WIDE_S16(isa, name)                                                             \
  void name##_finish(const int32_t* sums, int32_t parts, ptrdiff_t part, int32_t count, \
                     const WideColumns* columns, int16_t* out);                         \
  void name##_depthwise(const WideDepthwiseRow* row);
#include "kernels/wide_s16/kernels.inc"
#undef WIDE_S16

// The best kernels up to this level; nullptr if there are none.
const WideS16Kernel* pick_wide_s16(Isa best);

}  // namespace intact
