#include <optional>

#include "kernels/mul_s8/scale.h"
#include "ops/pairs8.h"

namespace intact {
namespace {

PairTable table_of(const MulS8Operand& a, const MulS8Operand& b, const Requant& requant,
                   DType output) {
  return pair_table(requant, output, [&](std::size_t i, std::size_t j) {
    return (static_cast<std::int64_t>(i) - a.zero) * (static_cast<std::int64_t>(j) - b.zero);
  });
}

MulS8Operand operand(std::int32_t zero_point, const Codes8& codes) {
  return {pair_codes(codes), zero_point - lowest(codes.dtype)};
}

}  // namespace

OpPtr make_mul8(const Mul8Spec& spec, const Requant& requant, Isa isa) {
  if (!has_table(spec.a_codes, spec.b_codes, spec.output, requant)) return nullptr;
  const MulS8Kernel* kernel = pick_mul_s8(isa);
  const MulS8Operand a = operand(spec.a_zero_point, spec.a_codes);
  const MulS8Operand b = operand(spec.b_zero_point, spec.b_codes);
  PairTable table = table_of(a, b, requant, spec.output);
  std::optional<MulS8> mul;
  if (kernel != nullptr) {
    const MulS8Output output{spec.output == DType::kUint8, requant.zero_point(), requant.qmin(0),
                             requant.qmax(0), requant.multiplier(0), requant.shift(0)};
    mul = find_mul_s8(*kernel, {table.data(), table.size()}, a, b, output);
  }
  return std::make_shared<Pairs8<MulS8Kernel, MulS8>>("mul ", a.codes, b.codes, std::move(table),
                                                      kernel, mul);
}

}  // namespace intact
