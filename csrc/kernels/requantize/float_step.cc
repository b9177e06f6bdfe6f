#include "kernels/requantize/float_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "portable/intact_fixedpoint.h"

namespace intact {
namespace {

// Tried are the scale's nearest float and its neighbours, each with biases from the middle of those
// that are possible outwards, because each rounds differently.
constexpr int kScales = 17;
constexpr double kPlaces[] = {0.5, 0.4, 0.6, 0.25, 0.75, 0.1, 0.9};
constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Interval {
  double low, high;
};

// Eq. 13 of one channel, and where its codes begin.
class Thresholds {
 public:
  Thresholds(std::int32_t multiplier, std::int32_t shift, std::int32_t zero_point,
             std::int32_t qmin, std::int32_t qmax, std::int64_t bound)
      : multiplier_(multiplier),
        shift_(shift),
        zero_point_(zero_point),
        bound_(bound),
        real_(std::ldexp(multiplier, shift - 31)),
        lowest_(qmin + 1),
        count_(qmax - qmin) {
    for (int i = 0; i < count_; ++i) {
      first_[static_cast<std::size_t>(i)] = find(lowest_ + i);
    }
  }

  // The biases that, in exact arithmetic, put every threshold where it belongs.
  Interval biases(float scale, std::int64_t offset) const {
    Interval found{-kInfinity, kInfinity};
    for (int i = 0; i < count_; ++i) {
      const std::int64_t x = first_[static_cast<std::size_t>(i)];
      const double edge = lowest_ + i - 0.5;
      const auto product = [&](std::int64_t acc) {
        return static_cast<double>(scale) * static_cast<double>(acc + offset);
      };
      if (x <= bound_) found.low = std::max(found.low, edge - product(x));
      if (x > -bound_) found.high = std::min(found.high, edge - product(x - 1));
    }
    if (found.low == -kInfinity && found.high == kInfinity) {
      found.low = found.high = zero_point_ - real_ * static_cast<double>(offset);
    }
    if (found.low == -kInfinity) found.low = found.high - real_;
    if (found.high == kInfinity) found.high = found.low + real_;
    return found;
  }

  bool agrees(const FloatStep& step) const {
    const auto code = [&step](std::int64_t acc) {
      const auto x = static_cast<float>(static_cast<std::int32_t>(acc + step.offset));
      return std::lrint(std::fmaf(x, step.scale, step.bias));
    };
    for (int i = 0; i < count_; ++i) {
      const std::int64_t x = first_[static_cast<std::size_t>(i)];
      if (x <= bound_ && code(x) < lowest_ + i) return false;
      if (x > -bound_ && code(x - 1) >= lowest_ + i) return false;
    }
    return true;
  }

 private:
  std::int64_t code(std::int64_t acc) const {
    return std::int64_t{intact_multiply_by_quantized_multiplier(static_cast<std::int32_t>(acc),
                                                                multiplier_, shift_)} +
           zero_point_;
  }

  // The least |acc| <= bound whose code is at least `wanted`; bound + 1 if there is none.
  std::int64_t find(std::int32_t wanted) const {
    const double guess = (wanted - zero_point_ - 0.5) / real_;
    const auto limit = static_cast<double>(bound_);
    auto x = static_cast<std::int64_t>(std::floor(std::clamp(guess, -limit, limit)));
    while (x > -bound_ && code(x - 1) >= wanted) --x;
    while (x <= bound_ && code(x) < wanted) ++x;
    return x;
  }

  std::int32_t multiplier_, shift_, zero_point_;
  std::int64_t bound_;
  double real_;
  int lowest_, count_;
  std::array<std::int64_t, 255> first_;
};

// The float nearest to x, or one of its neighbours: 0, +1, -1, +2, -2 ... steps away.
float neighbour(double x, int number) {
  auto value = static_cast<float>(x);
  for (int i = 0; i < (number + 1) / 2; ++i) {
    value = std::nextafter(value, number % 2 == 1 ? std::numeric_limits<float>::max() : 0.0f);
  }
  return value;
}

}  // namespace

std::optional<FloatStep> find_float_step(std::int32_t multiplier, std::int32_t shift,
                                         std::int32_t zero_point, std::int32_t qmin,
                                         std::int32_t qmax, std::int64_t bound) {
  if (bound >= INT32_MAX) return std::nullopt;
  if (multiplier == 0) return FloatStep{0, 0.0f, static_cast<float>(zero_point)};
  const double real = std::ldexp(multiplier, shift - 31);
  const double middle = (zero_point - 0.5 * (qmin + qmax)) / real;
  const double reach = static_cast<double>(bound) + std::fabs(middle) + 1;
  if (reach >= INT32_MAX || reach * real + 1024 >= 1 << 30) return std::nullopt;
  const auto offset = static_cast<std::int32_t>(std::lrint(middle));
  const Thresholds thresholds(multiplier, shift, zero_point, qmin, qmax, bound);
  for (int i = 0; i < kScales; ++i) {
    const float scale = neighbour(real, i);
    const Interval biases = thresholds.biases(scale, offset);
    for (const double place : kPlaces) {
      const double bias = biases.low + place * (biases.high - biases.low);
      const FloatStep step{offset, scale, static_cast<float>(bias)};
      if (thresholds.agrees(step)) return step;
    }
  }
  return std::nullopt;
}

}  // namespace intact
