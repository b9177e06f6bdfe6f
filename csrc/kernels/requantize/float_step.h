// Requantization in float32 that is proven, when weights are packed, to give eq. 13 and 15's codes.
//
// Both eq. 15 and clamp(rint(float(acc + offset) * scale + bias)) never fall as acc grows (each
// part of either is monotonic), so they are the same function if they reach each code at the same
// accumulator. For a given scale, the at most 2 * 255 accumulators beside those places leave an
// interval of biases. After that a run needs a conversion, a fused multiplication and addition, and
// a conversion back.
#pragma once

#include <cstdint>
#include <optional>

namespace intact {

// One channel's constants; rounding is to nearest, ties to even, and the fused operation's single.
struct FloatStep {
  std::int32_t offset;  // moves the codes' middle to 0, where float32 is most exact
  float scale;
  float bias;  // with the zero point
};

// Whether kernels take float steps. NEON rounds and multiplies in one instruction, so that integers
// are faster there.
#if defined(INTACT_ARM64)
constexpr bool kTakesFloatSteps = false;
#else
constexpr bool kTakesFloatSteps = true;
#endif

// The step that gives clamp(multiply(acc, multiplier, shift) + zero_point, qmin, qmax) for all
// |acc| <= bound; nullopt if none is found: the smaller the multiplier, the likelier; below 2^-9,
// accumulators lie closer than float32 can often tell apart. The float result before clamping is within +-2^30. qmax - qmin <= 255; it serves
// best with qmin and qmax around 0.
std::optional<FloatStep> find_float_step(std::int32_t multiplier, std::int32_t shift,
                                         std::int32_t zero_point, std::int32_t qmin,
                                         std::int32_t qmax, std::int64_t bound);

}  // namespace intact
