#include "kernels/weight_only/weight_only.h"

namespace intact {

#define WEIGHT_ONLY(isa, suffix, unit4)                                     \
  void row4_##suffix(const WeightOnlyRow& row, int64_t panels);             \
  void row8_##suffix(const WeightOnlyRow& row, int64_t panels);             \
  void expand4_##suffix(const uint8_t* codes, int64_t depth, float* panel); \
  void expand8_##suffix(const uint8_t* codes, int64_t depth, float* panel);
#include "kernels/weight_only/kernels.inc"
#undef WEIGHT_ONLY

namespace {

struct Entry {
  Isa isa;
  WeightOnlyKernel kernel;
};

constexpr Entry kEntries[] = {
#define WEIGHT_ONLY(isa, suffix, unit4) \
  {Isa::isa,                            \
   {#suffix, unit4, &row4_##suffix, &row8_##suffix, &expand4_##suffix, &expand8_##suffix}},
#include "kernels/weight_only/kernels.inc"
#undef WEIGHT_ONLY
};

}  // namespace

const WeightOnlyKernel& pick_weight_only(Isa isa) {
  const Entry* entry = kEntries;
  while (entry->isa > isa) ++entry;
  return entry->kernel;
}

}  // namespace intact
