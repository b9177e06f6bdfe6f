// Layers of int16 codes, zero point 0, and int8 weights, on vectors: what W8A16 needs.
#pragma once

#include <cstdint>
#include <span>

#include "core/requant.h"
#include "cpu.h"
#include "ops/conv2d.h"
#include "ops/ops.h"

namespace intact {

// QConv2d with codes of int16 in and out, and accumulators of 48 bits. weight: decoded integers,
// one channel after the other. Returns nullptr where no kernel up to `isa` applies. A QLinear is
// one of a single tap, over rows of pixels.
OpPtr make_conv2d_16(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                     std::span<const std::int64_t> bias, const Requant& requant, Isa isa);

}  // namespace intact
