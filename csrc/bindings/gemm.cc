#include "ops/gemm.h"

#include "bindings/bindings.h"
#include "ops/conv2d.h"

namespace intact {
namespace {

using Pair = std::pair<int, int>;

Conv2dSpec conv2d_spec(
    const nb::ndarray<const std::int8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>& weight,
    Pair image, Pair stride, std::pair<Pair, Pair> padding, Pair dilation, int groups,
    std::int32_t input_zero_point, DType input, DType output) {
  Conv2dSpec spec{};
  spec.out_channels = static_cast<int>(weight.shape(0));
  spec.kernel[0] = static_cast<int>(weight.shape(1));
  spec.kernel[1] = static_cast<int>(weight.shape(2));
  spec.depth = static_cast<int>(weight.shape(3));
  spec.image[0] = image.first;
  spec.image[1] = image.second;
  spec.stride[0] = stride.first;
  spec.stride[1] = stride.second;
  spec.padding[0][0] = padding.first.first;
  spec.padding[0][1] = padding.first.second;
  spec.padding[1][0] = padding.second.first;
  spec.padding[1][1] = padding.second.second;
  spec.dilation[0] = dilation.first;
  spec.dilation[1] = dilation.second;
  spec.groups = groups;
  spec.input_zero_point = input_zero_point;
  spec.input = input;
  spec.output = output;
  return spec;
}

template <typename Make>
void bind_conv2d(nb::module_& m, const char* name, Make make) {
  m.def(
      name,
      [make](
          const nb::ndarray<const std::int8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>& weight,
          const Vector<std::int32_t>& bias, Pair image, Pair stride, std::pair<Pair, Pair> padding,
          Pair dilation, int groups, std::int32_t input_zero_point, const Requant& requant,
          DType input, DType output, Isa isa) -> OpPtr {
        const Conv2dSpec spec = conv2d_spec(weight, image, stride, padding, dilation, groups,
                                            input_zero_point, input, output);
        const std::span<const std::int8_t> codes(weight.data(), weight.size());
        return make(spec, codes, to_span(bias), requant, isa);
      });
}

}  // namespace

void bind_gemm(nb::module_& m) {
  // The best kernels come first; each maker declines what is not for it.
  bind_conv2d(m, "conv2d_s8", [](const auto&... arguments) -> OpPtr {
    for (const auto make :
         {make_depthwise_conv2d, make_row_conv2d, make_winograd_conv2d, make_gemm_conv2d}) {
      if (OpPtr op = make(arguments...)) return op;
    }
    return nullptr;
  });
  // Tiles of one size, for tests.
  bind_conv2d(m, "winograd2_conv2d_s8",
              [](const auto&... arguments) { return make_winograd_conv2d_of(2, arguments...); });
  bind_conv2d(m, "winograd4_conv2d_s8",
              [](const auto&... arguments) { return make_winograd_conv2d_of(4, arguments...); });
  m.def("linear_s8",
        [](const nb::ndarray<const std::int8_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>& weight,
           const Vector<std::int32_t>& bias, std::int32_t input_zero_point, const Requant& requant,
           DType input, DType output, Isa isa) {
          return make_gemm_linear(static_cast<int>(weight.shape(1)),
                                  std::span(weight.data(), weight.size()), to_span(bias),
                                  input_zero_point, requant, input, output, isa);
        });
  m.def("matmul_s8",
        [](int depth, int columns, std::int32_t a_zero_point, std::int32_t b_zero_point,
           const Requant& requant, DType a, DType b, DType output, Isa isa) {
          const MatMulSpec spec{depth, columns, a_zero_point, b_zero_point, a, b, output};
          return make_gemm_matmul(spec, requant, isa);
        });
}

}  // namespace intact
