#include "kernels/first_within.h"
#include "kernels/normalize_s8/normalize_s8.h"

namespace intact {

const NormalizeS8Kernel* pick_normalize_s8(Isa best) {
  static constexpr NormalizeS8Kernel kKernels[] = {
#define NORMALIZE_S8(isa, name) {Isa::isa, #name, name##_sum, name##_run},
#include "kernels/normalize_s8/kernels.inc"
#undef NORMALIZE_S8
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
