// What this CPU can run, read once.
#pragma once

#include <string_view>

namespace intact {

// Levels of kernels, each including the ones before it. The names are those of INTACT_MAX_ISA.
enum class Isa { kNone, kAvx2, kAvx512Vnni };

// The best level of this CPU, lowered by the environment variable INTACT_MAX_ISA.
// Throws std::invalid_argument if the variable names no level.
Isa best_isa();

std::string_view isa_name(Isa isa);

// True if the CPU has AVX512-VBMI (byte permutes); false below Isa::kAvx512Vnni.
bool has_vbmi();

}  // namespace intact
