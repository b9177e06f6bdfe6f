#include <algorithm>

#include "core/buffer.h"
#include "ops/float_rows.h"
#include "ops/floats.h"

namespace intact {
namespace {

constexpr std::int64_t kColumns = 4 * kPanel;  // of a task
constexpr std::int64_t kRows = 96;             // of a task

class Linear final : public Op {
 public:
  Linear(const FloatMatrix& weight, Isa isa)
      : kernel_(pick_float_gemm(isa)),
        outputs_(weight.rows),
        depth_(weight.columns),
        panels_(static_cast<std::size_t>((outputs_ + kPanel - 1) / kPanel * kPanel * depth_)) {
    for (std::int64_t o = 0; o < outputs_; o += kPanel) {
      pack_panel(weight.data, 1, depth_, depth_, outputs_, o, panels_.data() + o * depth_);
    }
  }

  std::string kernel() const override { return std::string("linear ") + kernel_.name; }
  std::size_t packed_bytes() const override { return panels_.bytes(); }

  std::size_t scratch_bytes(Inputs inputs, const Tensor& /*output*/,
                            int /*threads*/) const override {
    const std::int64_t rows = rows_of(inputs[0]);
    if (rows <= 1) return 0;
    return static_cast<std::size_t>(rows * spread(depth_)) * sizeof(float);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t rows = rows_of(inputs[0]);
    if (rows == 0 || outputs_ == 0) return;
    const float* x = inputs[0].as<const float>();
    std::int64_t stride = depth_;
    if (rows > 1) {
      stride = spread(depth_);
      auto* copy = reinterpret_cast<float*>(workspace.scratch);
      copy_rows(x, rows, depth_, stride, copy, workspace.pool);
      x = copy;
    }
    const float* bias = inputs.size() > 1 ? inputs[1].as<const float>() : nullptr;
    const std::int64_t chunks = (outputs_ + kColumns - 1) / kColumns;
    const std::int64_t blocks = (rows + kRows - 1) / kRows;
    const std::int64_t products = depth_ * std::min(rows, kRows) * std::min(outputs_, kColumns);
    workspace.pool.parallel_ranges(
        chunks * blocks, 1 + kTaskProducts / (products + 1),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t row = task / chunks * kRows;
            const std::int64_t column = task % chunks * kColumns;
            const std::int64_t count = std::min(kRows, rows - row);
            const std::int64_t width = std::min(kColumns, outputs_ - column);
            float* c = output.as<float>() + row * outputs_ + column;
            multiply(kernel_, {x + row * stride, stride, count, panels_.data() + column * depth_,
                               width, depth_, c, outputs_});
            if (bias != nullptr) add_bias(c, outputs_, count, width, bias + column);
          }
        });
  }

 private:
  std::int64_t rows_of(const Tensor& x) const { return x.shape.elements(0, x.shape.rank() - 1); }

  const FloatGemmKernel& kernel_;
  std::int64_t outputs_;
  std::int64_t depth_;
  Buffer<float> panels_;
};

}  // namespace

OpPtr make_linear(const FloatMatrix& weight, Isa isa) {
  return std::make_shared<Linear>(weight, isa);
}

}  // namespace intact
