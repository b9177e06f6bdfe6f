#include "ops/layers.h"

#include "bindings/bindings.h"
#include "bindings/window.h"
#include "ops/codes16.h"

namespace intact {
namespace {

Integers integers(const AnyArray& array) {
  return {dtype_of(array.dtype()),
          std::span(static_cast<const std::byte*>(array.data()), array.nbytes())};
}

RealChannels real_channels(const Vector<float>& weight_scale, const Vector<float>& bias,
                           int channels) {
  const auto count = static_cast<std::size_t>(channels);
  if (weight_scale.size() != count || bias.size() != count) {
    throw std::invalid_argument("a scale and a bias for each output channel");
  }
  return {to_span(weight_scale), to_span(bias)};
}

void bind_convolutions(nb::module_& m) {
  const auto bind = [&m](const char* name, auto make) {
    m.def(name, [make](const Window& window, std::int32_t zero_point, DType input, DType output,
                       const AnyArray& weight, const AnyArray& bias, const Requant& requant) {
      return make(conv2d_spec(window, zero_point, input, output, weight), integers(weight),
                  integers(bias), requant);
    });
  };
  bind("conv2d", make_portable_conv2d);
  bind("conv_transpose2d", make_conv_transpose2d);
  m.def("conv2d_16", [](const Window& window, const Array<std::int8_t, 4>& weight,
                        const Vector<std::int64_t>& bias, const Requant& requant, Isa isa) {
    const Conv2dSpec spec = conv2d_spec(window, 0, DType::kInt16, DType::kInt16, AnyArray(weight));
    return make_conv2d_16(spec, std::span(weight.data(), weight.size()), to_span(bias), requant,
                          isa);
  });
  m.def("dynamic_conv2d",
        [](const Window& window, int bits, const AnyArray& weight,
           const Vector<float>& weight_scale, const Vector<float>& bias, Isa isa) {
          const Conv2dSpec spec = conv2d_spec(window, 0, DType::kFloat32, DType::kFloat32, weight);
          const RealChannels channels = real_channels(weight_scale, bias, spec.out_channels);
          OpPtr op = make_dynamic_conv2d8(spec, bits, integers(weight), channels, isa);
          return op ? op : make_dynamic_conv2d(spec, bits, integers(weight), channels);
        });
}

}  // namespace

void bind_layers(nb::module_& m) {
  bind_convolutions(m);
  m.def("linear", [](std::int32_t zero_point, DType input, DType output, const AnyArray& weight,
                     const AnyArray& bias, const Requant& requant) {
    const LinearSpec spec{size(weight, 1), size(weight, 0), zero_point, input, output};
    return make_portable_linear(spec, integers(weight), integers(bias), requant);
  });
  m.def("matmul", &make_portable_matmul);
  m.def("embedding", [](const AnyArray& weight, const Requant& requant) {
    return make_embedding(size(weight, 0), size(weight, 1), integers(weight), requant);
  });
  m.def("dynamic_linear", [](int bits, const AnyArray& weight, const Vector<float>& weight_scale,
                             const Vector<float>& bias, Isa isa) {
    const int inputs = size(weight, 1), outputs = size(weight, 0);
    const RealChannels channels = real_channels(weight_scale, bias, outputs);
    OpPtr op = make_dynamic_linear8(inputs, bits, integers(weight), channels, isa);
    return op ? op : make_dynamic_linear(inputs, outputs, bits, integers(weight), channels);
  });
}

}  // namespace intact
