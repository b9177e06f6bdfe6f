#include "kernels/loops/loops.h"

namespace intact {

const Loops kLoopsAvx2 = INTACT_LOOPS(Isa::kAvx2, "portable_avx2");

}  // namespace intact
