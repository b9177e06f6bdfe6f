// Convolutions of 3x3 by minimal filtering: kernels/winograd/winograd.h says why it is exact.
#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/requantize/table.h"
#include "ops/conv2d.h"
#include "winograd/cost.h"
#include "winograd/tiling.h"
#include "winograd/weights.h"

namespace intact {
namespace {

// The least and the greatest x - zero_point.
std::int32_t lowest(const Conv2dSpec& spec) {
  return (spec.input == DType::kInt8 ? -128 : 0) - spec.input_zero_point;
}
std::int32_t highest(const Conv2dSpec& spec) { return lowest(spec) + 255; }

class WinogradConv2d final : public Op {
 public:
  WinogradConv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                 std::span<const std::int32_t> bias, const Requant& requant,
                 const WinogradKernel& kernel, const GemmS16Kernel& gemm)
      : spec_(spec),
        kernel_(kernel),
        gemm_(gemm),
        positions_((kernel.outputs + 2) * (kernel.outputs + 2)),
        row_(align_up(static_cast<std::size_t>(spec.depth), kWinogradChannels)),
        weights_(gemm, kernel.outputs, spec.depth, spec.out_channels, weight),
        center_(align_up(bias.size(), WinogradWeights::kGroup)),
        zeros_(row_) {
    const std::uint32_t scale = kernel.outputs == 4 ? 36 : 4;
    const std::size_t taps = static_cast<std::size_t>(9 * spec.depth);
    std::vector<std::int32_t> offset(bias.size());
    for (std::size_t c = 0; c < bias.size(); ++c) {
      const std::int64_t center =
          sum_range(weight.subspan(c * taps, taps), lowest(spec), highest(spec)).center;
      // Modulo 2^32: only the accumulator with its bias is in int32.
      center_[c] = static_cast<std::int32_t>(scale * static_cast<std::uint32_t>(center));
      offset[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(bias[c]) +
                                            static_cast<std::uint32_t>(center));
    }
    requant_ = RequantTable(requant, offset, spec.output == DType::kUint8);
    std::memset(zeros_.data(), spec.input_zero_point, row_);
  }

  std::string kernel() const override { return std::string("conv2d ") + kernel_.name; }

  std::size_t packed_bytes() const override {
    return weights_.bytes() + requant_.bytes() + center_.bytes() + zeros_.bytes();
  }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& output, int threads) const override {
    return Layout(*this, TileGrid(kernel_.outputs, output), threads).bytes;
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const TileGrid grid(kernel_.outputs, output);
    const int threads = workspace.pool.size();
    const Layout layout(*this, grid, threads);
    if (layout.blocks.shared) {
      run_shared(inputs[0], output, grid, layout, workspace);
      return;
    }
    workspace.pool.parallel_for(layout.blocks.blocks, [&](std::int64_t block, int worker) {
      const std::int64_t first = block * layout.blocks.tiles;
      const std::int64_t end = std::min(first + layout.blocks.tiles, grid.count);
      const Scratch scratch = layout.scratch(workspace.scratch, worker);
      transform(inputs[0], grid, first, first, end, layout, scratch.inputs);
      for (int group = 0; group < weights_.groups(); ++group) {
        multiply(output, grid, first, end, group, layout, scratch.inputs, scratch);
      }
    });
  }

 private:
  struct Scratch {
    std::int16_t* inputs;  // transformed: [position][tile][channel]
    std::int32_t* sums;    // of products: [position][tile][channel of a group]
    WinogradTile* tiles;
  };

  // Where things lie in scratch memory.
  struct Layout {
    TileBlocks blocks;
    std::ptrdiff_t input_stride;  // from position to position
    std::ptrdiff_t sum_stride;
    std::size_t inputs, sums, own, bytes;

    Layout(const WinogradConv2d& op, const TileGrid& grid, int threads)
        : blocks(grid, op.tile_bytes(), threads) {
      const auto tiles = static_cast<std::size_t>(blocks.tiles);
      const auto positions = static_cast<std::size_t>(op.positions_);
      input_stride = spread_stride(tiles * op.row_, sizeof(std::int16_t));
      sum_stride = spread_stride(tiles * WinogradWeights::kGroup, sizeof(std::int32_t));
      inputs = static_cast<std::size_t>(input_stride) * positions * sizeof(std::int16_t);
      sums = static_cast<std::size_t>(sum_stride) * positions * sizeof(std::int32_t);
      own = inputs + sums + align_up(tiles * sizeof(WinogradTile));
      bytes = own * static_cast<std::size_t>(threads);
    }
    Scratch scratch(std::byte* memory, int worker) const {
      memory += own * static_cast<std::size_t>(worker);
      return {reinterpret_cast<std::int16_t*>(memory),
              reinterpret_cast<std::int32_t*>(memory + inputs),
              reinterpret_cast<WinogradTile*>(memory + inputs + sums)};
    }
  };

  std::size_t tile_bytes() const {
    return static_cast<std::size_t>(positions_) *
           (row_ * sizeof(std::int16_t) + WinogradWeights::kGroup * sizeof(std::int32_t));
  }

  void run_shared(const Tensor& x, const Tensor& output, const TileGrid& grid, const Layout& layout,
                  Workspace& workspace) const {
    const int threads = workspace.pool.size();
    std::int16_t* inputs = layout.scratch(workspace.scratch, 0).inputs;
    workspace.pool.parallel_ranges(grid.count, 1, [&](std::int64_t begin, std::int64_t end, int) {
      transform(x, grid, 0, begin, end, layout, inputs);
    });
    const int parts = weights_.groups() < 2 * threads ? threads : 1;
    workspace.pool.parallel_for(std::int64_t{weights_.groups()} * parts, [&](std::int64_t task,
                                                                             int worker) {
      const std::int64_t part = task % parts;
      const std::int64_t first = grid.count * part / parts;
      multiply(output, grid, first, grid.count * (part + 1) / parts, static_cast<int>(task / parts),
               layout, inputs + first * static_cast<std::ptrdiff_t>(row_),
               layout.scratch(workspace.scratch, worker));
    });
  }

  // Transforms tiles begin .. end - 1; `target` is that of tile `first`.
  void transform(const Tensor& x, const TileGrid& grid, std::int64_t first, std::int64_t begin,
                 std::int64_t end, const Layout& layout, std::int16_t* target) const {
    const auto run = x.dtype == DType::kInt8 ? kernel_.input_signed : kernel_.input_unsigned;
    const std::uint8_t* pixels[kWinogradPositions];
    for (std::int64_t tile = begin; tile < end; ++tile) {
      gather(x, grid, tile, pixels);
      run(pixels, spec_.depth, spec_.input_zero_point,
          target + (tile - first) * static_cast<std::ptrdiff_t>(row_), layout.input_stride);
    }
  }

  void gather(const Tensor& x, const TileGrid& grid, std::int64_t tile,
              const std::uint8_t** pixels) const {
    const int size = grid.outputs + 2;
    const std::int64_t height = x.shape[1], width = x.shape[2];
    const std::int64_t left = tile % grid.columns * grid.outputs - spec_.padding[1][0];
    const std::int64_t row = tile / grid.columns;
    const std::int64_t top = row % grid.rows * grid.outputs - spec_.padding[0][0];
    const auto* image = x.as<const std::uint8_t>() + row / grid.rows * height * width * spec_.depth;
    for (std::int64_t h = top; h < top + size; ++h) {
      for (std::int64_t w = left; w < left + size; ++w) {
        const bool inside = h >= 0 && h < height && w >= 0 && w < width;
        *pixels++ = inside ? image + (h * width + w) * spec_.depth : zeros_.data();
      }
    }
  }

  // The outputs of a group of channels of tiles first .. end - 1, whose transformed inputs begin at
  // `inputs`.
  void multiply(const Tensor& output, const TileGrid& grid, std::int64_t first, std::int64_t end,
                int group, const Layout& layout, const std::int16_t* inputs,
                const Scratch& scratch) const {
    const int count = static_cast<int>(end - first);
    const int width = weights_.padded_width(group);
    for (int position = 0; position < positions_; ++position) {
      for (int column = 0; column < width; column += gemm_.width) {
        gemm_.run(count, std::min(gemm_.width, width - column), weights_.depth(),
                  inputs + position * layout.input_stride, static_cast<std::ptrdiff_t>(row_),
                  weights_.panel(group, position, column),
                  scratch.sums + position * layout.sum_stride + column, width);
      }
    }
    place(output, grid, first, end, scratch.tiles);
    const int channel = group * WinogradWeights::kGroup;
    const RequantView view = requant_.view();
    const WinogradSums sums{scratch.sums, layout.sum_stride, width, center_.data()};
    kernel_.output(&sums, &view, scratch.tiles, count, channel, weights_.width(group),
                   output.shape[2] * spec_.out_channels, spec_.out_channels);
  }

  void place(const Tensor& output, const TileGrid& grid, std::int64_t first, std::int64_t end,
             WinogradTile* tiles) const {
    const std::int64_t height = output.shape[1], width = output.shape[2];
    for (std::int64_t tile = first; tile < end; ++tile) {
      const std::int64_t w = tile % grid.columns * grid.outputs;
      const std::int64_t row = tile / grid.columns;
      const std::int64_t h = row % grid.rows * grid.outputs;
      const std::int64_t pixel = (row / grid.rows * height + h) * width + w;
      tiles[tile - first] = {
          output.as<std::int8_t>() + pixel * spec_.out_channels,
          static_cast<std::int32_t>(std::min<std::int64_t>(grid.outputs, height - h)),
          static_cast<std::int32_t>(std::min<std::int64_t>(grid.outputs, width - w))};
    }
  }

  const Conv2dSpec spec_;
  const WinogradKernel& kernel_;
  const GemmS16Kernel& gemm_;
  const int positions_;
  const std::size_t row_;  // channels of a transformed pixel, filled up
  const WinogradWeights weights_;
  Buffer<std::int32_t> center_;  // scaled, of each output channel
  Buffer<std::uint8_t> zeros_;   // a pixel of padding
  RequantTable requant_;
};

bool applies(const Conv2dSpec& spec) {
  const auto both = [](const int (&pair)[2], int value) {
    return pair[0] == value && pair[1] == value;
  };
  return both(spec.kernel, 3) && both(spec.stride, 1) && both(spec.dilation, 1) && spec.groups == 1;
}

// The bound of winograd.h.
bool is_exact(const Conv2dSpec& spec, std::span<const std::int8_t> weight, int outputs) {
  const std::int64_t bound = std::int64_t{1} << (outputs == 4 ? 25 : 29);
  const std::size_t taps = static_cast<std::size_t>(9 * spec.depth);
  for (std::size_t first = 0; first < weight.size(); first += taps) {
    if (sum_range(weight.subspan(first, taps), lowest(spec), highest(spec)).reach >= bound) {
      return false;
    }
  }
  return true;
}

}  // namespace

OpPtr make_winograd_conv2d_of(int outputs, const Conv2dSpec& spec,
                              std::span<const std::int8_t> weight,
                              std::span<const std::int32_t> bias, const Requant& requant, Isa isa) {
  const WinogradKernel* kernel = pick_winograd(isa, outputs);
  const GemmS16Kernel* gemm = pick_gemm_s16(isa);
  if (kernel == nullptr || gemm == nullptr || !applies(spec) || requant.wide() ||
      !is_exact(spec, weight, outputs)) {
    return nullptr;
  }
  return std::make_shared<WinogradConv2d>(spec, weight, bias, requant, *kernel, *gemm);
}

OpPtr make_winograd_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                           std::span<const std::int32_t> bias, const Requant& requant, Isa isa) {
  if (!applies(spec)) return nullptr;
  const int outputs = fastest_winograd(spec, isa);
  if (outputs == 0) return nullptr;
  OpPtr op = make_winograd_conv2d_of(outputs, spec, weight, bias, requant, isa);
  if (op == nullptr && outputs == 4) {
    op = make_winograd_conv2d_of(2, spec, weight, bias, requant, isa);
  }
  return op;
}

}  // namespace intact
