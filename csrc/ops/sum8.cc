#include <cmath>
#include <optional>

#include "kernels/sum_s8/plane.h"
#include "ops/pairs8.h"

namespace intact {
namespace {

PairTable table_of(const Sum8Spec& spec, const Requant& requant) {
  std::int32_t a[kPairCodes], b[kPairCodes];
  for (int i = 0; i < kPairCodes; ++i) {
    a[i] = i + lowest(spec.a_codes.dtype);
    b[i] = i + lowest(spec.b_codes.dtype);
  }
  intact_rescale_block(a, kPairCodes, &spec.a, spec.left_shift);
  intact_rescale_block(b, kPairCodes, &spec.b, spec.left_shift);
  const std::int64_t sign = spec.subtract ? -1 : 1;
  return pair_table(requant, spec.output, [&](std::size_t i, std::size_t j) {
    return a[i] + sign * b[j];
  });
}

SumS8Operand operand(const intact_operand& numbers, const Codes8& codes, double scale) {
  return {pair_codes(codes), numbers.zero_point - lowest(codes.dtype),
          std::ldexp(numbers.multiplier, numbers.shift - 31) * scale};
}

std::optional<SumS8> find_sum(const SumS8Kernel* kernel, const PairTable& table,
                              const Sum8Spec& spec, const Requant& requant) {
  if (kernel == nullptr) return std::nullopt;
  const double scale = std::ldexp(requant.multiplier(0), requant.shift(0) - 31 + spec.left_shift);
  const SumS8Output output{spec.output == DType::kUint8, requant.zero_point(), requant.qmin(0),
                           requant.qmax(0)};
  return find_sum_s8(*kernel, {table.data(), table.size()}, operand(spec.a, spec.a_codes, scale),
                     operand(spec.b, spec.b_codes, spec.subtract ? -scale : scale), output);
}

}  // namespace

OpPtr make_sum8(const Sum8Spec& spec, const Requant& requant, Isa isa) {
  if (!has_table(spec.a_codes, spec.b_codes, spec.output, requant)) return nullptr;
  const SumS8Kernel* kernel = pick_sum_s8(isa);
  PairTable table = table_of(spec, requant);
  const std::optional<SumS8> sum = find_sum(kernel, table, spec, requant);
  return std::make_shared<Pairs8<SumS8Kernel, SumS8>>(
      spec.subtract ? "sub " : "add ", pair_codes(spec.a_codes), pair_codes(spec.b_codes),
      std::move(table), kernel, sum);
}

}  // namespace intact
