// The space axes of real numbers, channels first.
#pragma once

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

}  // namespace intact
