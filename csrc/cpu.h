// What this CPU can run, read once.
#pragma once

namespace intact {

// Levels of kernels, each including the ones before it. The names are those of INTACT_MAX_ISA.
#if defined(INTACT_X86)
enum class Isa { kNone, kAvx2, kAvx512Vnni };
#elif defined(INTACT_ARM64)
enum class Isa { kNone, kNeon, kNeonDot };  // kNeonDot: ARMv8.2 with dot products
#else
enum class Isa { kNone };
#endif

struct Level {
  Isa isa;
  const char* name;
};

// Those of this architecture, from the lowest to the highest.
inline constexpr Level kLevels[] = {
    {Isa::kNone, "none"},
#if defined(INTACT_X86)
    {Isa::kAvx2, "avx2"},
    {Isa::kAvx512Vnni, "avx512vnni"},
#elif defined(INTACT_ARM64)
    {Isa::kNeon, "neon"},
    {Isa::kNeonDot, "neondot"},
#endif
};

// The best level of this CPU, lowered by the environment variable INTACT_MAX_ISA.
// Throws std::invalid_argument if the variable names no level.
Isa best_isa();

// True if the CPU has AVX512-VBMI (byte permutes) and kernels may use all levels.
bool has_vbmi();

}  // namespace intact
