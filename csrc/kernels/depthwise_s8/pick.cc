#include "kernels/depthwise_s8/depthwise_s8.h"

namespace intact {

const DepthwiseKernel* pick_depthwise_s8(Isa best, const int (&kernel)[2], int stride,
                                         int dilation) {
  static constexpr DepthwiseKernel kKernels[] = {
#define DEPTHWISE_S8(isa, name, rows, columns, stride, panel, group, shift, order, bytes) \
  {Isa::isa, #name, {rows, columns},       stride, panel,                                 \
   group,    shift, DepthwiseOrder::order, bytes,  name},
#include "kernels/depthwise_s8/kernels.inc"
#undef DEPTHWISE_S8
    {Isa::kNone, nullptr, {0, 0}, 0, 0, 0, 0, DepthwiseOrder::kColumns, 0, nullptr},
  };
  for (const DepthwiseKernel& candidate : kKernels) {
    const auto is = [](int wanted, int size) { return wanted == 0 || wanted == size; };
    if (candidate.name != nullptr && candidate.isa <= best && is(candidate.kernel[0], kernel[0]) &&
        is(candidate.kernel[1], kernel[1]) && is(candidate.stride, stride) &&
        (candidate.stride == 0 || dilation == 1)) {
      return &candidate;
    }
  }
  return nullptr;
}

}  // namespace intact
