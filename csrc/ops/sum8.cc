#include <cmath>
#include <optional>
#include <string>

#include "core/buffer.h"
#include "kernels/sum_s8/plane.h"
#include "ops/broadcast.h"
#include "ops/codes8.h"

namespace intact {
namespace {

constexpr std::int64_t kGrain8 = 1 << 15;  // elements worth handing to another thread
constexpr std::int32_t kCodes = 256;

using Table = Buffer<std::uint8_t>;

std::uint8_t flip(DType dtype) { return dtype == DType::kInt8 ? 0x80 : 0; }

std::int32_t lowest(DType dtype) { return dtype == DType::kInt8 ? INT8_MIN : 0; }

// The codes of all pairs: that of (a', b') at 256 a' + b', where a', b' count from the lowest.
Table pairs(const Sum8Spec& spec, const Requant& requant) {
  std::int32_t a[kCodes], b[kCodes];
  for (int i = 0; i < kCodes; ++i) {
    a[i] = i + lowest(spec.a_codes.dtype);
    b[i] = i + lowest(spec.b_codes.dtype);
  }
  intact_rescale_block(a, kCodes, &spec.a, spec.left_shift);
  intact_rescale_block(b, kCodes, &spec.b, spec.left_shift);
  const intact_requant numbers = requant.view();
  const std::int64_t sign = spec.subtract ? -1 : 1;
  Table table(kCodes * kCodes);
  for (std::size_t at = 0; at < table.size(); at += INTACT_BLOCK) {
    std::int64_t acc[INTACT_BLOCK];
    for (std::size_t i = 0; i < INTACT_BLOCK; ++i) {
      acc[i] = a[at / kCodes] + sign * b[at % kCodes + i];
    }
    intact_requantize_block(acc, INTACT_BLOCK, &numbers, table.data(), portable_type(spec.output),
                            at);
  }
  return table;
}

SumS8Operand operand(const intact_operand& numbers, const Codes8& codes, double scale) {
  const std::int32_t low = lowest(codes.dtype);
  return {codes.dtype == DType::kInt8, codes.range.qmin - low, codes.range.qmax - low,
          numbers.zero_point - low, std::ldexp(numbers.multiplier, numbers.shift - 31) * scale};
}

std::optional<SumS8> find_sum(const SumS8Kernel& kernel, const Table& table, const Sum8Spec& spec,
                              const Requant& requant) {
  const double scale = std::ldexp(requant.multiplier(0), requant.shift(0) - 31 + spec.left_shift);
  const SumS8Output output{spec.output == DType::kUint8, requant.zero_point(), requant.qmin(0),
                           requant.qmax(0)};
  return find_sum_s8(kernel, {table.data(), table.size()}, operand(spec.a, spec.a_codes, scale),
                     operand(spec.b, spec.b_codes, spec.subtract ? -scale : scale), output);
}

// A weighted sum in vectors, or a table of all pairs.
class Sum8 final : public Op {
 public:
  Sum8(const Sum8Spec& spec, const Requant& requant, Isa isa)
      : name_(spec.subtract ? "sub " : "add "),
        a_flip_(flip(spec.a_codes.dtype)),
        b_flip_(flip(spec.b_codes.dtype)),
        table_(pairs(spec, requant)),
        kernel_(pick_sum_s8(isa)) {
    if (kernel_ != nullptr) sum_ = find_sum(*kernel_, table_, spec, requant);
    if (sum_) table_ = Table();
  }

  std::string kernel() const override { return name_ + (sum_ ? kernel_->name : "table"); }
  std::size_t packed_bytes() const override { return table_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const auto* a = inputs[0].as<const std::uint8_t>();
    const auto* b = inputs[1].as<const std::uint8_t>();
    auto* out = output.as<std::uint8_t>();
    const intact_grid grid = broadcast(inputs[0], inputs[1]);
    const auto a_step = static_cast<std::int32_t>(grid.stride[0][grid.rank - 1]);
    const auto b_step = static_cast<std::int32_t>(grid.stride[1][grid.rank - 1]);
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain8, [&](std::int64_t begin, std::int64_t end, int) {
          for_rows(grid, begin, end,
                   [&](std::int64_t i, std::int64_t j, std::int64_t at, std::int64_t count) {
                     row({a + i, b + j, out + at, count, a_step, b_step});
                   });
        });
  }

 private:
  void row(const SumS8Row& row) const {
    if (sum_) return kernel_->run(&*sum_, &row);
    const std::uint8_t *a = row.a, *b = row.b, *table = table_.data();
    for (std::int64_t i = 0; i < row.count; ++i, a += row.a_step, b += row.b_step) {
      row.out[i] = table[(*a ^ a_flip_) << 8 | (*b ^ b_flip_)];
    }
  }

  std::string name_;
  std::uint8_t a_flip_, b_flip_;
  Table table_;
  const SumS8Kernel* kernel_;
  std::optional<SumS8> sum_;
};

bool is_byte(DType dtype) { return dtype == DType::kInt8 || dtype == DType::kUint8; }

}  // namespace

OpPtr make_sum8(const Sum8Spec& spec, const Requant& requant, Isa isa) {
  const intact_requant numbers = requant.view();
  if (!is_byte(spec.a_codes.dtype) || !is_byte(spec.b_codes.dtype) || !is_byte(spec.output) ||
      numbers.channels != 1 || numbers.clamps != 1) {
    return nullptr;
  }
  return std::make_shared<Sum8>(spec, requant, isa);
}

}  // namespace intact
