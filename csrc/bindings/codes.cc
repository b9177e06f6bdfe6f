#include "ops/codes.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/tuple.h>

#include "bindings/bindings.h"
#include "ops/codes8.h"

namespace intact {
namespace {

using Range = std::array<std::int32_t, 2>;    // lowest and highest code
using Operand = std::array<std::int32_t, 3>;  // zero point, multiplier, shift
using Codes = std::tuple<DType, std::int32_t, std::int32_t>;  // with the lowest and highest code

CodeRange to_range(const Range& range) { return {range[0], range[1]}; }

intact_operand to_operand(const Operand& operand) { return {operand[0], operand[1], operand[2]}; }

Codes8 to_codes(const Codes& codes) {
  return {std::get<0>(codes), {std::get<1>(codes), std::get<2>(codes)}};
}

void bind_elementwise(nb::module_& m) {
  m.def("sum_codes", [](const Operand& a, const Operand& b, std::int32_t left_shift, bool subtract,
                        const Requant& requant, Isa isa) {
    return make_sum(to_operand(a), to_operand(b), left_shift, subtract, requant, isa);
  });
  m.def("mul", &make_mul);
  m.def("prelu", &make_prelu);
  m.def("interpolated_lookup", [](const Vector<std::int32_t>& table, std::int32_t bits,
                                  const Range& input, const Range& output, Isa isa) {
    return make_interpolated_lookup(to_vector(table), bits, to_range(input), to_range(output),
                                    isa);
  });
}

void bind_pairs8(nb::module_& m) {
  m.def("sum_s8", [](const Operand& a, const Operand& b, std::int32_t left_shift, bool subtract,
                     const Codes& a_codes, const Codes& b_codes, DType output,
                     const Requant& requant, Isa isa) {
    const Sum8Spec spec{to_operand(a),     to_operand(b),     left_shift, subtract,
                        to_codes(a_codes), to_codes(b_codes), output};
    return make_sum8(spec, requant, isa);
  });
  m.def("mul_s8", [](std::int32_t a_zero_point, std::int32_t b_zero_point, const Codes& a_codes,
                     const Codes& b_codes, DType output, const Requant& requant, Isa isa) {
    const Mul8Spec spec{a_zero_point, b_zero_point, to_codes(a_codes), to_codes(b_codes), output};
    return make_mul8(spec, requant, isa);
  });
}

void bind_normalizations(nb::module_& m) {
  m.def("softmax", [](std::int32_t multiplier, std::int32_t shift, std::int32_t diff_min,
                      std::int32_t bits, const Range& output, Isa isa) {
    return make_softmax(multiplier, shift, diff_min, bits, to_range(output), isa);
  });
  m.def("softmax16",
        [](std::int32_t multiplier, std::int32_t shift, const Vector<std::int32_t>& exp_table,
           const Vector<std::int32_t>& reciprocal_table, std::int32_t bits) {
          return make_softmax16(multiplier, shift, to_vector(exp_table),
                                to_vector(reciprocal_table), bits);
        });
  nb::class_<Normalization>(m, "Normalization")
      .def("__init__",
           [](Normalization* self, std::int64_t epsilon, const Vector<std::int8_t>& gain_sign,
              const Requant& gain, const Vector<std::int32_t>& beta, std::int32_t zero_point,
              const Range& output) {
             new (self) Normalization{epsilon,         to_vector(gain_sign), gain,
                                      to_vector(beta), zero_point,           to_range(output)};
           });
  m.def("layer_norm", &make_layer_norm);
  m.def("group_norm", &make_group_norm);
}

void bind_pooling(nb::module_& m) {
  m.def("max_pool2d", &make_max_pool2d);
  m.def("avg_pool2d", &make_avg_pool2d);
  m.def("adaptive_avg_pool2d", &make_adaptive_avg_pool2d);
  m.def("mean", &make_mean);
  m.def("resize_nearest2d", &make_resize_nearest2d, nb::arg("channels_first"));
  m.def("resize_bilinear2d", &make_resize_bilinear2d);
}

void bind_movements(nb::module_& m) {
  nb::enum_<intact_pad_mode>(m, "PadMode")
      .value("constant", INTACT_PAD_CONSTANT)
      .value("reflect", INTACT_PAD_REFLECT)
      .value("replicate", INTACT_PAD_REPLICATE)
      .value("circular", INTACT_PAD_CIRCULAR);
  m.def("permute", &make_permute);
  m.def("slice_axis", &make_slice);
  m.def("expand", &make_expand);
  m.def("pad", [](std::vector<std::int32_t> before, intact_pad_mode mode,
                  const Vector<std::uint8_t>& value) {
    return make_pad(std::move(before), mode, to_vector(value));
  });
  m.def("concat", &make_concat);
}

}  // namespace

void bind_codes(nb::module_& m) {
  bind_elementwise(m);
  bind_pairs8(m);
  bind_normalizations(m);
  bind_pooling(m);
  bind_movements(m);
}

}  // namespace intact
