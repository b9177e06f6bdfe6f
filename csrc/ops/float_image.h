// The space axes of real numbers, channels first.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/tensor.h"

namespace intact {

// Sizes of the space axes of one channel of (N, C, H, W) or (N, C, W).
struct Image {
  std::int64_t height;
  std::int64_t width;

  explicit Image(const Shape& shape) : height(shape.rank() == 4 ? shape[2] : 1), width(shape[-1]) {}
  std::int64_t pixels() const { return height * width; }
};

// The outputs of a row whose tap lies inside of the image.
struct Run {
  std::int64_t first;
  std::int64_t count;

  // `at`: where the tap of output 0 lies.
  Run(std::int64_t at, std::int64_t stride, std::int64_t size, std::int64_t outputs)
      : first(at >= 0 ? 0 : (stride - 1 - at) / stride),
        count((at >= size ? 0 : std::min(outputs, (size - 1 - at) / stride + 1)) - first) {}
};

}  // namespace intact
