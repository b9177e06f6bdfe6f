#include "ops/floats.h"

#include "bindings/bindings.h"

namespace intact {
namespace {

template <typename T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

FloatMatrix to_matrix(const Matrix<float>& array) {
  return {array.data(), static_cast<std::int64_t>(array.shape(0)),
          static_cast<std::int64_t>(array.shape(1))};
}

}  // namespace

void bind_floats(nb::module_& m) {
  m.def("float_linear", [](const Matrix<float>& weight, Isa isa) {
    return make_linear(to_matrix(weight), isa);
  });
  m.def("weight_only_linear",
        [](const Matrix<std::int8_t>& codes, int bits, const Matrix<float>& scales, Isa isa) {
          if (codes.shape(0) != scales.shape(0)) {
            throw std::invalid_argument("codes and scales must have the same rows");
          }
          return make_weight_only_linear(codes.data(), bits,
                                         static_cast<std::int64_t>(codes.shape(1)),
                                         to_matrix(scales), isa);
        });
}

}  // namespace intact
