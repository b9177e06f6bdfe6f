// Convolutions of few channels, such as the first layer of a network. A row of the kernel covers
// neighbouring bytes of an image row: patches are read where they are, and only the image is
// packed.
#include <algorithm>
#include <cstring>
#include <vector>

#include "gemm/packed_matrix.h"
#include "kernels/requantize/table.h"
#include "ops/conv2d.h"

namespace intact {
namespace {

constexpr std::int64_t kRows = 8;  // output rows of a task

class RowConv2d final : public Op {
 public:
  RowConv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
            std::span<const std::int32_t> bias, const Requant& requant, const GemmS8Kernel& kernel)
      : spec_(spec),
        kernel_(kernel),
        layout_(kernel, spec.kernel[0] * spec.kernel[1] * spec.depth, spec.out_channels,
                spec.kernel[0]),
        packed_(layout_.bytes()),
        pairs_fit_(pairs_fit(weight)),
        is_signed_(spec.input == DType::kInt8 ? 1 : 0),
        centre_(spec.input_zero_point + kernel.shift(is_signed_ != 0)) {
    const std::vector<std::int32_t> sums = pack_rows(kernel, layout_, weight, packed_.data());
    requant_ = RequantTable(requant, offsets_of(bias, centre_, sums), spec.output == DType::kUint8,
                            bounds_for_steps(spec, weight, bias));
  }

  std::string kernel() const override { return std::string("conv2d rows ") + kernel_.name; }
  std::size_t packed_bytes() const override { return packed_.bytes() + requant_.bytes(); }

  std::size_t scratch_bytes(Inputs inputs, const Tensor& output, int threads) const override {
    return own_bytes(inputs[0].shape[2], output.shape[1]) * static_cast<std::size_t>(threads);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t out_height = output.shape[1];
    const std::int64_t blocks = (out_height + kRows - 1) / kRows;
    const std::size_t own = own_bytes(inputs[0].shape[2], out_height);
    workspace.pool.parallel_for(output.shape[0] * blocks, [&](std::int64_t task, int worker) {
      std::byte* image = workspace.scratch + own * static_cast<std::size_t>(worker);
      const std::int64_t first = task % blocks * kRows;
      const std::int64_t count = std::min(kRows, out_height - first);
      pack_image(inputs[0], task / blocks, first * spec_.stride[0] - spec_.padding[0][0],
                 image_rows(count), image);
      for (std::int64_t row = 0; row < count; ++row) {
        multiply_row(inputs[0].shape[2], image, row, output, task / blocks * out_height + first);
      }
    });
  }

 private:
  std::int64_t image_rows(std::int64_t out_rows) const {
    return (out_rows - 1) * spec_.stride[0] + (spec_.kernel[0] - 1) * spec_.dilation[0] + 1;
  }
  std::size_t row_bytes(std::int64_t width) const {
    const std::int64_t pixels = width + spec_.padding[1][0] + spec_.padding[1][1];
    return static_cast<std::size_t>(pixels * spec_.depth) * kernel_.element;
  }
  // One cache line more: packing writes, and the last groups read, past the last row.
  std::size_t own_bytes(std::int64_t width, std::int64_t out_height) const {
    const std::int64_t rows = image_rows(std::min(kRows, out_height));
    return align_up(row_bytes(width) * static_cast<std::size_t>(rows)) + kCacheLine;
  }

  // Packs image rows h .. h + count - 1, with padding on all sides.
  void pack_image(const Tensor& x, std::int64_t image, std::int64_t h, std::int64_t count,
                  std::byte* target) const {
    const std::int64_t height = x.shape[1], row = x.shape[2] * spec_.depth;
    const auto* codes = x.as<const std::uint8_t>() + image * height * row;
    const std::int64_t before = std::int64_t{spec_.padding[1][0]} * spec_.depth;
    const std::int64_t after = std::int64_t{spec_.padding[1][1]} * spec_.depth;
    for (std::int64_t i = h; i < h + count; ++i) {
      if (i < 0 || i >= height) {
        target = fill(target, before + row + after);
        continue;
      }
      target = fill(target, before);
      kernel_.pack(codes + i * row, row, is_signed_, target);
      target = fill(target + row * kernel_.element, after);
    }
  }

  // Writes `count` elements that stand for zero, and returns their end.
  std::byte* fill(std::byte* target, std::int64_t count) const {
    if (kernel_.element == 1) {
      std::memset(target, centre_, static_cast<std::size_t>(count));
    } else {
      std::fill_n(reinterpret_cast<std::int16_t*>(target), count,
                  static_cast<std::int16_t>(centre_));
    }
    return target + count * kernel_.element;
  }

  void multiply_row(std::int64_t width, const std::byte* image, std::int64_t row,
                    const Tensor& output, std::int64_t first) const {
    const std::size_t step = row_bytes(width);
    const std::int64_t pixels = output.shape[2];
    GemmS8Tile tile{};
    tile.a = image + step * static_cast<std::size_t>(row * spec_.stride[0]);
    tile.a_stride = std::int64_t{spec_.stride[1]} * spec_.depth * kernel_.element;
    tile.rows = static_cast<std::int32_t>(pixels);
    tile.groups = layout_.groups();
    tile.segments = layout_.segments();
    tile.segment_stride = static_cast<std::int64_t>(step) * spec_.dilation[0];
    tile.out_stride = spec_.out_channels;
    for (int panel = 0; panel < layout_.panels(); ++panel) {
      const int channel = panel * kernel_.panel;
      const RequantView view = requant_.view(static_cast<std::size_t>(channel));
      tile.b = packed_.data() + layout_.begin(panel);
      tile.columns = layout_.width(panel);
      tile.pairs_fit = pairs_fit_;
      tile.requant = &view;
      tile.out = output.data + (first + row) * pixels * spec_.out_channels + channel;
      kernel_.run(&tile);
    }
  }

  const Conv2dSpec spec_;
  const GemmS8Kernel& kernel_;
  const PanelLayout layout_;
  Buffer<std::int8_t> packed_;
  const std::int32_t pairs_fit_;
  RequantTable requant_;
  const std::int32_t is_signed_;
  const std::int32_t centre_;  // what padding is packed as
};

}  // namespace

OpPtr make_row_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                      std::span<const std::int32_t> bias, const Requant& requant, Isa isa) {
  constexpr int kFewChannels = 8;  // from here on, packing patches costs little
  const GemmS8Kernel* kernel = pick_gemm_s8(isa);
  const bool spreads = spec.kernel[0] > 1 || spec.kernel[1] > 1;
  if (kernel == nullptr || spec.groups != 1 || spec.dilation[1] != 1 || !spreads ||
      spec.depth > kFewChannels) {
    return nullptr;
  }
  return std::make_shared<RowConv2d>(spec, weight, bias, requant, *kernel);
}

}  // namespace intact
