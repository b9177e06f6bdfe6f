// The extension module intact._native.
#include "bindings/bindings.h"
#include "cpu.h"

namespace nb = nanobind;

NB_MODULE(_native, m) {
  m.doc() = "The native CPU engine of intact: exact integer kernels.";
  nb::enum_<intact::Isa> isa(m, "Isa");
  for (const intact::Level& level : intact::kLevels) isa.value(level.name, level.isa);
  m.def("best_isa", &intact::best_isa);
  intact::bind_engine(m);
  intact::bind_basic(m);
  intact::bind_codes(m);
  intact::bind_convert(m);
  intact::bind_window(m);
  intact::bind_gemm(m);
  intact::bind_layers(m);
  intact::bind_floats(m);
  intact::bind_training(m);
}
