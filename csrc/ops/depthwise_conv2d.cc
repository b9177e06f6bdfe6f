// Convolutions of each channel for itself, straight from the rows of the image.
#include <algorithm>
#include <cstring>

#include "kernels/depthwise_s8/depthwise_s8.h"
#include "ops/conv2d.h"
#include "ops/depthwise_panels.h"

namespace intact {
namespace {

constexpr std::int64_t kGrain = 1 << 15;       // products worth handing to another thread
constexpr std::int64_t kTileBytes = 24 << 10;  // of interleaved columns: they stay in the L1 cache
constexpr std::int64_t kMostOutputs = 64;      // of a tile

std::int64_t round_up(std::int64_t count, std::int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

class DepthwiseConv2d final : public Op {
 public:
  DepthwiseConv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                  std::span<const std::int32_t> bias, const Requant& requant,
                  const DepthwiseKernel& kernel)
      : spec_(spec),
        kernel_(kernel),
        panels_(spec_, weight, bias, requant, kernel),
        rows_(round_up(spec.kernel[0], kernel.group)),
        column_bytes_(rows_ / kernel.group * kernel.column_bytes),
        reach_((spec.kernel[1] - 1) * std::int64_t{spec.dilation[1]} + 1) {
    if (column_bytes_ == 0) return;
    const std::int64_t columns = kTileBytes / column_bytes_;
    tile_ = std::clamp<std::int64_t>((columns - reach_) / spec.stride[1] + 1, 4, kMostOutputs);
  }

  std::string kernel() const override { return std::string("conv2d ") + kernel_.name; }
  std::size_t packed_bytes() const override { return panels_.bytes(); }

  std::size_t scratch_bytes(Inputs inputs, const Tensor& output, int threads) const override {
    const Layout layout(*this, inputs[0], output);
    return layout.row + layout.worker * static_cast<std::size_t>(threads);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int64_t products = output.shape.elements(2, 4) * spec_.kernel[0] * spec_.kernel[1];
    if (output.shape.elements() == 0) return;
    const Layout layout(*this, x, output);
    std::memset(workspace.scratch, spec_.input_zero_point, layout.row);
    workspace.pool.parallel_ranges(output.shape.elements(0, 2), kGrain / products,
                                   [&](std::int64_t begin, std::int64_t end, int worker) {
                                     std::byte* own =
                                         workspace.scratch + layout.row +
                                         layout.worker * static_cast<std::size_t>(worker);
                                     DepthwiseRow row = description(x, output, layout, own);
                                     for (std::int64_t i = begin; i < end; ++i) {
                                       run_row(x, output, layout, i, workspace.scratch, own, row);
                                     }
                                   });
  }

 private:
  // Scratch: a row of zero points for all workers, and for each of them pointers to rows, columns,
  // and, where a panel has more channels than there are, a row of outputs and the rows of the
  // input that end less than that before the tensor.
  struct Layout {
    std::size_t row;
    std::size_t columns, out, copies, worker;  // offsets of a worker's parts, and their end

    Layout(const DepthwiseConv2d& op, const Tensor& x, const Tensor& output) {
      const auto excess = static_cast<std::size_t>(op.panels_.excess());
      row = align_up(static_cast<std::size_t>(x.shape.elements(2, 4)) + excess);
      columns = align_up(static_cast<std::size_t>(op.rows_) * sizeof(const std::uint8_t*));
      const std::int64_t outputs = std::min(op.tile_, output.shape[2]);
      const std::int64_t count =
          op.column_bytes_ == 0 ? 0 : (outputs - 1) * op.spec_.stride[1] + op.reach_;
      out = columns + align_up(static_cast<std::size_t>(count * op.column_bytes_));
      copies = out;
      worker = out;
      if (excess == 0) return;
      copies += align_up(static_cast<std::size_t>(output.shape.elements(2, 4)) + excess);
      worker = copies + row * static_cast<std::size_t>(op.rows_);
    }
  };

  DepthwiseRow description(const Tensor& x, const Tensor& output, const Layout& layout,
                           std::byte* own) const {
    DepthwiseRow row{};
    row.rows = reinterpret_cast<const std::uint8_t* const*>(own);
    row.scratch = own + layout.columns;
    row.panels = panels_.panels().data();
    row.panel_count = static_cast<std::int32_t>(panels_.panels().size());
    row.channels = spec_.groups;
    row.width = static_cast<std::int32_t>(x.shape[2]);
    row.out_width = static_cast<std::int32_t>(output.shape[2]);
    row.kernel[0] = spec_.kernel[0];
    row.kernel[1] = spec_.kernel[1];
    row.stride = spec_.stride[1];
    row.dilation = spec_.dilation[1];
    row.padding = spec_.padding[1][0];
    row.tile = static_cast<std::int32_t>(tile_);
    row.zero_point = spec_.input_zero_point;
    row.input_signed = spec_.input == DType::kInt8 ? 1 : 0;
    row.output_unsigned = spec_.output == DType::kUint8 ? 1 : 0;
    return row;
  }

  // Row `number` of all samples' outputs.
  void run_row(const Tensor& x, const Tensor& output, const Layout& layout, std::int64_t number,
               const std::byte* zeros, std::byte* own, DepthwiseRow& row) const {
    const std::int64_t height = x.shape[1];
    const std::int64_t sample = number / output.shape[1];
    const std::int64_t top = number % output.shape[1] * spec_.stride[0] - spec_.padding[0][0];
    auto** rows = reinterpret_cast<const std::uint8_t**>(own);
    for (std::int64_t i = 0; i < rows_; ++i) {
      const std::int64_t tap = std::min<std::int64_t>(i, spec_.kernel[0] - 1);
      const std::int64_t at = top + tap * spec_.dilation[0];
      const std::byte* source = zeros;
      if (at >= 0 && at < height) {
        source = readable(x, sample * height + at,
                          own + layout.copies + layout.row * static_cast<std::size_t>(i));
      }
      rows[i] = reinterpret_cast<const std::uint8_t*>(source);
    }
    const std::int64_t bytes = output.shape.elements(2, 4);
    std::byte* target = output.data + number * bytes;
    const bool staged = panels_.excess() != 0;
    row.out = reinterpret_cast<std::uint8_t*>(staged ? own + layout.out : target);
    kernel_.run(&row);
    if (staged) std::memcpy(target, own + layout.out, static_cast<std::size_t>(bytes));
  }

  // Row `number` of the input where it may be read `excess` bytes beyond its end, else its copy.
  const std::byte* readable(const Tensor& x, std::int64_t number, std::byte* copy) const {
    const std::int64_t bytes = x.shape.elements(2, 4);
    const std::byte* row = x.data + number * bytes;
    if ((number + 1) * bytes + panels_.excess() <= x.shape.elements()) return row;
    std::memcpy(copy, row, static_cast<std::size_t>(bytes));
    return copy;
  }

  const Conv2dSpec spec_;
  const DepthwiseKernel& kernel_;
  const DepthwisePanels panels_;
  const std::int64_t rows_;          // of the kernel, in whole groups
  const std::int64_t column_bytes_;  // of interleaved codes of a column
  const std::int64_t reach_;         // columns that one output reads, and those between them
  std::int64_t tile_ = 0;
};

}  // namespace

OpPtr make_depthwise_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                            std::span<const std::int32_t> bias, const Requant& requant, Isa isa) {
  if (spec.depth != 1 || spec.out_channels != spec.groups || requant.wide()) return nullptr;
  const DepthwiseKernel* kernel =
      pick_depthwise_s8(isa, spec.kernel, spec.stride[1], spec.dilation[1]);
  if (kernel == nullptr) return nullptr;
  return std::make_shared<DepthwiseConv2d>(spec, weight, bias, requant, *kernel);
}

}  // namespace intact
