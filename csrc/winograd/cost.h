// Which way to compute a 3x3 convolution is fastest.
#pragma once

#include "cpu.h"
#include "ops/conv2d.h"

namespace intact {

// Outputs of a tile's side, 4 or 2, or 0 if products of matrices of codes are faster for one image.
int fastest_winograd(const Conv2dSpec& spec, Isa isa);

}  // namespace intact
