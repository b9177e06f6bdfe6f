// Transformed weights of a 3x3 convolution, in the panels of a kernel.
#pragma once

#include <cstdint>
#include <span>

#include "core/buffer.h"
#include "kernels/gemm_s16/gemm_s16.h"
#include "kernels/winograd/winograd.h"

namespace intact {

// Output channels come in groups of up to kGroup. A group has a matrix (input x output channels)
// for each position of a tile, in panels of the kernel: [group][position][panel], each as
// gemm_s16.h says, with zeros where depth and channels were filled up.
class WinogradWeights {
 public:
  static constexpr int kGroup = 64;

  // weight: (channels, 3, 3, depth).
  WinogradWeights(const GemmS16Kernel& kernel, int outputs, int depth, int channels,
                  std::span<const std::int8_t> weight);

  int depth() const { return depth_; }  // filled up
  int groups() const { return (channels_ + kGroup - 1) / kGroup; }
  // Channels of a group that exist, and with the filling.
  int width(int group) const;
  int padded_width(int group) const;
  // The panel of a group that begins at `column`.
  const std::int16_t* panel(int group, int position, int column) const {
    return data_.data() + offset(group, position, column);
  }
  std::size_t bytes() const { return data_.bytes(); }

 private:
  std::size_t offset(int group, int position, int column) const {
    const std::size_t before = static_cast<std::size_t>(group) * kGroup * positions_ +
                               static_cast<std::size_t>(padded_width(group)) * position + column;
    return before * static_cast<std::size_t>(depth_);
  }

  int positions_;
  int depth_;
  int channels_;
  int lanes_;
  Buffer<std::int16_t> data_;
};

// The sums of all possible inputs of each output channel lie in center - reach .. center + reach.
struct SumRange {
  std::int64_t center;
  std::int64_t reach;
};

// weight: those of one channel; low .. high: x - zero_point.
SumRange sum_range(std::span<const std::int8_t> weight, std::int32_t low, std::int32_t high);

}  // namespace intact
