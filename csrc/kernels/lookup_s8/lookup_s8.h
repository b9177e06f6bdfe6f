// Tables of bytes by the code's bit pattern (arithmetic.md, eq. 29): out[i] = table[x[i]].
#pragma once

#include <stdint.h>

#include "cpu.h"

namespace intact {

struct LookupKernel {
  Isa isa;
  bool vbmi;  // needs has_vbmi() too
  const char* name;
  void (*run)(const uint8_t* table, const uint8_t* x, uint8_t* out, int64_t count);
};

#define LOOKUP_S8(isa, vbmi, name) \
  void name(const uint8_t* table, const uint8_t* x, uint8_t* out, int64_t count);
#include "kernels/lookup_s8/kernels.inc"
#undef LOOKUP_S8

// The best kernel up to this level; nullptr if there is none.
const LookupKernel* pick_lookup_s8(Isa best);

}  // namespace intact
