#include "kernels/requantize/table.h"

#include <algorithm>
#include <array>
#include <optional>

#include "kernels/requantize/float_step.h"

namespace intact {
namespace {

constexpr std::size_t kBlock = 16;     // channels that share a kind of step
constexpr std::size_t kChannels = 64;  // vectors may read past the last channel up to here

// A multiplier of 0 gives 0 whatever the shift, so that it never asks for the general kind.
int shift_of(const Requant& requant, std::size_t channel) {
  return requant.multiplier(channel) == 0 ? -1 : requant.shift(channel);
}

RequantKind kind_of(const Requant& requant, std::size_t channels) {
  constexpr int kMost = 22;  // 2^(31 + s) times a zero point of 8 bits is in int64
  bool none_below = true;
  for (std::size_t c = 0; c < channels; ++c) {
    const int shift = shift_of(requant, c);
    if (shift >= 0 || shift < -kMost) return RequantKind::kAnyShift;
    none_below = none_below && requant.qmin(c) >= requant.zero_point();
  }
  return none_below ? RequantKind::kNoneBelowZero : RequantKind::kRightShifts;
}

// Where the rounding of a channel lies: of 16 channels the even ones come first.
std::size_t rounding_place(std::size_t channel) {
  return channel / 16 * 16 + channel % 2 * 8 + channel % 16 / 2;
}

}  // namespace

RequantTable::RequantTable(const Requant& requant, std::span<const std::int32_t> offset,
                           bool is_unsigned, std::span<const std::int64_t> bounds)
    : zero_point_(requant.zero_point()),
      codes_zero_point_(requant.zero_point()),
      kind_(kind_of(requant, offset.size())),
      is_unsigned_(is_unsigned) {
  const std::size_t channels = offset.size();
  const std::size_t padded = align_up(channels, kChannels);
  offset_ = Buffer<std::int32_t>(padded);
  multiplier_ = Buffer<std::int32_t>(padded);
  left_ = Buffer<std::int32_t>(padded);
  right_ = Buffer<std::int32_t>(padded);
  rounding_ = Buffer<std::int64_t>(padded);
  negative_ = Buffer<std::int32_t>(padded);
  qmin_ = Buffer<std::int8_t>(padded);
  qmax_ = Buffer<std::int8_t>(padded);
  for (std::size_t c = 0; c < channels; ++c) {
    const int shift = shift_of(requant, c);
    const int right = std::max(-shift, 0);
    offset_[c] = offset[c];
    multiplier_[c] = requant.multiplier(c);
    left_[c] = std::max(shift, 0);
    right_[c] = 31 + right;
    std::int64_t& rounding = rounding_[rounding_place(c)];
    rounding = (std::int64_t{1} << 30) + (right > 0 ? std::int64_t{1} << (30 + right) : 0);
    if (kind_ != RequantKind::kAnyShift) {
      rounding += std::int64_t{requant.zero_point()} * (std::int64_t{1} << (31 + right));
    }
    negative_[c] = right > 0 ? INT32_MIN : 0;
    qmin_[c] = static_cast<std::int8_t>(requant.qmin(c));
    qmax_[c] = static_cast<std::int8_t>(requant.qmax(c));
    clamps_ = clamps_ || requant.qmin(c) != (is_unsigned ? 0 : INT8_MIN) ||
              requant.qmax(c) != (is_unsigned ? UINT8_MAX : INT8_MAX);
  }
  if (kind_ != RequantKind::kAnyShift) {
    zero_point_ = 0;
    if (!bounds.empty()) find_steps(requant, bounds);
  }
}

void RequantTable::find_steps(const Requant& requant, std::span<const std::int64_t> bounds) {
  scale_ = Buffer<float>(offset_.size());
  bias_ = Buffer<float>(offset_.size());
  in_float_ = Buffer<std::uint8_t>(offset_.size() / kBlock);
  for (std::size_t begin = 0; begin < bounds.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, bounds.size());
    std::array<FloatStep, kBlock> steps;
    std::size_t c = begin;
    for (; c < end; ++c) {
      const std::optional<FloatStep> step =
          find_float_step(requant.multiplier(c), requant.shift(c), requant.zero_point(),
                          requant.qmin(c), requant.qmax(c), bounds[c]);
      if (!step) break;
      steps[c - begin] = *step;
    }
    if (c < end) continue;
    in_float_[begin / kBlock] = 1;
    for (c = begin; c < end; ++c) {
      const FloatStep& step = steps[c - begin];
      offset_[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(offset_[c]) +
                                             static_cast<std::uint32_t>(step.offset));
      scale_[c] = step.scale;
      bias_[c] = step.bias;
    }
  }
}

RequantView RequantTable::view(std::size_t channel) const {
  return {offset_.data() + channel,
          multiplier_.data() + channel,
          left_.data() + channel,
          right_.data() + channel,
          rounding_.data() + channel,
          negative_.data() + channel,
          qmin_.data() + channel,
          qmax_.data() + channel,
          in_float_.size() == 0 ? nullptr : in_float_.data() + channel / kBlock,
          in_float_.size() == 0 ? nullptr : scale_.data() + channel,
          in_float_.size() == 0 ? nullptr : bias_.data() + channel,
          zero_point_,
          codes_zero_point_,
          kind_,
          clamps_ ? 1 : 0,
          is_unsigned_ ? 1 : 0};
}

std::size_t RequantTable::bytes() const {
  return offset_.bytes() + multiplier_.bytes() + left_.bytes() + right_.bytes() +
         rounding_.bytes() + negative_.bytes() + qmin_.bytes() + qmax_.bytes() +
         in_float_.bytes() + scale_.bytes() + bias_.bytes();
}

}  // namespace intact
