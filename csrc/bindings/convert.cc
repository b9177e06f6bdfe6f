#include "ops/convert.h"

#include "bindings/bindings.h"

namespace intact {

void bind_convert(nb::module_& m) {
  m.def("quantize", [](const Vector<float>& scale, const Vector<std::int32_t>& zero_point,
                       int inner_axes, std::int32_t qmin, std::int32_t qmax, Isa isa) {
    return make_quantize({to_span(scale), to_span(zero_point), inner_axes}, qmin, qmax, isa);
  });
  m.def("dequantize", [](const Vector<float>& scale, const Vector<std::int32_t>& zero_point,
                         int inner_axes, Isa isa) {
    return make_dequantize({to_span(scale), to_span(zero_point), inner_axes}, isa);
  });
  m.def("requantize", &make_requantize);
}

}  // namespace intact
