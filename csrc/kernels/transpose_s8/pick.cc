#include "kernels/first_within.h"
#include "kernels/transpose_s8/transpose_s8.h"

namespace intact {

const TransposeKernel* pick_transpose_s8(Isa best) {
  static constexpr TransposeKernel kKernels[] = {
#define TRANSPOSE_S8(isa, name) {Isa::isa, #name, name, name##_words},
#include "kernels/transpose_s8/kernels.inc"
#undef TRANSPOSE_S8
      {},
  };
  return first_within(best, kKernels);
}

}  // namespace intact
