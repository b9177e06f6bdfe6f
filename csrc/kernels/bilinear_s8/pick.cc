#include "kernels/bilinear_s8/bilinear_s8.h"
#include "kernels/first_within.h"

namespace intact {

const BilinearKernel* pick_bilinear_s8(Isa best) {
  static constexpr BilinearKernel kKernels[] = {
#define BILINEAR_S8(isa, name) {Isa::isa, #name, name##_blend, name##_resize},
#include "kernels/bilinear_s8/kernels.inc"
#undef BILINEAR_S8
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
