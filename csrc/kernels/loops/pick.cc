#include <initializer_list>

#include "kernels/loops/loops.h"

namespace intact {
namespace {

const Loops kPortable = INTACT_LOOPS(Isa::kNone, "portable");

}  // namespace

const Loops& pick_loops(Isa best) {
#if defined(INTACT_X86)
  for (const Loops* loops : {&kLoopsAvx512Vnni, &kLoopsAvx2}) {
    if (loops->isa <= best) return *loops;
  }
#endif
  static_cast<void>(best);
  return kPortable;
}

}  // namespace intact
