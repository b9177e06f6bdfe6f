// Operations on pairs of 8-bit codes: what their kernels share.
#pragma once

#include <stdint.h>

namespace intact {

// `rows` rows of `count` codes each, contiguous in `out`. Along a row an operand has a step of 1,
// or 0: its first code again and again. From row to row it goes on by `a_next`, `b_next` codes.
struct PairRows {
  const uint8_t* a;
  const uint8_t* b;
  uint8_t* out;
  int64_t count;
  int32_t a_step, b_step;
  int64_t rows, a_next, b_next;
};

}  // namespace intact
