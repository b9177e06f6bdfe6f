// Bilinear resizing of 8-bit codes (arithmetic.md, eq. 52), first along columns, then along rows:
// both are exact integers, so that their order does not matter.
#pragma once

#include <stdint.h>

#include "cpu.h"
#include "portable/intact_resize.h"

namespace intact {

constexpr int64_t kBilinearPadding = 16;  // numbers that kernels may read behind a blended row

struct BilinearKernel {
  Isa isa;
  const char* name;
  // out[i] = (1024 - fraction) top[i] + fraction bottom[i].
  void (*blend)(const uint8_t* top, const uint8_t* bottom, int32_t is_signed, int32_t fraction,
                int64_t count, int32_t* out);
  // Pixel j of `out` from pixels low and high of the blended row.
  void (*resize)(const int32_t* row, const intact_neighbours* neighbours, int64_t pixels,
                 int64_t channels, uint8_t* out);
};

#define BILINEAR_S8(isa, name)                                                                 \
  void name##_blend(const uint8_t* top, const uint8_t* bottom, int32_t is_signed,              \
                    int32_t fraction, int64_t count, int32_t* out);                            \
  void name##_resize(const int32_t* row, const intact_neighbours* neighbours, int64_t pixels,  \
                     int64_t channels, uint8_t* out);
#include "kernels/bilinear_s8/kernels.inc"
#undef BILINEAR_S8

// The best kernel up to this level; nullptr if there is none.
const BilinearKernel* pick_bilinear_s8(Isa best);

}  // namespace intact
