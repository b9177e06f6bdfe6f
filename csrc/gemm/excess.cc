#include "gemm/excess.h"

#include <algorithm>

namespace intact {
namespace {

constexpr int kMost = 128;  // of two weights: 255 * 128 < 2^15

// Takes from the larger of two weights what they are beyond kMost or -kMost; which of them.
int take(std::int8_t* weight, int& value) {
  const int a = weight[0], b = weight[1];
  const int above = std::max(a, 0) + std::max(b, 0) - kMost;
  const int below = std::min(a, 0) + std::min(b, 0) + kMost;
  value = std::max(above, 0) + std::min(below, 0);
  const int which = (value > 0) == (b > a) ? 1 : 0;
  weight[which] = static_cast<std::int8_t>(weight[which] - value);
  return which;
}

}  // namespace

Excess::Excess(int depth, std::span<std::int8_t> weight) : weights_(weight.size()) {
  const std::size_t columns = weight.size() / static_cast<std::size_t>(depth);
  begin_.push_back(0);
  for (std::size_t column = 0; column < columns; ++column) {
    std::int8_t* row = weight.data() + column * static_cast<std::size_t>(depth);
    bool half = false;
    for (int k = 0; k + 1 < depth; k += 2) {
      int value = 0;
      const int which = take(row + k, value);
      if (value == 0) continue;
      if (!half) pairs_.push_back({});
      ExcessPair& pair = pairs_.back();
      pair.k[half ? 1 : 0] = k + which;
      pair.value[half ? 1 : 0] = static_cast<std::int16_t>(value);
      half = !half;
    }
    begin_.push_back(static_cast<std::int32_t>(pairs_.size()));
  }
}

std::int32_t Excess::sum(int column) const {
  std::int32_t total = 0;
  for (std::int32_t i = *begin(column); i < *begin(column + 1); ++i) {
    const ExcessPair& pair = pairs_[static_cast<std::size_t>(i)];
    total += pair.value[0] + pair.value[1];
  }
  return total;
}

}  // namespace intact
