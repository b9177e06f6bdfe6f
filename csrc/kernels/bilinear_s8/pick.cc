#include "kernels/bilinear_s8/bilinear_s8.h"

namespace intact {

const BilinearKernel* pick_bilinear_s8(Isa best) {
  static constexpr BilinearKernel kKernels[] = {
#define BILINEAR_S8(isa, name) {Isa::isa, #name, name##_blend, name##_resize},
#include "kernels/bilinear_s8/kernels.inc"
#undef BILINEAR_S8
      {Isa::kNone, nullptr, nullptr, nullptr},
  };
  for (const BilinearKernel& kernel : kKernels) {
    if (kernel.name != nullptr && kernel.isa <= best) return &kernel;
  }
  return nullptr;
}

}  // namespace intact
