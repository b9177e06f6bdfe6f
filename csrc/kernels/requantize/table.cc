#include "kernels/requantize/table.h"

#include <algorithm>

namespace intact {
namespace {

constexpr std::size_t kChannels = 64;  // vectors may read past the last channel up to here

}  // namespace

RequantTable::RequantTable(const Requant& requant, std::span<const std::int32_t> offset,
                           bool is_unsigned)
    : zero_point_(requant.zero_point()), is_unsigned_(is_unsigned) {
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
    const int right = std::max(-requant.shift(c), 0);
    offset_[c] = offset[c];
    multiplier_[c] = requant.multiplier(c);
    left_[c] = std::max(requant.shift(c), 0);
    any_left_ = any_left_ || left_[c] != 0;
    right_[c] = 31 + right;
    rounding_[c] = (std::int64_t{1} << 30) + (right > 0 ? std::int64_t{1} << (30 + right) : 0);
    negative_[c] = right > 0 ? INT32_MIN : 0;
    qmin_[c] = static_cast<std::int8_t>(requant.qmin(c));
    qmax_[c] = static_cast<std::int8_t>(requant.qmax(c));
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
          zero_point_,
          any_left_ ? 1 : 0,
          is_unsigned_ ? 1 : 0};
}

std::size_t RequantTable::bytes() const {
  return offset_.bytes() + multiplier_.bytes() + left_.bytes() + right_.bytes() +
         rounding_.bytes() + negative_.bytes() + qmin_.bytes() + qmax_.bytes();
}

}  // namespace intact
