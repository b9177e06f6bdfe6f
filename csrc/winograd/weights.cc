#include "winograd/weights.h"

#include <algorithm>

namespace intact {
namespace {

int round_up(int size, int multiple) { return (size + multiple - 1) / multiple * multiple; }

}  // namespace

WinogradWeights::WinogradWeights(const GemmS16Kernel& kernel, int outputs, int depth, int channels,
                                 std::span<const std::int8_t> weight)
    : positions_((outputs + 2) * (outputs + 2)),
      depth_(round_up(depth, kGemmS16Depth)),
      channels_(channels),
      lanes_(kernel.lanes),
      data_(static_cast<std::size_t>(round_up(channels, kernel.lanes)) * positions_ * depth_) {
  std::int16_t filter[kWinogradPositions];
  for (int channel = 0; channel < channels; ++channel) {
    const int group = channel / kGroup;
    const int column = channel % kGroup / kernel.width * kernel.width;
    const int panel_width = std::min(kernel.width, padded_width(group) - column);
    const std::size_t inside = static_cast<std::size_t>(channel % kGroup - column) * 2;
    for (int c = 0; c < depth; ++c) {
      const std::size_t first = (static_cast<std::size_t>(channel) * 9) * depth + c;
      winograd_filter(outputs, weight.data() + first, depth, filter);
      const std::size_t pair = static_cast<std::size_t>(c / 2) * panel_width * 2;
      for (int position = 0; position < positions_; ++position) {
        data_[offset(group, position, column) + pair + inside + c % 2] = filter[position];
      }
    }
  }
}

int WinogradWeights::width(int group) const {
  return std::min(kGroup, channels_ - group * kGroup);
}

int WinogradWeights::padded_width(int group) const { return round_up(width(group), lanes_); }

SumRange sum_range(std::span<const std::int8_t> weight, std::int32_t low, std::int32_t high) {
  std::int64_t least = 0, most = 0;
  for (const std::int64_t w : weight) {
    least += w > 0 ? w * low : w * high;
    most += w > 0 ? w * high : w * low;
  }
  const std::int64_t center = (least + most) / 2;
  return {center, std::max(most - center, center - least)};
}

}  // namespace intact
