#include "kernels/transpose_s8/transpose_s8.h"

namespace intact {

const TransposeKernel* pick_transpose_s8(Isa best) {
  static constexpr TransposeKernel kKernels[] = {
#define TRANSPOSE_S8(isa, name) {Isa::isa, #name, name, name##_words},
#include "kernels/transpose_s8/kernels.inc"
#undef TRANSPOSE_S8
      {Isa::kNone, nullptr, nullptr, nullptr},
  };
  for (const TransposeKernel& kernel : kKernels) {
    if (kernel.name != nullptr && kernel.isa <= best) return &kernel;
  }
  return nullptr;
}

}  // namespace intact
