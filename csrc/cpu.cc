#include "cpu.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>

namespace intact {
namespace {

constexpr std::array<std::pair<Isa, std::string_view>, 3> kNames{{
    {Isa::kNone, "none"},
    {Isa::kAvx2, "avx2"},
    {Isa::kAvx512Vnni, "avx512vnni"},
}};

Isa detected() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // The builtin also asks the operating system whether it saves the wide registers.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx2 && avx512) return Isa::kAvx512Vnni;
  if (avx2) return Isa::kAvx2;
#endif
  return Isa::kNone;
}

Isa allowed() {
  const char* wanted = std::getenv("INTACT_MAX_ISA");
  if (wanted == nullptr || *wanted == '\0') return Isa::kAvx512Vnni;
  std::string known;
  for (const auto& [isa, name] : kNames) {
    if (name == wanted) return isa;
    known += known.empty() ? name : ", " + std::string(name);
  }
  throw std::invalid_argument("INTACT_MAX_ISA is \"" + std::string(wanted) + "\"; it can be " +
                              known);
}

}  // namespace

Isa best_isa() {
  static const Isa best = std::min(detected(), allowed());
  return best;
}

std::string_view isa_name(Isa isa) {
  for (const auto& [known, name] : kNames) {
    if (known == isa) return name;
  }
  return "unknown";
}

bool has_vbmi() {
#if defined(__x86_64__)
  return best_isa() == Isa::kAvx512Vnni && __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

}  // namespace intact
