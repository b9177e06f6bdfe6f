#include "kernels/first_within.h"
#include "kernels/lookup_s8/lookup_s8.h"

namespace intact {

const LookupKernel* pick_lookup_s8(Isa best) {
  static constexpr LookupKernel kKernels[] = {
#define LOOKUP_S8(isa, vbmi, name) {Isa::isa, vbmi, #name, name},
#include "kernels/lookup_s8/kernels.inc"
#undef LOOKUP_S8
      {},
  };
  return first_within(best, kKernels,
                      [](const LookupKernel& kernel) { return !kernel.vbmi || has_vbmi(); });
}

}  // namespace intact
