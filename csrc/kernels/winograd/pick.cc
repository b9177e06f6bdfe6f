#include "kernels/first_within.h"
#include "kernels/winograd/winograd.h"

namespace intact {

const WinogradKernel* pick_winograd(Isa best, int outputs) {
  static constexpr struct {
    Isa isa;
    const WinogradKernel* kernels;
  } kTables[] = {
#define WINOGRAD(isa, table) {Isa::isa, table},
#include "kernels/winograd/kernels.inc"
#undef WINOGRAD
      {},
  };
  const auto* table = first_within(best, kTables);
  return table == nullptr ? nullptr : &table->kernels[outputs == 4 ? 0 : 1];
}

}  // namespace intact
