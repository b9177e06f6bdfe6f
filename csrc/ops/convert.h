// Between real numbers and codes, and from codes to other codes.
#pragma once

#include <cstdint>
#include <span>

#include "core/requant.h"
#include "ops/ops.h"

namespace intact {

// Scales and zero points; those of element i are number (i / inner) modulo their number, where
// inner is the number of elements of the last `inner_axes` axes.
struct Scales {
  std::span<const float> scale;
  std::span<const std::int32_t> zero_point;
  int inner_axes;
};

// Quantize to codes qmin .. qmax, of 8 or 16 bits.
OpPtr make_quantize(const Scales& scales, std::int32_t qmin, std::int32_t qmax, Isa isa);

// Dequantize, of codes of up to 32 bits.
OpPtr make_dequantize(const Scales& scales, Isa isa);

// Requantize, channels along the last axis.
OpPtr make_requantize(std::int32_t input_zero_point, const Requant& requant, Isa isa);

}  // namespace intact
