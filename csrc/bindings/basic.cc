#include "bindings/bindings.h"
#include "core/requant.h"
#include "ops/ops.h"

namespace intact {

void bind_basic(nb::module_& m) {
  nb::class_<Requant>(m, "Requant")
      .def("__init__",
           [](Requant* self, const Vector<std::int32_t>& multiplier,
              const Vector<std::int32_t>& shift, std::int32_t zero_point,
              const Vector<std::int32_t>& qmin, const Vector<std::int32_t>& qmax, bool wide) {
             new (self) Requant(to_vector(multiplier), to_vector(shift), zero_point,
                                to_vector(qmin), to_vector(qmax), wide);
           });
  m.def("copy", &make_copy);
  m.def("lookup", [](std::int32_t low, const Vector<std::int32_t>& table, DType output, Isa isa) {
    return make_lookup(low, to_span(table), output, isa);
  });
}

}  // namespace intact
