#include "kernels/depthwise_s8/depthwise_s8.h"
#include "kernels/first_within.h"

namespace intact {

const DepthwiseKernel* pick_depthwise_s8(Isa best, const int (&kernel)[2], int stride,
                                         int dilation) {
  static constexpr DepthwiseKernel kKernels[] = {
#define DEPTHWISE_S8(isa, name, rows, columns, stride, panel, group, tap, signed_shift, \
                     unsigned_shift, order, bytes)                                      \
  {Isa::isa,     #name,          {rows, columns},       stride, panel, group, tap,      \
   signed_shift, unsigned_shift, DepthwiseOrder::order, bytes,  name},
#include "kernels/depthwise_s8/kernels.inc"
#undef DEPTHWISE_S8
      {},
  };
  return first_within(best, kKernels, [&](const DepthwiseKernel& candidate) {
    const auto is = [](int wanted, int size) { return wanted == 0 || wanted == size; };
    return is(candidate.kernel[0], kernel[0]) && is(candidate.kernel[1], kernel[1]) &&
           is(candidate.stride, stride) && (candidate.stride == 0 || dilation == 1);
  });
}

}  // namespace intact
