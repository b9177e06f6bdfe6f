#include "core/buffer.h"
#include "ops/floats.h"
#include "ops/portable.h"

namespace intact {
namespace {

class FloatSoftmax final : public Op {
 public:
  FloatSoftmax(int axis, Isa isa) : axis_(axis), kernel_(pick_float_math(isa)) {}

  std::string kernel() const override { return std::string("softmax ") + kernel_.name; }

  // Where elements of the axis are apart, a worker gathers them and their results.
  std::size_t scratch_bytes(Inputs inputs, const Tensor& /*output*/, int threads) const override {
    const Shape& shape = inputs[0].shape;
    if (shape.elements(axis_ + 1, shape.rank()) == 1) return 0;
    return static_cast<std::size_t>(threads) * own_bytes(shape);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Shape& shape = output.shape;
    const std::int64_t count = shape[axis_], inner = shape.elements(axis_ + 1, shape.rank());
    const auto* x = inputs[0].as<const float>();
    auto* y = output.as<float>();
    if (count == 0) return;
    workspace.pool.parallel_ranges(
        shape.elements() / count, grain_of(8 * count),
        [&](std::int64_t begin, std::int64_t end, int worker) {
          auto* own = reinterpret_cast<float*>(workspace.scratch +
                                               own_bytes(shape) * static_cast<std::size_t>(worker));
          for (std::int64_t line = begin; line < end; ++line) {
            const std::int64_t first = line / inner * inner * count + line % inner;
            if (inner == 1) {
              kernel_.softmax(x + first, y + first, size(count));
              continue;
            }
            for (std::int64_t i = 0; i < count; ++i) own[i] = x[first + i * inner];
            kernel_.softmax(own, own + count, size(count));
            for (std::int64_t i = 0; i < count; ++i) y[first + i * inner] = own[count + i];
          }
        });
  }

 private:
  std::size_t own_bytes(const Shape& shape) const {
    return align_up(static_cast<std::size_t>(2 * shape[axis_]) * sizeof(float));
  }

  int axis_;
  const FloatMathKernel& kernel_;
};

class FloatLayerNorm final : public Op {
 public:
  FloatLayerNorm(int axes, float eps, Isa isa)
      : axes_(axes), eps_(eps), kernel_(pick_float_math(isa)) {}

  std::string kernel() const override { return std::string("layer norm ") + kernel_.name; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Shape& shape = output.shape;
    const std::int64_t count = shape.elements(shape.rank() - axes_, shape.rank());
    if (count == 0) return;
    const auto *x = inputs[0].as<const float>(), *gamma = inputs[1].as<const float>();
    const auto* beta = inputs[2].as<const float>();
    workspace.pool.parallel_ranges(shape.elements() / count, grain_of(4 * count),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     for (std::int64_t row = begin; row < end; ++row) {
                                       float* y = output.as<float>() + row * count;
                                       kernel_.standardize(x + row * count, y, size(count), eps_);
                                       for (std::int64_t i = 0; i < count; ++i)
                                         y[i] = y[i] * gamma[i] + beta[i];
                                     }
                                   });
  }

 private:
  int axes_;
  float eps_;
  const FloatMathKernel& kernel_;
};

class FloatGroupNorm final : public Op {
 public:
  FloatGroupNorm(int groups, float eps, Isa isa)
      : groups_(groups), eps_(eps), kernel_(pick_float_math(isa)) {}

  std::string kernel() const override { return std::string("group norm ") + kernel_.name; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Shape& shape = output.shape;
    const std::int64_t channels = shape[1] / groups_, inner = shape.elements(2, shape.rank());
    const std::int64_t count = channels * inner;
    const auto *x = inputs[0].as<const float>(), *gamma = inputs[1].as<const float>();
    const auto* beta = inputs[2].as<const float>();
    workspace.pool.parallel_ranges(
        shape[0] * groups_, grain_of(4 * count), [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t group = begin; group < end; ++group) {
            float* y = output.as<float>() + group * count;
            kernel_.standardize(x + group * count, y, size(count), eps_);
            const std::int64_t first = group % groups_ * channels;
            for (std::int64_t c = first; c < first + channels; ++c, y += inner) {
              for (std::int64_t i = 0; i < inner; ++i) y[i] = y[i] * gamma[c] + beta[c];
            }
          }
        });
  }

 private:
  int groups_;
  float eps_;
  const FloatMathKernel& kernel_;
};

}  // namespace

OpPtr make_float_softmax(int axis, Isa isa) { return std::make_shared<FloatSoftmax>(axis, isa); }

OpPtr make_float_layer_norm(int axes, float eps, Isa isa) {
  return std::make_shared<FloatLayerNorm>(axes, eps, isa);
}

OpPtr make_float_group_norm(int groups, float eps, Isa isa) {
  return std::make_shared<FloatGroupNorm>(groups, eps, isa);
}

}  // namespace intact
