#include "kernels/float_math/float_math.h"

namespace intact {

const FloatMathKernel& pick_float_math(Isa best) {
  static constexpr FloatMathKernel kKernels[] = {
#define FLOAT_MATH(isa, name)                                                              \
  {Isa::isa,           #name,         name##_activate, name##_softmax, name##_standardize, \
   name##_add_product, name##_maximum},
#include "kernels/float_math/kernels.inc"
#undef FLOAT_MATH
  };
  const FloatMathKernel* kernel = kKernels;
  while (kernel->isa > best) ++kernel;
  return *kernel;
}

}  // namespace intact
