#include "kernels/first_within.h"
#include "kernels/sum_s8/sum_s8.h"

namespace intact {

const SumS8Kernel* pick_sum_s8(Isa best) {
  static constexpr SumS8Kernel kKernels[] = {
#define SUM_S8(isa, name) {Isa::isa, #name, name},
#include "kernels/sum_s8/kernels.inc"
#undef SUM_S8
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
