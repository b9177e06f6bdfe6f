#include "kernels/first_within.h"
#include "kernels/softmax_s8/softmax_s8.h"

namespace intact {

const SoftmaxS8Kernel* pick_softmax_s8(Isa best) {
  static constexpr SoftmaxS8Kernel kKernels[] = {
#define SOFTMAX_S8(isa, vbmi, name, group) {Isa::isa, vbmi, #name, group, name},
#include "kernels/softmax_s8/kernels.inc"
#undef SOFTMAX_S8
      {},
  };
  return first_within(best, kKernels,
                      [](const SoftmaxS8Kernel& kernel) { return !kernel.vbmi || has_vbmi(); });
}

}  // namespace intact
