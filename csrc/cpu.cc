#include "cpu.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <string>

#if defined(INTACT_ARM64) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(INTACT_ARM64) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace intact {
namespace {

#if defined(INTACT_ARM64)
bool has_dot_products() {
#if defined(__linux__)
  constexpr unsigned long kDotProducts = 1ul << 20;  // HWCAP_ASIMDDP of the kernel's ABI
  return (getauxval(AT_HWCAP) & kDotProducts) != 0;
#elif defined(__APPLE__)
  int has = 0;
  std::size_t size = sizeof(has);
  return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, nullptr, 0) == 0 && has != 0;
#else
  return false;
#endif
}
#endif

Isa detected() {
#if defined(INTACT_X86)
  __builtin_cpu_init();
  // The builtin also asks the operating system whether it saves the wide registers.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  if (avx2 && avx512) return Isa::kAvx512Vnni;
  if (avx2) return Isa::kAvx2;
#elif defined(INTACT_ARM64)
  return has_dot_products() ? Isa::kNeonDot : Isa::kNeon;  // AArch64 has NEON
#endif
  return Isa::kNone;
}

Isa allowed() {
  const char* wanted = std::getenv("INTACT_MAX_ISA");
  if (wanted == nullptr || *wanted == '\0') return std::end(kLevels)[-1].isa;
  std::string known;
  for (const Level& level : kLevels) {
    if (std::strcmp(level.name, wanted) == 0) return level.isa;
    known += (known.empty() ? "" : ", ") + std::string(level.name);
  }
  throw std::invalid_argument("INTACT_MAX_ISA is \"" + std::string(wanted) + "\"; it can be " +
                              known);
}

}  // namespace

Isa best_isa() {
  static const Isa best = std::min(detected(), allowed());
  return best;
}

bool has_vbmi() {
#if defined(INTACT_X86)
  return best_isa() == Isa::kAvx512Vnni && __builtin_cpu_supports("avx512vbmi");
#else
  return false;
#endif
}

}  // namespace intact
