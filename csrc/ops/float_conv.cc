// Convolutions of real numbers, channels first: products of the weight with panels of patches, or
// shifted rows where a group has one channel.
#include <algorithm>

#include "core/buffer.h"
#include "ops/float_image.h"
#include "ops/float_rows.h"
#include "ops/floats.h"

namespace intact {
namespace {

constexpr std::int64_t kColumns = 4 * kPanel;  // pixels of a task

class FloatConv final : public Op {
 public:
  FloatConv(const FloatConvSpec& spec, const FloatMatrix& weight, Isa isa)
      : spec_(spec),
        kernel_(pick_float_gemm(isa)),
        math_(pick_float_math(isa)),
        outputs_(weight.rows),
        taps_(std::int64_t{spec.kernel[0]} * spec.kernel[1]),
        depth_(weight.columns),
        stride_(spread(depth_)),
        weight_(static_cast<std::size_t>(outputs_ * stride_)) {
    for (std::int64_t o = 0; o < outputs_; ++o) {
      std::copy_n(weight.data + o * depth_, depth_, weight_.data() + o * stride_);
    }
  }

  std::string kernel() const override {
    return is_depthwise() ? std::string("conv depthwise ") + math_.name
                          : std::string("conv ") + kernel_.name;
  }
  std::size_t packed_bytes() const override { return weight_.bytes(); }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& /*output*/,
                            int threads) const override {
    return is_depthwise() ? 0 : static_cast<std::size_t>(threads) * own_bytes();
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const float* bias = inputs.size() > 1 ? inputs[1].as<const float>() : nullptr;
    if (is_depthwise()) {
      run_depthwise(inputs[0], bias, output, workspace.pool);
    } else {
      run_products(inputs[0], bias, output, workspace);
    }
  }

 private:
  bool is_depthwise() const {
    return depth_ == taps_ && spec_.groups > 1 && spec_.spread[0] == 1 && spec_.spread[1] == 1;
  }
  std::size_t own_bytes() const {
    return align_up(static_cast<std::size_t>(depth_ * kColumns) * sizeof(float));
  }

  void run_products(const Tensor& x, const float* bias, const Tensor& output,
                    Workspace& workspace) const {
    const Image in(x.shape), out(output.shape);
    const std::int64_t channels = depth_ / taps_, rows = outputs_ / spec_.groups;
    const std::int64_t chunks = (out.pixels() + kColumns - 1) / kColumns;
    const std::int64_t pictures = x.shape[0] * spec_.groups;
    const std::int64_t products = depth_ * kColumns * rows;
    workspace.pool.parallel_ranges(
        pictures * chunks, 1 + kTaskProducts / (products + 1),
        [&](std::int64_t begin, std::int64_t end, int worker) {
          auto* panels = reinterpret_cast<float*>(workspace.scratch +
                                                  own_bytes() * static_cast<std::size_t>(worker));
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t picture = task / chunks, first = task % chunks * kColumns;
            const std::int64_t count = std::min(kColumns, out.pixels() - first);
            const std::int64_t row = picture % spec_.groups * rows;
            const float* source = x.as<const float>() + picture * channels * in.pixels();
            for (std::int64_t c = 0; c < count; c += kPanel) {
              pack_patches(source, in, out, first + c, panels + c * depth_);
            }
            float* c = output.as<float>() + picture * rows * out.pixels() + first;
            multiply(kernel_, {weight_.data() + row * stride_, stride_, rows, panels, count, depth_,
                               c, out.pixels()});
            if (bias != nullptr) add_row_bias(c, out.pixels(), rows, count, bias + row);
          }
        });
  }

  static void add_row_bias(float* c, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                           const float* bias) {
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t i = 0; i < columns; ++i) c[r * stride + i] += bias[r];
    }
  }

  // The patches of 16 pixels, from `first` on, as a panel: all taps of channel 0, then of 1 ...
  void pack_patches(const float* x, const Image& in, const Image& out, std::int64_t first,
                    float* panel) const {
    const std::int64_t channels = depth_ / taps_;
    for (std::int64_t tap = 0; tap < taps_; ++tap) {
      std::int64_t place[kPanel];
      const bool run = find_places(in, out, first, tap, place);
      float* target = panel + tap * kPanel;
      const float* source = x;
      for (std::int64_t c = 0; c < channels; ++c) {
        if (run) {
          std::memcpy(target, source + place[0], kPanel * sizeof(float));
        } else {
          for (int lane = 0; lane < kPanel; ++lane) {
            target[lane] = place[lane] < 0 ? 0.0f : source[place[lane]];
          }
        }
        target += taps_ * kPanel;
        source += in.pixels();
      }
    }
  }

  // Where in a channel one tap of 16 pixels lies, -1 for a zero; whether they lie side by side.
  bool find_places(const Image& in, const Image& out, std::int64_t first, std::int64_t tap,
                   std::int64_t* place) const {
    const std::int64_t i = tap / spec_.kernel[1], j = tap % spec_.kernel[1];
    bool run = true;
    for (int lane = 0; lane < kPanel; ++lane) {
      const std::int64_t pixel = first + lane;
      const std::int64_t row = source_index(0, pixel / out.width, i, in.height);
      const std::int64_t column = source_index(1, pixel % out.width, j, in.width);
      place[lane] = row < 0 || column < 0 || pixel >= out.pixels() ? -1 : row * in.width + column;
      run = run && place[lane] >= 0 && place[lane] == place[0] + lane;
    }
    return run;
  }

  std::int64_t source_index(std::size_t axis, std::int64_t out, std::int64_t tap,
                            std::int64_t size) const {
    const std::int64_t at =
        out * spec_.stride[axis] - spec_.before[axis] + tap * spec_.dilation[axis];
    const std::int64_t spread = spec_.spread[axis];
    return at < 0 || at % spread != 0 || at / spread >= size ? -1 : at / spread;
  }

  void run_depthwise(const Tensor& x, const float* bias, const Tensor& output,
                     ThreadPool& pool) const {
    const Image in(x.shape), out(output.shape);
    const std::int64_t share = outputs_ / spec_.groups;  // outputs that read the same channel
    const std::int64_t products = out.pixels() * taps_;
    pool.parallel_ranges(x.shape[0] * outputs_, 1 + kTaskProducts / (products + 1),
                         [&](std::int64_t begin, std::int64_t end, int) {
                           for (std::int64_t map = begin; map < end; ++map) {
                             const std::int64_t o = map % outputs_;
                             const float* source = x.as<const float>() + map / share * in.pixels();
                             float* target = output.as<float>() + map * out.pixels();
                             for (std::int64_t row = 0; row < out.height;
                                  ++row, target += out.width) {
                               convolve_row(source, in, row, o, out.width, target);
                               if (bias == nullptr) continue;
                               for (std::int64_t c = 0; c < out.width; ++c) target[c] += bias[o];
                             }
                           }
                         });
  }

  // The taps' products are added in their order, as the reference does.
  void convolve_row(const float* x, const Image& in, std::int64_t row, std::int64_t output,
                    std::int64_t width, float* target) const {
    const float* weight = weight_.data() + output * stride_;
    std::fill_n(target, width, 0.0f);
    for (std::int64_t i = 0; i < spec_.kernel[0]; ++i) {
      const std::int64_t source = source_index(0, row, i, in.height);
      if (source < 0) continue;
      for (std::int64_t j = 0; j < spec_.kernel[1]; ++j) {
        add_tap(x + source * in.width, in.width, j, weight[i * spec_.kernel[1] + j], width, target);
      }
    }
  }

  void add_tap(const float* x, std::int64_t x_width, std::int64_t tap, float weight,
               std::int64_t width, float* target) const {
    const std::int64_t stride = spec_.stride[1];
    const std::int64_t at = tap * spec_.dilation[1] - spec_.before[1];  // of output 0
    const Run run(at, stride, x_width, width);
    if (run.count > 0) {
      math_.add_product(x + at + run.first * stride, stride, weight, target + run.first,
                        static_cast<std::size_t>(run.count));
    }
  }

  FloatConvSpec spec_;
  const FloatGemmKernel& kernel_;
  const FloatMathKernel& math_;
  std::int64_t outputs_;
  std::int64_t taps_;
  std::int64_t depth_;  // products of one output
  std::int64_t stride_;
  Buffer<float> weight_;
};

}  // namespace

OpPtr make_float_conv(const FloatConvSpec& spec, const FloatMatrix& weight, Isa isa) {
  const std::int64_t taps = std::int64_t{spec.kernel[0]} * spec.kernel[1];
  if (spec.groups < 1 || taps < 1 || weight.rows % spec.groups != 0 || weight.columns % taps != 0) {
    throw std::invalid_argument("a weight that does not fit its groups and kernel");
  }
  return std::make_shared<FloatConv>(spec, weight, isa);
}

}  // namespace intact
