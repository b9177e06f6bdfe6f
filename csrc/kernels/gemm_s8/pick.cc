#include "kernels/first_within.h"
#include "kernels/gemm_s8/gemm_pairs.h"
#include "kernels/gemm_s8/gemm_s8.h"

namespace intact {

const GemmS8Kernel* pick_gemm_s8(Isa best) {
  static constexpr GemmS8Kernel kKernels[] = {
#define GEMM_S8(isa, name, panel, granule, group, element, signed_shift, unsigned_shift) \
  {Isa::isa,     #name,          panel,       granule,           group,     element,     \
   signed_shift, unsigned_shift, name##_pack, name##_pack_panel, name##_run},
#include "kernels/gemm_s8/kernels.inc"
#undef GEMM_S8
      {},
  };
  return first_within(best, kKernels);
}

const GemmPairsKernel* pick_gemm_pairs(Isa best) {
#if defined(INTACT_X86)
  static constexpr GemmPairsKernel kAvx2{{Isa::kAvx2, "gemm_pairs_avx2", 16, 8, 4, 1, 128, 0,
                                          gemm_pairs_avx2_pack, nullptr, gemm_pairs_avx2_run},
                                         gemm_pairs_avx2_transpose,
                                         gemm_pairs_avx2_excess};
  if (best == Isa::kAvx2) return &kAvx2;
#endif
  static_cast<void>(best);
  return nullptr;
}

}  // namespace intact
