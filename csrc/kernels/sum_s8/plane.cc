#include "kernels/sum_s8/plane.h"

#include <algorithm>
#include <cmath>

namespace intact {
namespace {

constexpr int kHalf = 15;  // bits of the lower halves
constexpr double kSteepest = 1 << 13;
// Slopes are a little too steep, so that ties, which round away from zero, lie on their proper
// side. How little depends on how the operands' own roundings fell.
constexpr double kTilts[] = {1.0 / (1 << 26), 1.0 / (1 << 28), 0.0, 1.0 / (1 << 24)};

// a' p + b' q + c in units of 2^-f.
struct Plane {
  std::int64_t p, q, c;
  int f;
};

// |p| and |q| below 2^29, and c, which is below 2^24 steps, below 2^43.
int fraction_bits(double steepest) {
  int exponent;
  std::frexp(steepest, &exponent);
  return std::min(29 - exponent, 34);
}

// Real 0 gives the zero point; half a step makes the floor a rounding.
Plane plane(const SumS8Operand& a, const SumS8Operand& b, const SumS8Output& output, double tilt) {
  const int f = fraction_bits(std::max(std::abs(a.slope), std::abs(b.slope)));
  const auto fixed = [f, tilt](double x) { return std::llrint(std::ldexp(x * (1 + tilt), f)); };
  Plane plane{fixed(a.slope), fixed(b.slope), 0, f};
  plane.c = output.zero_point * (std::int64_t{1} << f) + (std::int64_t{1} << (f - 1)) -
            plane.p * a.zero - plane.q * b.zero;
  return plane;
}

std::int64_t high(std::int64_t x) { return x >> kHalf; }
std::int64_t low(std::int64_t x) { return x - high(x) * (std::int64_t{1} << kHalf); }

SumS8 sum_of(const Plane& plane, const SumS8Operand& a, const SumS8Operand& b,
             const SumS8Output& output) {
  SumS8 sum{};
  sum.a_flip = a.codes.flip();
  sum.b_flip = b.codes.flip();
  sum.high[0] = static_cast<std::int16_t>(high(plane.p));
  sum.high[1] = static_cast<std::int16_t>(high(plane.q));
  sum.low[0] = static_cast<std::int16_t>(low(plane.p));
  sum.low[1] = static_cast<std::int16_t>(low(plane.q));
  sum.c_high = static_cast<std::int32_t>(high(plane.c));
  sum.c_low = static_cast<std::int32_t>(low(plane.c));
  sum.shift = plane.f - kHalf;
  sum.qmin = static_cast<std::int8_t>(output.qmin);
  sum.qmax = static_cast<std::int8_t>(output.qmax);
  sum.is_unsigned = output.is_unsigned ? 1 : 0;
  return sum;
}

// Adds a correction for each pair at which the kernel is wrong; false if they are too many.
bool correct(SumS8& sum, const Plane& plane, const SumS8Kernel& kernel,
             std::span<const std::uint8_t> table, const PairCodes& a, const PairCodes& b) {
  const SumS8 plain = sum;
  const auto run = [&](const PairRows& rows) { kernel.run(&plain, &rows); };
  return for_misses(table, a, b, run, [&](std::int32_t i, std::int32_t j, std::uint8_t wanted) {
    if (sum.corrections == kSumS8Corrections) return false;
    const int y = sum.is_unsigned ? wanted : static_cast<std::int8_t>(wanted);
    const std::int64_t floor = (plane.p * i + plane.q * j + plane.c) >> plane.f;
    sum.key[sum.corrections] = i | j << 16;
    sum.delta[sum.corrections++] = static_cast<std::int32_t>(y - floor);
    return true;
  });
}

}  // namespace

std::optional<SumS8> find_sum_s8(const SumS8Kernel& kernel, std::span<const std::uint8_t> table,
                                 const SumS8Operand& a, const SumS8Operand& b,
                                 const SumS8Output& output) {
  if (std::max(std::abs(a.slope), std::abs(b.slope)) >= kSteepest) return std::nullopt;
  std::optional<SumS8> best;
  for (const double tilt : kTilts) {
    const Plane tilted = plane(a, b, output, tilt);
    SumS8 sum = sum_of(tilted, a, b, output);
    if (!correct(sum, tilted, kernel, table, a.codes, b.codes)) continue;
    if (!best || sum.corrections < best->corrections) best = sum;
    if (best->corrections == 0) break;
  }
  return best;
}

}  // namespace intact
