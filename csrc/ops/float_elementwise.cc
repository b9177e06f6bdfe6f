#include <stdexcept>
#include <utility>

#include "ops/broadcast.h"
#include "ops/floats.h"
#include "ops/portable.h"
#include "portable/intact_elementwise.h"

namespace intact {
namespace {

class FloatActivation final : public Op {
 public:
  FloatActivation(const ActivationSpec& spec, Isa isa)
      : spec_(spec), kernel_(pick_float_math(isa)) {}

  std::string kernel() const override { return kernel_.name; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const auto* x = inputs[0].as<const float>();
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
          kernel_.activate(spec_, x + begin, output.as<float>() + begin, size(end - begin));
        });
  }

 private:
  ActivationSpec spec_;
  const FloatMathKernel& kernel_;
};

// `b_stride` is 1, or 0 where b repeats; so is a's.
template <class Function>
void combine(const float* a, std::size_t a_stride, const float* b, std::size_t b_stride,
             std::size_t count, float* y, Function function) {
  if (a_stride == 1 && b_stride == 1) {
    for (std::size_t i = 0; i < count; ++i) y[i] = function(a[i], b[i]);
  } else if (a_stride == 1) {
    for (std::size_t i = 0; i < count; ++i) y[i] = function(a[i], *b);
  } else {
    for (std::size_t i = 0; i < count; ++i) y[i] = function(*a, b[i * b_stride]);
  }
}

class FloatBinary final : public Op {
 public:
  explicit FloatBinary(Binary kind) : kind_(kind) {}

  std::string kernel() const override {
    switch (kind_) {
      case Binary::kAdd:
        return "add float";
      case Binary::kSub:
        return "sub float";
      case Binary::kMul:
        return "mul float";
    }
    return {};
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    switch (kind_) {
      case Binary::kAdd:
        return share(inputs, output, workspace, [](float a, float b) { return a + b; });
      case Binary::kSub:
        return share(inputs, output, workspace, [](float a, float b) { return a - b; });
      case Binary::kMul:
        return share(inputs, output, workspace, [](float a, float b) { return a * b; });
    }
  }

 private:
  template <class Function>
  static void share(Inputs inputs, const Tensor& output, Workspace& workspace, Function function) {
    const intact_grid grid = broadcast(inputs[0], inputs[1]);
    const int last = grid.rank - 1;
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
          intact_blocks blocks;
          intact_blocks_start(&blocks, &grid, size(begin), size(end));
          while (blocks.element < size(end)) {
            const std::size_t first = blocks.element;
            const intact_block_place at = intact_blocks_next(&blocks);
            combine(inputs[0].as<const float>() + at.a, grid.stride[0][last],
                    inputs[1].as<const float>() + at.b, grid.stride[1][last], at.count,
                    output.as<float>() + first, function);
          }
        });
  }

  Binary kind_;
};

// task(channel, first element, count) for the channels of every sample.
template <class Task>
void share_channels(const Shape& shape, Workspace& workspace, const Task& task) {
  const std::int64_t inner = shape.elements(2, shape.rank());
  workspace.pool.parallel_ranges(shape[0] * shape[1], grain_of(inner),
                                 [&](std::int64_t begin, std::int64_t end, int) {
                                   for (std::int64_t map = begin; map < end; ++map) {
                                     task(map % shape[1], map * inner, inner);
                                   }
                                 });
}

class FloatPrelu final : public Op {
 public:
  std::string kernel() const override { return "prelu float"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const auto* slopes = inputs[1].as<const float>();
    const bool one = inputs[1].shape.elements() == 1;
    share_channels(output.shape, workspace,
                   [&](std::int64_t channel, std::int64_t first, std::int64_t count) {
                     const float slope = slopes[one ? 0 : channel];
                     const float* x = inputs[0].as<const float>() + first;
                     float* y = output.as<float>() + first;
                     for (std::int64_t i = 0; i < count; ++i) {
                       y[i] = x[i] >= 0.0f ? x[i] : x[i] * slope;
                     }
                   });
  }
};

class ChannelAffine final : public Op {
 public:
  ChannelAffine(std::vector<float> gain, std::vector<float> shift)
      : gain_(std::move(gain)), shift_(std::move(shift)) {}

  std::string kernel() const override { return "channel affine float"; }
  std::size_t packed_bytes() const override {
    return (gain_.size() + shift_.size()) * sizeof(float);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    share_channels(output.shape, workspace,
                   [&](std::int64_t channel, std::int64_t first, std::int64_t count) {
                     const float gain = gain_[size(channel)], shift = shift_[size(channel)];
                     const float* x = inputs[0].as<const float>() + first;
                     float* y = output.as<float>() + first;
                     for (std::int64_t i = 0; i < count; ++i) y[i] = x[i] * gain + shift;
                   });
  }

 private:
  std::vector<float> gain_;
  std::vector<float> shift_;
};

class ChannelClamp final : public Op {
 public:
  ChannelClamp(std::vector<float> low, std::vector<float> high)
      : low_(std::move(low)), high_(std::move(high)) {}

  std::string kernel() const override { return "channel clamp float"; }
  std::size_t packed_bytes() const override { return (low_.size() + high_.size()) * sizeof(float); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    share_channels(output.shape, workspace,
                   [&](std::int64_t channel, std::int64_t first, std::int64_t count) {
                     const float low = low_[size(channel)], high = high_[size(channel)];
                     const float* x = inputs[0].as<const float>() + first;
                     float* y = output.as<float>() + first;
                     for (std::int64_t i = 0; i < count; ++i) {
                       y[i] = std::min(std::max(x[i], low), high);
                     }
                   });
  }

 private:
  std::vector<float> low_;
  std::vector<float> high_;
};

}  // namespace

OpPtr make_activation(const ActivationSpec& spec, Isa isa) {
  return std::make_shared<FloatActivation>(spec, isa);
}

OpPtr make_float_binary(Binary kind) { return std::make_shared<FloatBinary>(kind); }

OpPtr make_float_prelu() { return std::make_shared<FloatPrelu>(); }

OpPtr make_channel_clamp(std::vector<float> low, std::vector<float> high) {
  if (low.size() != high.size()) throw std::invalid_argument("a low and a high bound per channel");
  return std::make_shared<ChannelClamp>(std::move(low), std::move(high));
}

OpPtr make_channel_affine(std::vector<float> gain, std::vector<float> shift) {
  if (gain.size() != shift.size()) throw std::invalid_argument("a gain and a shift per channel");
  return std::make_shared<ChannelAffine>(std::move(gain), std::move(shift));
}

}  // namespace intact
