#include "kernels/gemm_s8/gemm_s8.h"

namespace intact {

const GemmS8Kernel* pick_gemm_s8(Isa best) {
  static constexpr GemmS8Kernel kKernels[] = {
#define GEMM_S8(isa, name, panel, granule, group, element, shift) \
  {Isa::isa, #name, panel, granule, group, element, shift, name##_pack, name##_pack_panel, name##_run},
#include "kernels/gemm_s8/kernels.inc"
#undef GEMM_S8
      {Isa::kNone, nullptr, 0, 0, 0, 0, 0, nullptr, nullptr, nullptr},
  };
  for (const GemmS8Kernel& kernel : kKernels) {
    if (kernel.name != nullptr && kernel.isa <= best) return &kernel;
  }
  return nullptr;
}

}  // namespace intact
