// The choice from a table of kernels, best first.
#pragma once

#include <cstddef>

#include "cpu.h"

namespace intact {

// The first kernel up to level `best` for which `fits` holds; nullptr if there is none. The last
// entry only ends the table: without it, one of which no kernel is compiled would be empty.
template <typename Kernel, std::size_t kSize, typename Fits>
const Kernel* first_within(Isa best, const Kernel (&kernels)[kSize], const Fits& fits) {
  for (std::size_t i = 0; i + 1 < kSize; ++i) {
    if (kernels[i].isa <= best && fits(kernels[i])) return &kernels[i];
  }
  return nullptr;
}

template <typename Kernel, std::size_t kSize>
const Kernel* first_within(Isa best, const Kernel (&kernels)[kSize]) {
  return first_within(best, kernels, [](const Kernel&) { return true; });
}

}  // namespace intact
