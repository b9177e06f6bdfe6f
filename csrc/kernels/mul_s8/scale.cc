#include "kernels/mul_s8/scale.h"

#include <algorithm>
#include <cmath>

namespace intact {
namespace {

constexpr int kMostShift = 12;  // keeps results, and thereby conversions, within int32
// Ties of the first rounding go up. Which push serves best depends on how floats round.
constexpr double kPushes[] = {1.0 / (1 << 17), 0.0, 1.0 / (1 << 16)};

// Eq. 13 rounds to 2^-s first (s = -shift), and then away from zero: what is within half of that
// below a tie counts as one.
MulS8 product_of(const MulS8Operand& a, const MulS8Operand& b, const MulS8Output& output,
                 double push) {
  const std::int32_t middle = output.is_unsigned ? 128 : 0;
  MulS8 mul{};
  mul.a_flip = a.codes.flip();
  mul.b_flip = b.codes.flip();
  mul.out_flip = output.is_unsigned ? 0x80 : 0;
  mul.a_zero = static_cast<std::int16_t>(a.zero);
  mul.b_zero = static_cast<std::int16_t>(b.zero);
  mul.scale = static_cast<float>(std::ldexp(output.multiplier, output.shift - 31));
  const double half = output.shift < 0 ? std::ldexp(0.5, output.shift) : 0.0;
  mul.bias[0] = static_cast<float>(output.zero_point - middle + half + push);
  mul.bias[1] = static_cast<float>(output.zero_point - middle - half + push);
  mul.qmin = static_cast<std::int8_t>(output.qmin - middle);
  mul.qmax = static_cast<std::int8_t>(output.qmax - middle);
  return mul;
}

// Adds a correction for each product at which the kernel is wrong; false if they are too many.
bool correct(MulS8& mul, const MulS8Kernel& kernel, std::span<const std::uint8_t> table,
             const PairCodes& a, const PairCodes& b) {
  const MulS8 plain = mul;
  const auto run = [&](const PairRows& rows) { kernel.run(&plain, &rows); };
  return for_misses(table, a, b, run, [&](std::int32_t i, std::int32_t j, std::uint8_t wanted) {
    const std::int32_t product = (i - plain.a_zero) * (j - plain.b_zero);
    const std::span<const std::int32_t> known(mul.key, static_cast<std::size_t>(mul.corrections));
    if (std::find(known.begin(), known.end(), product) != known.end()) return true;
    if (mul.corrections == kMulS8Corrections) return false;
    const float real = std::fmaf(static_cast<float>(product), plain.scale, plain.bias[product < 0]);
    const auto y = static_cast<std::int8_t>(wanted ^ plain.out_flip);
    mul.key[mul.corrections] = product;
    mul.delta[mul.corrections++] = y - static_cast<std::int32_t>(std::lrint(real));
    return true;
  });
}

}  // namespace

std::optional<MulS8> find_mul_s8(const MulS8Kernel& kernel, std::span<const std::uint8_t> table,
                                 const MulS8Operand& a, const MulS8Operand& b,
                                 const MulS8Output& output) {
  if (output.shift > kMostShift) return std::nullopt;
  std::optional<MulS8> best;
  for (const double push : kPushes) {
    MulS8 mul = product_of(a, b, output, push);
    if (!correct(mul, kernel, table, a.codes, b.codes)) continue;
    if (!best || mul.corrections < best->corrections) best = mul;
    if (best->corrections == 0) break;
  }
  return best;
}

}  // namespace intact
