#include "kernels/first_within.h"
#include "kernels/mul_s8/mul_s8.h"

namespace intact {

const MulS8Kernel* pick_mul_s8(Isa best) {
  static constexpr MulS8Kernel kKernels[] = {
#define MUL_S8(isa, name) {Isa::isa, #name, name},
#include "kernels/mul_s8/kernels.inc"
#undef MUL_S8
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
