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
      {Isa::kNone, nullptr},
  };
  for (const auto& table : kTables) {
    if (table.kernels != nullptr && table.isa <= best) return &table.kernels[outputs == 4 ? 0 : 1];
  }
  return nullptr;
}

}  // namespace intact
