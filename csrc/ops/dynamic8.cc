// Dynamic layers over 8-bit codes: products of the vector kernels, whose accumulators become real
// numbers where they lie.
#include <vector>

#include "gemm/multiply.h"
#include "kernels/dynamic_s8/dynamic_s8.h"
#include "ops/layers.h"
#include "ops/patches.h"
#include "ops/portable.h"
#include "ops/tap_rows.h"

namespace intact {
namespace {

static_assert(sizeof(float) == sizeof(std::int32_t));

// Codes, scales and what becomes of the accumulators.
class Range8 {
 public:
  Range8(int bits, const RealChannels& channels, const DynamicS8Kernel& kernel)
      : kernel_(kernel),
        qmax_((1 << (bits - 1)) - 1),
        weight_scale_(channels.weight_scale.begin(), channels.weight_scale.end()),
        bias_(channels.bias.begin(), channels.bias.end()),
        offset_(bias_.size()) {}

  const DynamicS8Kernel& kernel() const { return kernel_; }
  std::size_t bytes() const { return bias_.size() * 3 * sizeof(float); }
  std::size_t channels() const { return bias_.size(); }

  // Channel's accumulators count `shift` times `sum` too much.
  void set_offset(std::size_t channel, std::int32_t shift, std::int32_t sum) {
    offset_[channel] = -shift * sum;
  }

  RealColumns columns(std::size_t first) const {
    return {offset_.data() + first, weight_scale_.data() + first, bias_.data() + first};
  }

  // Scratch for x in `rows` rows: the scales, then the codes.
  static std::size_t scales_bytes(std::int64_t rows) { return align_up(size(rows) * 4); }
  static std::size_t scratch_bytes(const Tensor& x, std::int64_t rows) {
    return align_up(scales_bytes(rows) + size(x.shape.elements()));
  }

  struct Encoded {
    const float* scales;
    Tensor codes;
  };
  Encoded encode(const Tensor& x, std::int64_t rows, Workspace& workspace) const {
    auto* scales = reinterpret_cast<float*>(workspace.scratch);
    auto* codes = reinterpret_cast<std::int8_t*>(workspace.scratch + scales_bytes(rows));
    const std::int64_t count = x.shape.elements() / rows;
    workspace.pool.parallel_ranges(
        rows, grain_of(count), [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            scales[r] = kernel_.encode(x.as<const float>() + r * count, size(count), qmax_,
                                       codes + r * count);
          }
        });
    return {scales, {reinterpret_cast<std::byte*>(codes), DType::kInt8, x.shape}};
  }

 private:
  const DynamicS8Kernel& kernel_;
  std::int32_t qmax_;
  std::vector<float> weight_scale_;
  std::vector<float> bias_;
  std::vector<std::int32_t> offset_;
};

// Runs a tile to int32 in `out`, (rows, channels), and turns it into real numbers; row r has the
// scale scales[r / share].
void run_tile(const GemmS8Kernel& kernel, GemmS8Tile& tile, const Range8& range,
              std::size_t channel, std::int64_t first, const float* scales, std::int64_t share,
              float* out) {
  const auto stride = static_cast<std::int64_t>(range.channels());
  float* corner = out + first * stride + static_cast<std::int64_t>(channel);
  tile.out = corner;
  tile.out_stride = stride;
  kernel.run(&tile);
  const RealColumns columns = range.columns(channel);
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    range.kernel().finish(corner + r * stride, size(tile.columns), scales[(first + r) / share],
                          &columns);
  }
}

class DynamicLinear8 final : public Op {
 public:
  DynamicLinear8(int inputs, int bits, std::span<const std::int8_t> weight,
                 const RealChannels& channels, const GemmS8Kernel& gemm,
                 const DynamicS8Kernel& kernel)
      : gemm_(gemm),
        range_(bits, channels, kernel),
        layout_(gemm, inputs, static_cast<int>(range_.channels())),
        packed_(layout_.bytes()) {
    const std::vector<std::int32_t> sums = pack_rows(gemm, layout_, weight, packed_.data());
    for (std::size_t c = 0; c < sums.size(); ++c) range_.set_offset(c, gemm.shift(true), sums[c]);
  }

  std::string kernel() const override { return std::string("dynamic linear ") + gemm_.name; }
  std::size_t packed_bytes() const override { return packed_.bytes() + range_.bytes(); }
  std::size_t scratch_bytes(Inputs inputs, const Tensor&, int threads) const override {
    const std::int64_t rows = inputs[0].shape.elements() / layout_.depth();
    return Range8::scratch_bytes(inputs[0], rows) + multiply_scratch(gemm_, layout_, rows, threads);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t depth = layout_.depth(), rows = inputs[0].shape.elements() / depth;
    if (rows == 0) return;
    const Range8::Encoded x = range_.encode(inputs[0], rows, workspace);
    const auto* codes = x.codes.as<const std::uint8_t>();
    const std::size_t row_bytes = packed_row_bytes(gemm_, layout_);
    Workspace rest{workspace.pool, workspace.scratch + Range8::scratch_bytes(inputs[0], rows)};
    multiply(
        gemm_, layout_, packed_.data(), Apart{}, rows, rest,
        [&](std::int64_t first, std::int64_t count, std::byte* target, int) {
          for (std::int64_t i = 0; i < count; ++i) {
            gemm_.pack(codes + (first + i) * depth, depth, 1, target + size(i) * row_bytes);
          }
        },
        [&](GemmS8Tile& tile, int panel, std::int64_t first, int) {
          run_tile(gemm_, tile, range_, size(panel * gemm_.panel), first, x.scales, 1,
                   output.as<float>());
        });
  }

 private:
  const GemmS8Kernel& gemm_;
  Range8 range_;
  const PanelLayout layout_;
  Buffer<std::int8_t> packed_;
};

class DynamicConv2d8 final : public Op {
 public:
  DynamicConv2d8(const Conv2dSpec& spec, int bits, std::span<const std::int8_t> weight,
                 const RealChannels& channels, const GemmS8Kernel& gemm,
                 const DynamicS8Kernel& kernel)
      : spec_(spec),
        gemm_(gemm),
        range_(bits, channels, kernel),
        layout_(gemm, spec.kernel[0] * spec.kernel[1] * spec.depth,
                spec.out_channels / spec.groups),
        packed_(layout_.bytes() * size(spec.groups)) {
    spec_.input_zero_point = 0;
    const std::size_t columns = size(layout_.columns());
    for (std::size_t group = 0; group < size(spec.groups); ++group) {
      const std::size_t elements = columns * size(layout_.depth());
      const std::vector<std::int32_t> sums =
          pack_rows(gemm, layout_, weight.subspan(group * elements, elements),
                    packed_.data() + group * layout_.bytes());
      for (std::size_t c = 0; c < columns; ++c) {
        range_.set_offset(group * columns + c, gemm.shift(true), sums[c]);
      }
    }
  }

  std::string kernel() const override { return std::string("dynamic conv2d ") + gemm_.name; }
  std::size_t packed_bytes() const override { return packed_.bytes() + range_.bytes(); }
  std::size_t scratch_bytes(Inputs inputs, const Tensor& output, int threads) const override {
    return Range8::scratch_bytes(inputs[0], inputs[0].shape[0]) +
           multiply_scratch(gemm_, layout_, output.shape.elements(0, 3), threads);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t samples = inputs[0].shape[0];
    if (samples == 0) return;
    const Range8::Encoded x = range_.encode(inputs[0], samples, workspace);
    const std::size_t row_bytes = packed_row_bytes(gemm_, layout_);
    const std::int64_t pixels = output.shape.elements(1, 3);
    Workspace rest{workspace.pool, workspace.scratch + Range8::scratch_bytes(inputs[0], samples)};
    for (int group = 0; group < spec_.groups; ++group) {
      const Patches patches(spec_, gemm_, x.codes, output, group);
      multiply(
          gemm_, layout_, packed_.data() + layout_.bytes() * size(group), Apart{},
          samples * pixels, rest,
          [&](std::int64_t first, std::int64_t count, std::byte* target, int) {
            patches.pack(first, count, row_bytes, target);
          },
          [&](GemmS8Tile& tile, int panel, std::int64_t first, int) {
            run_tile(gemm_, tile, range_, size(group * layout_.columns() + panel * gemm_.panel),
                     first, x.scales, pixels, output.as<float>());
          });
    }
  }

 private:
  Conv2dSpec spec_;
  const GemmS8Kernel& gemm_;
  Range8 range_;
  const PanelLayout layout_;
  Buffer<std::int8_t> packed_;
};

// One input channel for each output channel.
class DynamicDepthwise8 final : public Op {
 public:
  DynamicDepthwise8(const Conv2dSpec& spec, int bits, std::span<const std::int8_t> weight,
                    const RealChannels& channels, const DynamicS8Kernel& kernel)
      : spec_(spec),
        range_(bits, channels, kernel),
        weight_(taps_first<std::int8_t>(weight, range_.channels())) {}

  std::string kernel() const override {
    return std::string("dynamic conv2d depthwise ") + range_.kernel().name;
  }
  std::size_t packed_bytes() const override { return weight_.bytes() + range_.bytes(); }
  std::size_t scratch_bytes(Inputs inputs, const Tensor&, int) const override {
    return Range8::scratch_bytes(inputs[0], inputs[0].shape[0]);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t samples = inputs[0].shape[0];
    if (samples == 0) return;
    const Range8::Encoded x = range_.encode(inputs[0], samples, workspace);
    for_output_rows(spec_, output, workspace.pool,
                    [&](std::int64_t sample, std::int64_t oh) { run_row(x, sample, oh, output); });
  }

 private:
  void run_row(const Range8::Encoded& x, std::int64_t sample, std::int64_t oh,
               const Tensor& output) const {
    const RealColumns columns = range_.columns(0);
    DynamicDepthwiseRow row{};
    row.taps = tap_rows<std::int8_t>(spec_, x.codes, weight_.data(), sample, oh, output);
    row.scale = x.scales[sample];
    row.weight_scale = columns.weight_scale;
    row.bias = columns.bias;
    row.out = output.as<float>() + (sample * output.shape[1] + oh) * output.shape.elements(2, 4);
    range_.kernel().depthwise(&row);
  }

  Conv2dSpec spec_;
  Range8 range_;
  Buffer<std::int8_t> weight_;
};

// Sums of `depth` products of 8-bit codes fit 32 bits, also those of codes that are shifted by 128.
bool fits(int bits, const Integers& weight, std::int64_t depth) {
  return bits <= 8 && weight.dtype == DType::kInt8 && depth > 0 && depth < (1 << 15);
}

std::span<const std::int8_t> codes_of(const Integers& weight) {
  return {reinterpret_cast<const std::int8_t*>(weight.data.data()), weight.data.size()};
}

}  // namespace

OpPtr make_dynamic_linear8(int inputs, int bits, Integers weight, RealChannels channels, Isa isa) {
  const GemmS8Kernel* gemm = pick_gemm_s8(isa);
  const DynamicS8Kernel* kernel = pick_dynamic_s8(isa);
  if (gemm == nullptr || kernel == nullptr || !fits(bits, weight, inputs)) return nullptr;
  return std::make_shared<DynamicLinear8>(inputs, bits, codes_of(weight), channels, *gemm, *kernel);
}

OpPtr make_dynamic_conv2d8(const Conv2dSpec& spec, int bits, Integers weight, RealChannels channels,
                           Isa isa) {
  const GemmS8Kernel* gemm = pick_gemm_s8(isa);
  const DynamicS8Kernel* kernel = pick_dynamic_s8(isa);
  const std::int64_t depth = std::int64_t{spec.kernel[0]} * spec.kernel[1] * spec.depth;
  if (gemm == nullptr || kernel == nullptr || !fits(bits, weight, depth)) return nullptr;
  if (spec.depth == 1 && spec.groups == spec.out_channels) {
    return std::make_shared<DynamicDepthwise8>(spec, bits, codes_of(weight), channels, *kernel);
  }
  return std::make_shared<DynamicConv2d8>(spec, bits, codes_of(weight), channels, *gemm, *kernel);
}

}  // namespace intact
