#include "kernels/requantize/float_step.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <limits>

#include "portable/intact_fixedpoint.h"

namespace intact {
namespace {

constexpr int kScales = 17;  // that are tried: the nearest float and its neighbours
constexpr int kMostSteps = 255;
constexpr double kExact = 1 << 24;  // integers below are floats
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Far below the spacing of the biases in question, far above the rounding of double.
constexpr double kMargin = 0x1p-40;

// The real number x scale + bias from which on its float is rounded to k. Halves go to the even
// integer: k - 1/2 itself must be passed by half a spacing of floats for odd k, and missed by half a
// spacing for even ones.
double edge(int k) {
  const float half = static_cast<float>(k) - 0.5f;
  const float next = std::nextafter(half, k % 2 == 0 ? -1e9f : 1e9f);
  return half + 0.5 * (double{next} - half);
}

// edge(k) for all codes.
double edge_of(int k) {
  constexpr int kReach = 512;
  static const auto kEdges = [] {
    std::array<double, 2 * kReach> edges;
    for (int i = 0; i < 2 * kReach; ++i) edges[static_cast<std::size_t>(i)] = edge(i - kReach);
    return edges;
  }();
  return kEdges[static_cast<std::size_t>(k + kReach)];
}

// Where the codes of eq. 13 begin in one channel: accumulators with their offset, and the edges that
// the float results there have to pass.
class Thresholds {
 public:
  Thresholds(std::int32_t multiplier, std::int32_t shift, std::int32_t zero_point,
             std::int32_t qmin, std::int32_t qmax, std::int64_t bound, std::int64_t offset)
      : multiplier_(multiplier),
        shift_(shift),
        zero_point_(zero_point),
        bound_(bound),
        inverse_(1 / std::ldexp(multiplier, shift - 31)) {
    for (int code = qmin + 1; code <= qmax; ++code) {
      const std::int64_t x = find(code);
      const auto place = static_cast<double>(x + offset);
      exact_ = exact_ && std::fabs(place) < kExact;
      // Accumulators beyond the bound need no care.
      if (x <= bound_) {
        reached_[reached_count_] = place;
        reached_edge_[reached_count_++] = edge_of(code);
      }
      if (x > -bound_) {
        missed_[missed_count_] = place - 1;
        missed_edge_[missed_count_++] = edge_of(code);
      }
    }
  }

  // A bias with which `scale` puts every threshold where it belongs. Accumulators there are floats,
  // and their products with a float are exact in double.
  std::optional<float> bias(float scale) const {
    if (!exact_) return std::nullopt;
    double low = -kInfinity, high = kInfinity;
    for (std::size_t i = 0; i < reached_count_; ++i) {
      low = std::max(low, reached_edge_[i] - double{scale} * reached_[i]);
    }
    for (std::size_t i = 0; i < missed_count_; ++i) {
      high = std::min(high, missed_edge_[i] - double{scale} * missed_[i]);
    }
    if (low == -kInfinity) low = high - double{scale};
    if (high == kInfinity) high = low + double{scale};
    const auto middle = static_cast<float>(0.5 * (low + high));
    if (low + kMargin < double{middle} && double{middle} < high - kMargin) return middle;
    return std::nullopt;
  }

  bool empty() const { return reached_count_ == 0 && missed_count_ == 0; }

 private:
  std::int64_t code(std::int64_t acc) const {
    return std::int64_t{intact_multiply_by_quantized_multiplier(static_cast<std::int32_t>(acc),
                                                                multiplier_, shift_)} +
           zero_point_;
  }

  // The least |acc| <= bound whose code is at least `wanted`; bound + 1 if there is none.
  std::int64_t find(std::int32_t wanted) const {
    const double guess = (wanted - zero_point_ - 0.5) * inverse_;
    const auto limit = static_cast<double>(bound_);
    auto x = static_cast<std::int64_t>(std::clamp(guess, -limit, limit));
    while (x <= bound_ && code(x) < wanted) ++x;
    while (x > -bound_ && code(x - 1) >= wanted) --x;
    return x;
  }

  std::int32_t multiplier_, shift_, zero_point_;
  std::int64_t bound_;
  double inverse_;
  bool exact_ = true;
  std::size_t reached_count_ = 0, missed_count_ = 0;
  std::array<double, kMostSteps> reached_, reached_edge_, missed_, missed_edge_;
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
  const Thresholds thresholds(multiplier, shift, zero_point, qmin, qmax, bound, offset);
  if (thresholds.empty()) {
    return FloatStep{offset, static_cast<float>(real), 0.5f * static_cast<float>(qmin + qmax)};
  }
  for (int i = 0; i < kScales; ++i) {
    const float scale = neighbour(real, i);
    if (const std::optional<float> bias = thresholds.bias(scale)) {
      return FloatStep{offset, scale, *bias};
    }
  }
  return std::nullopt;
}

}  // namespace intact
