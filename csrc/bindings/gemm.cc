#include "ops/gemm.h"

#include <array>

#include "bindings/bindings.h"
#include "bindings/window.h"

namespace intact {
namespace {

using Pair = std::array<int, 2>;

template <typename Make>
void bind_conv2d(nb::module_& m, const char* name, Make make) {
  m.def(name,
        [make](const Window& window, const Pair& image, std::int32_t zero_point, DType input,
               DType output, const Array<std::int8_t, 4>& weight, const Vector<std::int32_t>& bias,
               const Requant& requant, Isa isa) -> OpPtr {
          Conv2dSpec spec = conv2d_spec(window, zero_point, input, output, AnyArray(weight));
          spec.image[0] = image[0];
          spec.image[1] = image[1];
          return make(spec, std::span(weight.data(), weight.size()), to_span(bias), requant, isa);
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
        [](std::int32_t zero_point, DType input, DType output, const Array<std::int8_t, 2>& weight,
           const Vector<std::int32_t>& bias, const Requant& requant, Isa isa) {
          return make_gemm_linear(static_cast<int>(weight.shape(1)),
                                  std::span(weight.data(), weight.size()), to_span(bias),
                                  zero_point, requant, input, output, isa);
        });
  m.def("matmul_s8",
        [](int depth, int columns, std::int32_t a_zero_point, std::int32_t b_zero_point,
           const Requant& requant, DType a, DType b, DType output, Isa isa) {
          const MatMulSpec spec{depth, columns, a_zero_point, b_zero_point, a, b, output};
          return make_gemm_matmul(spec, requant, isa);
        });
}

}  // namespace intact
