#include "ops/floats.h"

#include <nanobind/stl/array.h>

#include "bindings/bindings.h"

namespace intact {
namespace {

using Pair = std::array<int, 2>;
template <typename T>
using Matrix = Array<T, 2>;

FloatMatrix to_matrix(const Matrix<float>& array) {
  return {array.data(), static_cast<std::int64_t>(array.shape(0)),
          static_cast<std::int64_t>(array.shape(1))};
}

void bind_products(nb::module_& m) {
  m.def("float_linear",
        [](const Matrix<float>& weight, Isa isa) { return make_linear(to_matrix(weight), isa); });
  m.def("weight_only_linear", [](const Matrix<std::int8_t>& codes, int bits,
                                 const Matrix<float>& scales, Isa isa) {
    if (codes.shape(0) != scales.shape(0)) {
      throw std::invalid_argument("codes and scales must have the same rows");
    }
    return make_weight_only_linear(codes.data(), bits, static_cast<std::int64_t>(codes.shape(1)),
                                   to_matrix(scales), isa);
  });
  m.def("float_matmul", &make_float_matmul);
  m.def("float_conv", [](Pair kernel, Pair stride, Pair before, Pair dilation, Pair spread,
                         int groups, const Matrix<float>& weight, Isa isa) {
    return make_float_conv({kernel, stride, before, dilation, spread, groups}, to_matrix(weight),
                           isa);
  });
  m.def("rows", &make_rows);
}

void bind_float_elements(nb::module_& m) {
  nb::enum_<Activation>(m, "Activation")
      .value("clamp", Activation::kClamp)
      .value("leaky_relu", Activation::kLeakyRelu)
      .value("hard_sigmoid", Activation::kHardSigmoid)
      .value("hard_swish", Activation::kHardSwish)
      .value("sigmoid", Activation::kSigmoid)
      .value("tanh", Activation::kTanh)
      .value("silu", Activation::kSilu)
      .value("gelu", Activation::kGelu)
      .value("gelu_tanh", Activation::kGeluTanh);
  m.def("activation", [](Activation kind, float low, float high, Isa isa) {
    return make_activation({kind, low, high}, isa);
  });
  m.def("float_add", [] { return make_float_binary(Binary::kAdd); });
  m.def("float_sub", [] { return make_float_binary(Binary::kSub); });
  m.def("float_mul", [] { return make_float_binary(Binary::kMul); });
  m.def("float_prelu", &make_float_prelu);
  m.def("channel_clamp", [](const Vector<float>& low, const Vector<float>& high) {
    return make_channel_clamp(to_vector(low), to_vector(high));
  });
  m.def("channel_affine", [](const Vector<float>& gain, const Vector<float>& shift) {
    return make_channel_affine(to_vector(gain), to_vector(shift));
  });
}

void bind_float_windows(nb::module_& m) {
  m.def("float_max_pool", [](Pair kernel, Pair stride, Pair before, Pair dilation, Isa isa) {
    return make_float_max_pool({kernel, stride, before, {0, 0}, dilation}, isa);
  });
  m.def("float_avg_pool",
        [](Pair kernel, Pair stride, Pair before, Pair after, bool count_include_pad) {
          return make_float_avg_pool({kernel, stride, before, after, {1, 1}}, count_include_pad);
        });
  m.def("float_adaptive_avg_pool", &make_float_adaptive_avg_pool);
  m.def("float_mean", &make_float_mean);
  m.def("float_resize_bilinear", &make_float_resize_bilinear);
}

}  // namespace

void bind_floats(nb::module_& m) {
  bind_products(m);
  bind_float_elements(m);
  bind_float_windows(m);
  m.def("float_softmax", &make_float_softmax);
  m.def("float_layer_norm", &make_float_layer_norm);
  m.def("float_group_norm", &make_float_group_norm);
}

}  // namespace intact
