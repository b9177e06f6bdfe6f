// Products of int16 codes wrap around modulo 2^32, so the depth is cut into pieces whose sums fit,
// which are added up in 64 bits.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/buffer.h"
#include "kernels/gemm_s16/gemm_s16.h"
#include "kernels/wide_s16/wide_s16.h"
#include "ops/codes16.h"
#include "ops/portable.h"
#include "ops/tap_rows.h"

namespace intact {
namespace {

// 508 * 2^15 * 2^7 < 2^31, and a multiple of what the kernels take at once.
constexpr std::int64_t kPiece = 508;
static_assert(kPiece % kGemmS16Depth == 0);
constexpr std::int64_t kRows = 24;  // of a task: a multiple of most tiles

// Eq. 14 by channel.
class WideTable {
 public:
  WideTable(const Requant& requant, std::span<const std::int64_t> bias)
      : bias_(bias.begin(), bias.end()), zero_point_(requant.zero_point()) {
    for (std::size_t c = 0; c < bias.size(); ++c) {
      const std::int64_t rounded = (std::int64_t{requant.multiplier(c)} + (1 << 15)) >> 16;
      multiplier_.push_back(std::min<std::int64_t>(rounded, INT16_MAX));
      right_.push_back(15 - requant.shift(c));
      qmin_.push_back(requant.qmin(c));
      qmax_.push_back(requant.qmax(c));
    }
  }

  WideColumns columns(std::size_t first) const {
    return {bias_.data() + first, multiplier_.data() + first, right_.data() + first,
            qmin_.data() + first, qmax_.data() + first,       zero_point_};
  }
  std::size_t bytes() const { return 5 * bias_.size() * sizeof(std::int64_t); }

 private:
  std::vector<std::int64_t> bias_, multiplier_, right_, qmin_, qmax_;
  std::int64_t zero_point_;
};

// Sizes that the tensors of one run have. A linear layer's pixels are its rows.
struct Sizes {
  std::int64_t height, width, channels, out_height, out_width, pixels;

  Sizes(const Tensor& x, const Tensor& out)
      : height(x.shape.rank() == 4 ? x.shape[1] : 1),
        width(x.shape.rank() == 4 ? x.shape[2] : 1),
        channels(x.shape[-1]),
        out_height(x.shape.rank() == 4 ? out.shape[1] : 1),
        out_width(x.shape.rank() == 4 ? out.shape[2] : 1),
        pixels(out.shape.elements(0, out.shape.rank() - 1)) {}
};

class Conv2d16 final : public Op {
 public:
  Conv2d16(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
           std::span<const std::int64_t> bias, const Requant& requant, const GemmS16Kernel& gemm,
           const WideS16Kernel& kernel)
      : spec_(spec),
        gemm_(gemm),
        kernel_(kernel),
        table_(requant, bias),
        given_depth_(std::int64_t{spec.kernel[0]} * spec.kernel[1] * spec.depth),
        depth_((given_depth_ + kGemmS16Depth - 1) / kGemmS16Depth * kGemmS16Depth),
        columns_(spec.out_channels / spec.groups),
        panels_((columns_ + gemm.width - 1) / gemm.width),
        packed_(size(spec.groups * panels_ * gemm.width * depth_)) {
    for (std::int64_t channel = 0; channel < spec.out_channels; ++channel) {
      pack(channel, weight.data() + channel * given_depth_);
    }
  }

  std::string kernel() const override { return std::string("conv2d ") + kernel_.name; }
  std::size_t packed_bytes() const override { return packed_.bytes() + table_.bytes(); }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& /*output*/,
                            int threads) const override {
    return size(threads) * own_bytes();
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Sizes sizes(inputs[0], output);
    const std::int64_t blocks = (sizes.pixels + kRows - 1) / kRows;
    const std::int64_t wanted = 2 * workspace.pool.size();
    // Parts of the panels keep all threads busy where there are few rows.
    const std::int64_t parts =
        blocks == 0 || blocks * spec_.groups >= wanted || workspace.pool.size() == 1
            ? 1
            : std::min(panels_, (wanted + blocks - 1) / blocks);
    workspace.pool.parallel_for(blocks * spec_.groups * parts, [&](std::int64_t task, int worker) {
      const std::int64_t group = task / parts % spec_.groups;
      const std::int64_t first = task / parts / spec_.groups * kRows;
      const std::int64_t part = task % parts;
      run_block(inputs[0], output, sizes, group, first, panels_ * part / parts,
                panels_ * (part + 1) / parts, workspace.scratch + own_bytes() * size(worker));
    });
  }

 private:
  std::int64_t pieces() const { return (depth_ + kPiece - 1) / kPiece; }
  std::size_t rows_bytes() const { return align_up(size(kRows * depth_) * sizeof(std::int16_t)); }
  std::size_t own_bytes() const {
    return rows_bytes() + align_up(size(pieces() * kRows * gemm_.width) * sizeof(std::int32_t));
  }

  // Columns of a panel with its filling.
  std::int64_t panel_columns(std::int64_t panel) const {
    const std::int64_t used = std::min<std::int64_t>(gemm_.width, columns_ - panel * gemm_.width);
    return (used + gemm_.lanes - 1) / gemm_.lanes * gemm_.lanes;
  }
  std::int64_t panel_begin(std::int64_t group, std::int64_t panel) const {
    return (group * panels_ + panel) * gemm_.width * depth_;
  }

  void pack(std::int64_t channel, const std::int8_t* weight) {
    const std::int64_t column = channel % columns_, panel = column / gemm_.width;
    std::int16_t* target = packed_.data() + panel_begin(channel / columns_, panel);
    const std::int64_t width = panel_columns(panel), own = column % gemm_.width;
    for (std::int64_t k = 0; k < given_depth_; ++k) {
      target[(k / 2 * width + own) * 2 + k % 2] = weight[k];
    }
  }

  // The rows from `first` on times some panels of a group.
  void run_block(const Tensor& x, const Tensor& output, const Sizes& sizes, std::int64_t group,
                 std::int64_t first, std::int64_t begin, std::int64_t end,
                 std::byte* scratch) const {
    auto* rows = reinterpret_cast<std::int16_t*>(scratch);
    auto* sums = reinterpret_cast<std::int32_t*>(scratch + rows_bytes());
    const std::int64_t count = std::min(kRows, sizes.pixels - first);
    for (std::int64_t i = 0; i < count; ++i) {
      pack_pixel(x.as<const std::int16_t>(), sizes, first + i, group, rows + i * depth_);
    }
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const std::int64_t width = panel_columns(panel), part = count * width;
      const std::int16_t* packed = packed_.data() + panel_begin(group, panel);
      for (std::int64_t piece = 0; piece < pieces(); ++piece) {
        const std::int64_t k = piece * kPiece;
        gemm_.run(static_cast<int>(count), static_cast<int>(width),
                  static_cast<int>(std::min(kPiece, depth_ - k)), rows + k, depth_,
                  packed + k * width, sums + piece * part, width);
      }
      const std::int64_t used = std::min<std::int64_t>(gemm_.width, columns_ - panel * gemm_.width);
      const std::int64_t channel = group * columns_ + panel * gemm_.width;
      const WideColumns columns = table_.columns(size(channel));
      auto* out = output.as<std::int16_t>() + first * spec_.out_channels + channel;
      for (std::int64_t i = 0; i < count; ++i) {
        kernel_.finish(sums + i * width, to_int32(pieces()), part, to_int32(used), &columns,
                       out + i * spec_.out_channels);
      }
    }
  }

  // The patch of one pixel, zeros where there is padding and behind it.
  void pack_pixel(const std::int16_t* x, const Sizes& sizes, std::int64_t pixel, std::int64_t group,
                  std::int16_t* target) const {
    const std::int64_t image = pixel / sizes.out_width / sizes.out_height;
    const std::int64_t h = pixel / sizes.out_width % sizes.out_height * spec_.stride[0];
    const std::int64_t w = pixel % sizes.out_width * spec_.stride[1];
    const std::size_t bytes = size(spec_.depth) * sizeof(std::int16_t);
    const std::int64_t filling = depth_ - given_depth_;
    std::memset(target + given_depth_, 0, size(filling) * sizeof(std::int16_t));
    for (std::int64_t i = 0; i < spec_.kernel[0]; ++i) {
      const std::int64_t row = h - spec_.padding[0][0] + i * spec_.dilation[0];
      for (std::int64_t j = 0; j < spec_.kernel[1]; ++j, target += spec_.depth) {
        const std::int64_t column = w - spec_.padding[1][0] + j * spec_.dilation[1];
        if (row < 0 || row >= sizes.height || column < 0 || column >= sizes.width) {
          std::memset(target, 0, bytes);
          continue;
        }
        const std::int64_t at = (image * sizes.height + row) * sizes.width + column;
        std::memcpy(target, x + at * sizes.channels + group * spec_.depth, bytes);
      }
    }
  }

  const Conv2dSpec spec_;
  const GemmS16Kernel& gemm_;
  const WideS16Kernel& kernel_;
  const WideTable table_;
  const std::int64_t given_depth_;
  const std::int64_t depth_;  // filled up with zeros
  const std::int64_t columns_;
  const std::int64_t panels_;
  Buffer<std::int16_t> packed_;
};

// One input channel for each output channel.
class DepthwiseConv2d16 final : public Op {
 public:
  DepthwiseConv2d16(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                    std::span<const std::int64_t> bias, const Requant& requant,
                    const WideS16Kernel& kernel)
      : spec_(spec),
        kernel_(kernel),
        table_(requant, bias),
        weight_(taps_first<std::int16_t>(weight, bias.size())) {}

  std::string kernel() const override { return std::string("conv2d depthwise ") + kernel_.name; }
  std::size_t packed_bytes() const override { return weight_.bytes() + table_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    for_output_rows(spec_, output, workspace.pool, [&](std::int64_t sample, std::int64_t oh) {
      run_row(inputs[0], sample, oh, output);
    });
  }

 private:
  void run_row(const Tensor& x, std::int64_t sample, std::int64_t oh, const Tensor& output) const {
    WideDepthwiseRow row{};
    row.taps = tap_rows<std::int16_t>(spec_, x, weight_.data(), sample, oh, output);
    row.columns = table_.columns(0);
    row.out =
        output.as<std::int16_t>() + (sample * output.shape[1] + oh) * output.shape.elements(2, 4);
    kernel_.depthwise(&row);
  }

  const Conv2dSpec spec_;
  const WideS16Kernel& kernel_;
  const WideTable table_;
  Buffer<std::int16_t> weight_;
};

}  // namespace

OpPtr make_conv2d_16(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                     std::span<const std::int64_t> bias, const Requant& requant, Isa isa) {
  const GemmS16Kernel* gemm = pick_gemm_s16(isa);
  const WideS16Kernel* kernel = pick_wide_s16(isa);
  const bool fits = requant.wide() && spec.input_zero_point == 0 && spec.depth > 0;
  if (gemm == nullptr || kernel == nullptr || !fits || gemm->width > kWideColumns) return nullptr;
  const std::int64_t taps = std::int64_t{spec.kernel[0]} * spec.kernel[1];
  if (spec.groups > 1 && spec.depth == 1 && spec.groups == spec.out_channels && taps <= kPiece) {
    return std::make_shared<DepthwiseConv2d16>(spec, weight, bias, requant, *kernel);
  }
  return std::make_shared<Conv2d16>(spec, weight, bias, requant, *gemm, *kernel);
}

}  // namespace intact
