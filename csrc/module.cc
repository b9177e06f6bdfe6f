// The extension module intact._native.
#include "bindings/bindings.h"
#include "cpu.h"

NB_MODULE(_native, m) {
  m.doc() = "The native CPU engine of intact: exact integer kernels.";
  m.def("isa", [] { return std::string(intact::isa_name(intact::best_isa())); });
  intact::bind_engine(m);
  intact::bind_basic(m);
  intact::bind_codes(m);
}
