#include "kernels/first_within.h"
#include "kernels/wide_s16/wide_s16.h"

namespace intact {

const WideS16Kernel* pick_wide_s16(Isa best) {
  static constexpr WideS16Kernel kKernels[] = {
#define WIDE_S16(isa, name) {Isa::isa, #name, name##_finish, name##_depthwise},
#include "kernels/wide_s16/kernels.inc"
#undef WIDE_S16
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
