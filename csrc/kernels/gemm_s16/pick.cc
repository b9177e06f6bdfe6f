#include "kernels/first_within.h"
#include "kernels/gemm_s16/gemm_s16.h"

namespace intact {

const GemmS16Kernel* pick_gemm_s16(Isa best) {
  static constexpr GemmS16Kernel kKernels[] = {
#define GEMM_S16(isa, function, lanes, width) {Isa::isa, lanes, width, function},
#include "kernels/gemm_s16/kernels.inc"
#undef GEMM_S16
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
