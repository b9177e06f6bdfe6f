// A convolution's attributes as Python passes them.
#pragma once

#include <nanobind/stl/array.h>

#include <array>

#include "bindings/bindings.h"
#include "ops/conv2d.h"

namespace intact {

struct Window {
  std::array<int, 2> stride;
  std::array<std::array<int, 2>, 2> padding;  // (top, bottom), (left, right)
  std::array<int, 2> dilation;
  int groups;
};

// The number of elements along an axis of a weight.
int size(const AnyArray& array, std::size_t axis);

// weight (O, kh, kw, C / groups); the image is the caller's.
Conv2dSpec conv2d_spec(const Window& window, std::int32_t zero_point, DType input, DType output,
                       const AnyArray& weight);

}  // namespace intact
