// Convolutions as products of matrices; the patches of a block of pixels are packed as it is due.
#include <vector>

#include "gemm/multiply.h"
#include "kernels/requantize/table.h"
#include "ops/conv2d.h"
#include "ops/patches.h"

namespace intact {
namespace {

class GemmConv2d final : public Op {
 public:
  // `bounds` of accumulators, or none; `excess` is what was taken from each group's part of `weight`, for `pairs`; null: none is.
  GemmConv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
             std::span<const std::int32_t> bias, std::span<const std::int64_t> bounds,
             const Requant& requant, const GemmS8Kernel& kernel, const GemmPairsKernel* pairs,
             std::vector<Excess> excess)
      : spec_(spec),
        kernel_(kernel),
        layout_(kernel, spec.kernel[0] * spec.kernel[1] * spec.depth,
                spec.out_channels / spec.groups),
        pairs_(pairs),
        pairs_fit_(pairs_fit(weight)),
        packed_(layout_.bytes() * static_cast<std::size_t>(spec.groups)),
        excess_(std::move(excess)) {
    const std::size_t columns = static_cast<std::size_t>(layout_.columns());
    const std::size_t size = columns * static_cast<std::size_t>(layout_.depth());
    const std::int32_t centre =
        spec.input_zero_point + kernel.shift(spec.input == DType::kInt8);
    for (int group = 0; group < spec.groups; ++group) {
      const std::size_t first = static_cast<std::size_t>(group) * columns;
      std::vector<std::int32_t> sums =
          pack_rows(kernel, layout_, weight.subspan(first * layout_.depth(), size), packed(group));
      const Excess* apart = apart_of(group).excess;
      for (std::size_t c = 0; c < columns && apart != nullptr; ++c) {
        sums[c] += apart->sum(static_cast<int>(c));
      }
      requant_.emplace_back(requant.channels(first, columns),
                            offsets_of(bias.subspan(first, columns), centre, sums),
                            spec.output == DType::kUint8,
                            bounds.empty() ? bounds : bounds.subspan(first, columns));
    }
  }

  std::string kernel() const override { return std::string("conv2d ") + kernel_.name; }

  std::size_t packed_bytes() const override {
    std::size_t total = packed_.bytes();
    for (const RequantTable& table : requant_) total += table.bytes();
    for (const Excess& excess : excess_) total += excess.bytes();
    return total;
  }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& output, int threads) const override {
    return multiply_scratch(kernel_, layout_, output.shape.elements(0, 3), threads, has_excess(),
                            spec_.groups);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t rows = output.shape.elements(0, 3);
    const std::size_t row_bytes = packed_row_bytes(kernel_, layout_);
    multiply_groups(
        kernel_, layout_, packed_.data(), has_excess(), spec_.groups, rows, workspace,
        [&](std::int64_t group) { return apart_of(static_cast<int>(group)); },
        [&](std::int64_t group, std::int64_t first, std::int64_t count, std::byte* target, int) {
          const Patches patches(spec_, kernel_, inputs[0], output, static_cast<int>(group));
          patches.pack(first, count, row_bytes, target);
        },
        [&](GemmS8Tile& tile, std::int64_t group, int panel, std::int64_t first, int) {
          const int channel = panel * kernel_.panel;
          const RequantTable& table = requant_[static_cast<std::size_t>(group)];
          const RequantView view = table.view(static_cast<std::size_t>(channel));
          tile.pairs_fit = pairs_fit_;
          tile.requant = &view;
          tile.out = output.data + first * spec_.out_channels + group * layout_.columns() + channel;
          tile.out_stride = spec_.out_channels;
          kernel_.run(&tile);
        });
  }

 private:
  bool has_excess() const {
    return std::any_of(excess_.begin(), excess_.end(),
                       [](const Excess& excess) { return !excess.empty(); });
  }

  Apart apart_of(int group) const {
    if (excess_.empty() || excess_[static_cast<std::size_t>(group)].empty()) return {};
    return {pairs_, &excess_[static_cast<std::size_t>(group)]};
  }

  std::int8_t* packed(int group) {
    return packed_.data() + layout_.bytes() * static_cast<std::size_t>(group);
  }

  const Conv2dSpec spec_;
  const GemmS8Kernel& kernel_;
  const PanelLayout layout_;
  const GemmPairsKernel* pairs_;  // null: there is no excess
  const std::int32_t pairs_fit_;
  Buffer<std::int8_t> packed_;
  std::vector<Excess> excess_;  // of each group
  std::vector<RequantTable> requant_;
};

}  // namespace

OpPtr make_gemm_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                       std::span<const std::int32_t> bias, const Requant& requant, Isa isa) {
  const std::vector<std::int64_t> bounds = bounds_for_steps(spec, weight, bias);
  if (const GemmPairsKernel* pairs = pick_gemm_pairs(isa)) {
    std::vector<std::int8_t> rest(weight.begin(), weight.end());
    std::vector<Excess> excess;
    const std::size_t part = rest.size() / static_cast<std::size_t>(spec.groups);
    for (std::size_t begin = 0; begin < rest.size(); begin += part) {
      excess.emplace_back(spec.kernel[0] * spec.kernel[1] * spec.depth,
                          std::span(rest).subspan(begin, part));
    }
    if (std::all_of(excess.begin(), excess.end(),
                    [](const Excess& taken) { return taken.is_little(); })) {
      return std::make_shared<GemmConv2d>(spec, rest, bias, bounds, requant, pairs->product, pairs,
                                          std::move(excess));
    }
  }
  const GemmS8Kernel* kernel = pick_gemm_s8(isa);
  if (kernel == nullptr) return nullptr;
  return std::make_shared<GemmConv2d>(spec, weight, bias, bounds, requant, *kernel, nullptr,
                                      std::vector<Excess>());
}

}  // namespace intact
