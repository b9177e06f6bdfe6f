#include <utility>
#include <vector>

#include "gemm/excess.h"
#include "gemm/multiply.h"
#include "kernels/requantize/table.h"
#include "ops/gemm.h"

namespace intact {
namespace {

class GemmLinear final : public Op {
 public:
  // `excess` is what was taken from `weight`, for `pairs`; null: there is none.
  GemmLinear(int depth, std::span<const std::int8_t> weight, std::span<const std::int32_t> bias,
             std::int32_t input_zero_point, const Requant& requant, DType input, DType output,
             const GemmS8Kernel& kernel, const GemmPairsKernel* pairs, Excess excess)
      : kernel_(kernel),
        pairs_(pairs),
        pairs_fit_(pairs_fit(weight)),
        layout_(kernel, depth, static_cast<int>(bias.size())),
        packed_(layout_.bytes()),
        excess_(std::move(excess)),
        is_signed_(input == DType::kInt8 ? 1 : 0) {
    std::vector<std::int32_t> sums = pack_rows(kernel, layout_, weight, packed_.data());
    for (std::size_t c = 0; c < sums.size() && !excess_.empty(); ++c) {
      sums[c] += excess_.sum(static_cast<int>(c));
    }
    const std::int32_t centre = input_zero_point + kernel.shift(is_signed_ != 0);
    requant_ = RequantTable(requant, offsets_of(bias, centre, sums), output == DType::kUint8);
  }

  std::string kernel() const override { return std::string("linear ") + kernel_.name; }
  std::size_t packed_bytes() const override {
    return packed_.bytes() + requant_.bytes() + excess_.bytes();
  }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& output, int threads) const override {
    return multiply_scratch(kernel_, layout_, rows_of(output), threads, !excess_.empty());
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const auto* x = inputs[0].as<const std::uint8_t>();
    const std::int64_t depth = layout_.depth(), columns = layout_.columns();
    const std::size_t row_bytes = packed_row_bytes(kernel_, layout_);
    const bool whole = row_bytes == static_cast<std::size_t>(depth * kernel_.element);
    const Apart apart = excess_.empty() ? Apart{} : Apart{pairs_, &excess_};
    multiply(
        kernel_, layout_, packed_.data(), apart, rows_of(output), workspace,
        [&](std::int64_t first, std::int64_t count, std::byte* target, int) {
          if (whole) return kernel_.pack(x + first * depth, count * depth, is_signed_, target);
          for (std::int64_t i = 0; i < count; ++i) {
            kernel_.pack(x + (first + i) * depth, depth, is_signed_,
                         target + static_cast<std::size_t>(i) * row_bytes);
          }
        },
        [&](GemmS8Tile& tile, int panel, std::int64_t first, int) {
          const int channel = panel * kernel_.panel;
          const RequantView view = requant_.view(static_cast<std::size_t>(channel));
          tile.pairs_fit = pairs_fit_;
          tile.requant = &view;
          tile.out = output.data + first * columns + channel;
          tile.out_stride = columns;
          kernel_.run(&tile);
        });
  }

 private:
  std::int64_t rows_of(const Tensor& output) const {
    return output.shape.elements(0, output.shape.rank() - 1);
  }

  const GemmS8Kernel& kernel_;
  const GemmPairsKernel* pairs_;  // null: there is no excess
  const std::int32_t pairs_fit_;
  const PanelLayout layout_;
  Buffer<std::int8_t> packed_;
  RequantTable requant_;
  Excess excess_;
  std::int32_t is_signed_;
};

}  // namespace

OpPtr make_gemm_linear(int depth, std::span<const std::int8_t> weight,
                       std::span<const std::int32_t> bias, std::int32_t input_zero_point,
                       const Requant& requant, DType input, DType output, Isa isa) {
  if (const GemmPairsKernel* pairs = pick_gemm_pairs(isa)) {
    std::vector<std::int8_t> rest(weight.begin(), weight.end());
    Excess excess(depth, rest);
    if (excess.is_little()) {
      return std::make_shared<GemmLinear>(depth, rest, bias, input_zero_point, requant, input,
                                          output, pairs->product, pairs, std::move(excess));
    }
  }
  const GemmS8Kernel* kernel = pick_gemm_s8(isa);
  if (kernel == nullptr) return nullptr;
  return std::make_shared<GemmLinear>(depth, weight, bias, input_zero_point, requant, input, output,
                                      *kernel, nullptr, Excess());
}

}  // namespace intact
