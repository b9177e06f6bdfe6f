#include "kernels/loops/loops.h"

namespace intact {

const Loops kLoopsAvx512Vnni = INTACT_LOOPS(Isa::kAvx512Vnni, "portable_avx512vnni");

}  // namespace intact
