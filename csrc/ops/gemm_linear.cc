#include <utility>
#include <vector>

#include "gemm/excess.h"
#include "gemm/multiply.h"
#include "kernels/requantize/table.h"
#include "ops/gemm.h"

namespace intact {
namespace {

// Excess beyond this many weights in each costs more than three instructions instead of four gain.
constexpr std::size_t kWeightsPerExcess = 40;

class GemmLinear final : public Op {
 public:
  // `weight` without `excess`, which the kernels of `pairs` multiply; null: there is none.
  GemmLinear(int depth, std::span<const std::int8_t> weight, std::span<const std::int32_t> bias,
             std::int32_t input_zero_point, const Requant& requant, DType input, DType output,
             const GemmS8Kernel& kernel, const GemmPairsKernel* pairs, Excess excess)
      : kernel_(kernel),
        pairs_(excess.empty() ? nullptr : pairs),
        layout_(kernel, depth, static_cast<int>(bias.size())),
        packed_(layout_.bytes()),
        excess_(std::move(excess)),
        is_signed_(input == DType::kInt8 ? 1 : 0) {
    std::vector<std::int32_t> sums = pack_rows(kernel, layout_, weight, packed_.data());
    const std::uint32_t centre =
        static_cast<std::uint32_t>(input_zero_point + (is_signed_ != 0 ? kernel.shift : 0));
    // Modulo 2^32: the accumulator and its offset may wrap, their sum does not.
    std::vector<std::int32_t> offset(bias.size());
    for (std::size_t c = 0; c < bias.size(); ++c) {
      if (pairs_ != nullptr) sums[c] += excess_.sum(static_cast<int>(c));
      offset[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(bias[c]) -
                                            centre * static_cast<std::uint32_t>(sums[c]));
    }
    requant_ = RequantTable(requant, offset, output == DType::kUint8);
  }

  std::string kernel() const override { return std::string("linear ") + kernel_.name; }
  std::size_t packed_bytes() const override {
    return packed_.bytes() + requant_.bytes() + excess_.bytes();
  }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& output, int threads) const override {
    return multiply_scratch(kernel_, layout_, rows_of(output), threads) +
           excess_scratch(rows_of(output), threads).bytes() * static_cast<std::size_t>(threads);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const auto* x = inputs[0].as<const std::uint8_t>();
    const std::int64_t depth = layout_.depth(), columns = layout_.columns();
    const std::int64_t all_rows = rows_of(output);
    const std::size_t row_bytes = packed_row_bytes(kernel_, layout_);
    const bool whole = row_bytes == static_cast<std::size_t>(depth * kernel_.element);
    const int threads = workspace.pool.size();
    ExcessScratch excess = excess_scratch(all_rows, threads);
    excess.begin =
        workspace.scratch + multiply_scratch(kernel_, layout_, all_rows, threads);
    multiply(
        kernel_, layout_, packed_.data(), all_rows, workspace,
        [&](std::int64_t first, std::int64_t count, std::byte* target, int worker) {
          if (whole) {
            kernel_.pack(x + first * depth, count * depth, is_signed_, target);
          } else {
            for (std::int64_t i = 0; i < count; ++i) {
              kernel_.pack(x + (first + i) * depth, depth, is_signed_,
                           target + static_cast<std::size_t>(i) * row_bytes);
            }
          }
          if (pairs_ != nullptr) {
            pairs_->transpose(reinterpret_cast<const std::uint8_t*>(target),
                              static_cast<std::int64_t>(row_bytes),
                              static_cast<std::int32_t>(count), layout_.depth(),
                              excess.codes(worker), excess.rows);
          }
        },
        [&](GemmS8Tile& tile, int panel, std::int64_t first, int worker) {
          const int channel = panel * kernel_.panel;
          const RequantView view = requant_.view(static_cast<std::size_t>(channel));
          tile.requant = &view;
          tile.out = output.data + first * columns + channel;
          tile.out_stride = columns;
          if (pairs_ != nullptr) {
            tile.start = excess.start(worker);
            pairs_->excess(excess.codes(worker), excess.rows, tile.rows, excess_.pairs(),
                           excess_.begin(channel), tile.columns, excess.start(worker));
          }
          kernel_.run(&tile);
        });
  }

 private:
  // Each worker's packed rows once more, by column, and the accumulators of a panel.
  struct ExcessScratch {
    std::byte* begin;
    std::int64_t rows;  // of a block, a multiple of 16
    std::int64_t depth;

    std::size_t bytes() const { return align_up(static_cast<std::size_t>(rows * (depth + 64))); }
    std::uint8_t* codes(int worker) const {
      return reinterpret_cast<std::uint8_t*>(begin + bytes() * static_cast<std::size_t>(worker));
    }
    std::int32_t* start(int worker) const {
      return reinterpret_cast<std::int32_t*>(codes(worker) + rows * depth);
    }
  };

  ExcessScratch excess_scratch(std::int64_t rows, int threads) const {
    if (pairs_ == nullptr) return {nullptr, 0, 0};
    const Blocking blocking(layout_, rows, packed_row_bytes(kernel_, layout_), threads);
    const auto up = [](std::int64_t size) { return (size + 15) / 16 * 16; };
    return {nullptr, up(blocking.rows), up(layout_.depth())};
  }

  std::int64_t rows_of(const Tensor& output) const {
    return output.shape.elements(0, output.shape.rank() - 1);
  }

  const GemmS8Kernel& kernel_;
  const GemmPairsKernel* pairs_;  // null: no excess
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
    if (excess.size() * kWeightsPerExcess <= rest.size()) {
      return std::make_shared<GemmLinear>(depth, rest, bias, input_zero_point, requant, input,
                                          output, pairs->product, pairs, std::move(excess));
    }
  }
  const GemmS8Kernel* kernel = pick_gemm_s8(isa);
  if (kernel == nullptr) return nullptr;
  return std::make_shared<GemmLinear>(depth, weight, bias, input_zero_point, requant, input,
                                      output, *kernel, nullptr, Excess());
}

}  // namespace intact
