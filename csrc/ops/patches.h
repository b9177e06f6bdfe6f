// The patches under a convolution's windows as packed rows of a product.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/tensor.h"
#include "kernels/gemm_s8/gemm_s8.h"
#include "ops/conv2d.h"

namespace intact {

// Reads patches of one image batch.
class Patches {
 public:
  Patches(const Conv2dSpec& spec, const GemmS8Kernel& kernel, const Tensor& x, const Tensor& out,
          int group)
      : spec_(spec),
        kernel_(kernel),
        x_(x.as<const std::uint8_t>() + group * spec.depth),
        height_(x.shape[1]),
        width_(x.shape[2]),
        channels_(x.shape[3]),
        out_height_(out.shape[1]),
        out_width_(out.shape[2]),
        is_signed_(x.dtype == DType::kInt8 ? 1 : 0) {}

  // Packs the patches of `count` pixels from number `first` on; a row has `row_bytes` bytes.
  void pack(std::int64_t first, std::int64_t count, std::size_t row_bytes,
            std::byte* target) const {
    if (is_matrix(row_bytes)) {
      kernel_.pack(x_ + first * channels_, count * channels_, is_signed_, target);
      return;
    }
    std::int64_t ow = first % out_width_;
    std::int64_t oh = first / out_width_ % out_height_;
    std::int64_t image = first / out_width_ / out_height_;
    for (std::int64_t i = 0; i < count; ++i, target += row_bytes) {
      pack_pixel(image, oh * spec_.stride[0] - spec_.padding[0][0],
                 ow * spec_.stride[1] - spec_.padding[1][0], target);
      if (++ow == out_width_) {
        ow = 0;
        if (++oh == out_height_) {
          oh = 0;
          ++image;
        }
      }
    }
  }

 private:
  bool is_matrix(std::size_t row_bytes) const {
    return spec_.kernel[0] == 1 && spec_.kernel[1] == 1 && spec_.groups == 1 &&
           spec_.stride[0] == 1 && spec_.stride[1] == 1 && spec_.padding[0][0] == 0 &&
           spec_.padding[1][0] == 0 && out_height_ == height_ && out_width_ == width_ &&
           row_bytes == static_cast<std::size_t>(channels_) * kernel_.element;
  }

  void pack_pixel(std::int64_t image, std::int64_t h, std::int64_t w, std::byte* target) const {
    const std::size_t step =
        static_cast<std::size_t>(spec_.kernel[1]) * spec_.depth * kernel_.element;
    for (int i = 0; i < spec_.kernel[0]; ++i, h += spec_.dilation[0], target += step) {
      if (h < 0 || h >= height_) {
        fill(target, spec_.kernel[1] * spec_.depth);
      } else {
        pack_row(x_ + (image * height_ + h) * width_ * channels_, w, target);
      }
    }
  }

  // One row of the kernel, from column w of the image row on.
  void pack_row(const std::uint8_t* row, std::int64_t w, std::byte* target) const {
    const std::size_t tap = static_cast<std::size_t>(spec_.depth) * kernel_.element;
    const int taps = spec_.kernel[1];
    if (spec_.dilation[1] != 1 || spec_.groups != 1) {
      for (int j = 0; j < taps; ++j, w += spec_.dilation[1], target += tap) {
        if (w < 0 || w >= width_) {
          fill(target, spec_.depth);
        } else {
          kernel_.pack(row + w * channels_, spec_.depth, is_signed_, target);
        }
      }
      return;
    }
    // Neighbouring taps of all channels lie side by side.
    const int before = static_cast<int>(std::clamp<std::int64_t>(-w, 0, taps));
    const int inside =
        static_cast<int>(std::clamp<std::int64_t>(width_ - (w + before), 0, taps - before));
    fill(target, before * spec_.depth);
    target += tap * before;
    kernel_.pack(row + (w + before) * channels_, static_cast<std::int64_t>(inside) * spec_.depth,
                 is_signed_, target);
    fill(target + tap * inside, (taps - before - inside) * spec_.depth);
  }

  void fill(std::byte* target, int count) const {
    const std::int32_t value = spec_.input_zero_point + kernel_.shift(is_signed_ != 0);
    if (kernel_.element == 1) {
      std::memset(target, value, static_cast<std::size_t>(count));
    } else {
      std::fill_n(reinterpret_cast<std::int16_t*>(target), count, static_cast<std::int16_t>(value));
    }
  }

  const Conv2dSpec& spec_;
  const GemmS8Kernel& kernel_;
  const std::uint8_t* x_;
  std::int64_t height_, width_, channels_, out_height_, out_width_;
  std::int32_t is_signed_;
};

}  // namespace intact
