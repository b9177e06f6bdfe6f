#include "ops/codes8.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/tuple.h>

#include "bindings/bindings.h"

namespace intact {
namespace {

using Operand = std::array<std::int32_t, 3>;  // zero point, multiplier, shift
using Codes = std::tuple<DType, std::int32_t, std::int32_t>;

intact_operand to_operand(const Operand& operand) { return {operand[0], operand[1], operand[2]}; }

Codes8 to_codes(const Codes& codes) {
  return {std::get<0>(codes), {std::get<1>(codes), std::get<2>(codes)}};
}

}  // namespace

void bind_codes8(nb::module_& m) {
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

}  // namespace intact
