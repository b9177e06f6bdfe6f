#include "kernels/dynamic_s8/dynamic_s8.h"
#include "kernels/first_within.h"

namespace intact {

const DynamicS8Kernel* pick_dynamic_s8(Isa best) {
  static constexpr DynamicS8Kernel kKernels[] = {
#define DYNAMIC_S8(isa, name) {Isa::isa, #name, name##_encode, name##_finish, name##_depthwise},
#include "kernels/dynamic_s8/kernels.inc"
#undef DYNAMIC_S8
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
