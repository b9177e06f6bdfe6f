#include "kernels/first_within.h"
#include "kernels/pool_s8/pool_s8.h"

namespace intact {

const PoolS8Kernel* pick_pool_s8(Isa best) {
  static constexpr PoolS8Kernel kKernels[] = {
#define POOL_S8(isa, name) \
  {Isa::isa, #name, name##_maximum, name##_sum, name##_divide, name##_requantize},
#include "kernels/pool_s8/kernels.inc"
#undef POOL_S8
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
