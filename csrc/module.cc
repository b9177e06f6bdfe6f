// The extension module intact._native.
#include "bindings/bindings.h"
#include "cpu.h"

namespace nb = nanobind;

NB_MODULE(_native, m) {
  m.doc() = "The native CPU engine of intact: exact integer kernels.";
  nb::enum_<intact::Isa>(m, "Isa")
      .value("none", intact::Isa::kNone)
      .value("avx2", intact::Isa::kAvx2)
      .value("avx512vnni", intact::Isa::kAvx512Vnni);
  m.def("best_isa", &intact::best_isa);
  intact::bind_engine(m);
  intact::bind_basic(m);
  intact::bind_codes(m);
  intact::bind_convert(m);
  intact::bind_window(m);
  intact::bind_gemm(m);
  intact::bind_layers(m);
  intact::bind_floats(m);
}
