#include "kernels/softmax_s8/softmax_s8.h"

namespace intact {

const SoftmaxS8Kernel* pick_softmax_s8(Isa best) {
  static constexpr SoftmaxS8Kernel kKernels[] = {
#define SOFTMAX_S8(isa, vbmi, name, group) {Isa::isa, vbmi, #name, group, name},
#include "kernels/softmax_s8/kernels.inc"
#undef SOFTMAX_S8
      {Isa::kNone, false, nullptr, 0, nullptr},
  };
  for (const SoftmaxS8Kernel& kernel : kKernels) {
    if (kernel.name != nullptr && kernel.isa <= best && (!kernel.vbmi || has_vbmi())) {
      return &kernel;
    }
  }
  return nullptr;
}

}  // namespace intact
