#include <algorithm>

#include "core/buffer.h"
#include "ops/float_rows.h"
#include "ops/floats.h"
#include "ops/matrix_strides.h"

namespace intact {
namespace {

constexpr std::int64_t kColumns = 4 * kPanel;  // of a task

// Both matrices are computed: each task packs its columns of b.
class FloatMatMul final : public Op {
 public:
  explicit FloatMatMul(Isa isa) : kernel_(pick_float_gemm(isa)) {}

  std::string kernel() const override { return std::string("matmul ") + kernel_.name; }

  std::size_t scratch_bytes(Inputs inputs, const Tensor& /*output*/, int threads) const override {
    return static_cast<std::size_t>(threads) * own_bytes(inputs[1]);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor &a = inputs[0], &b = inputs[1];
    const std::int64_t rows = a.shape[-2], depth = a.shape[-1], columns = b.shape[-1];
    if (output.shape.elements() == 0) return;
    const MatrixStrides a_strides(a.shape, output.shape), b_strides(b.shape, output.shape);
    const std::int64_t matrices = output.shape.elements(0, output.shape.rank() - 2);
    const std::int64_t chunks = (columns + kColumns - 1) / kColumns;
    const std::int64_t products = rows * depth * std::min(columns, kColumns);
    workspace.pool.parallel_ranges(
        matrices * chunks, 1 + kTaskProducts / (products + 1),
        [&](std::int64_t begin, std::int64_t end, int worker) {
          auto* panels = reinterpret_cast<float*>(workspace.scratch +
                                                  own_bytes(b) * static_cast<std::size_t>(worker));
          for (std::int64_t task = begin; task < end; ++task) {
            const std::int64_t matrix = task / chunks, first = task % chunks * kColumns;
            const std::int64_t count = std::min(kColumns, columns - first);
            const float* right = b.as<const float>() + b_strides.at(matrix, output.shape) + first;
            for (std::int64_t c = 0; c < count; c += kPanel) {
              pack_panel(right, columns, 1, depth, count, c, panels + c * depth);
            }
            const float* left = a.as<const float>() + a_strides.at(matrix, output.shape);
            float* c = output.as<float>() + matrix * rows * columns + first;
            multiply(kernel_, {left, depth, rows, panels, count, depth, c, columns});
          }
        });
  }

 private:
  static std::size_t own_bytes(const Tensor& b) {
    return align_up(static_cast<std::size_t>(b.shape[-2] * kColumns) * sizeof(float));
  }

  const FloatGemmKernel& kernel_;
};

}  // namespace

OpPtr make_float_matmul(Isa isa) { return std::make_shared<FloatMatMul>(isa); }

}  // namespace intact
