#include <atomic>
#include <stdexcept>

#include "ops/layers.h"
#include "ops/portable.h"
#include "portable/intact_linear.h"

namespace intact {
namespace {

class PortableLinear final : public Op {
 public:
  PortableLinear(const LinearSpec& spec, Integers weight, Integers bias, const Requant& requant)
      : inputs_(spec.inputs),
        outputs_(spec.outputs),
        factors_{portable_type(spec.input), portable_type(weight.dtype), spec.input_zero_point,
                 requant.wide() ? 1 : 0},
        output_(portable_type(spec.output)),
        weight_(weight),
        bias_(bias),
        requant_(requant) {}

  std::string kernel() const override { return "linear portable"; }
  std::size_t packed_bytes() const override { return weight_.bytes() + bias_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const intact_requant requant = requant_.view();
    const intact_finish finish{bias_.data(), bias_.dtype() == DType::kInt64 ? 1 : 0, &requant,
                               output.data, output_};
    const auto rows = static_cast<std::size_t>(output.shape.elements() / outputs_);
    const std::size_t blocks = intact_linear_blocks(rows, outputs_);
    workspace.pool.parallel_ranges(
        static_cast<std::int64_t>(blocks), grain(std::int64_t{inputs_} * INTACT_SUMS),
        [&](std::int64_t begin, std::int64_t end, int) {
          intact_linear(&factors_, inputs_, outputs_, inputs[0].data, weight_.data(), &finish,
                        static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
        });
  }

 private:
  std::int32_t inputs_;
  std::int32_t outputs_;
  intact_factors factors_;
  intact_type output_;
  OwnedIntegers weight_;
  OwnedIntegers bias_;
  Requant requant_;
};

// For each leading axis of `out`, the matrices of an operand from one index to the next.
struct MatrixSteps {
  std::int32_t steps[Shape::kMaxRank] = {};

  MatrixSteps(const Shape& operand, int rank) {
    std::int64_t matrices = 1;
    for (int axis = operand.rank() - 3; axis >= 0; --axis) {
      // A shorter operand has the last axes.
      const int own = axis + rank + 2 - operand.rank();
      steps[own] = operand[axis] == 1 ? 0 : to_int32(matrices);
      matrices *= operand[axis];
    }
  }
};

class PortableMatMul final : public Op {
 public:
  PortableMatMul(std::int32_t a_zero_point, std::int32_t b_zero_point, const Requant& requant)
      : a_zero_point_(a_zero_point), b_zero_point_(b_zero_point), requant_(requant) {}

  std::string kernel() const override { return "matmul portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor &a = inputs[0], &b = inputs[1];
    const int rank = output.shape.rank() - 2;
    const MatrixSteps a_steps(a.shape, rank), b_steps(b.shape, rank);
    std::int32_t shape[Shape::kMaxRank] = {};
    for (int axis = 0; axis < rank; ++axis) shape[axis] = to_int32(output.shape[axis]);
    const intact_product product{to_int32(a.shape[-2]),      to_int32(a.shape[-1]),
                                 to_int32(b.shape[-1]),      rank,
                                 shape,                      a_steps.steps,
                                 b_steps.steps,              a_zero_point_,
                                 b_zero_point_,              portable_type(a.dtype),
                                 portable_type(b.dtype),     portable_type(output.dtype),
                                 requant_.view()};
    workspace.pool.parallel_ranges(
        output.shape.elements(0, rank + 1), grain(a.shape[-1] * b.shape[-1]),
        [&](std::int64_t begin, std::int64_t end, int) {
          intact_matmul(&product, a.data, b.data, output.data, static_cast<std::size_t>(begin),
                        static_cast<std::size_t>(end));
        });
  }

 private:
  std::int32_t a_zero_point_;
  std::int32_t b_zero_point_;
  Requant requant_;
};

class PortableEmbedding final : public Op {
 public:
  PortableEmbedding(int vocabulary, int depth, Integers weight, const Requant& requant)
      : vocabulary_(vocabulary), depth_(depth), weight_(weight), requant_(requant) {}

  std::string kernel() const override { return "embedding portable"; }
  std::size_t packed_bytes() const override { return weight_.bytes(); }

  // Indices of fewer than 32 bits, widened.
  std::size_t scratch_bytes(Inputs inputs, const Tensor&, int) const override {
    const Tensor& indices = inputs[0];
    return indices_fit(indices) ? 0
                                : static_cast<std::size_t>(indices.shape.elements()) *
                                      sizeof(std::int32_t);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& indices = inputs[0];
    const intact_table table{vocabulary_,
                             depth_,
                             indices.dtype == DType::kInt64 ? 1 : 0,
                             portable_type(weight_.dtype()),
                             portable_type(output.dtype),
                             requant_.view()};
    const void* numbers = indices.data;
    if (!indices_fit(indices)) numbers = widened(indices, workspace);
    std::atomic<bool> outside{false};
    workspace.pool.parallel_ranges(
        indices.shape.elements(), grain(depth_), [&](std::int64_t begin, std::int64_t end, int) {
          if (intact_embedding(&table, numbers, weight_.data(), output.data,
                               static_cast<std::size_t>(begin), static_cast<std::size_t>(end))) {
            outside = true;
          }
        });
    if (outside) {
      throw std::out_of_range("an index is out of range: rows are 0.." +
                              std::to_string(vocabulary_ - 1));
    }
  }

 private:
  static bool indices_fit(const Tensor& indices) {
    return indices.dtype == DType::kInt32 || indices.dtype == DType::kInt64;
  }

  static const std::int32_t* widened(const Tensor& indices, const Workspace& workspace) {
    auto* wide = reinterpret_cast<std::int32_t*>(workspace.scratch);
    const intact_type type = portable_type(indices.dtype);
    for (std::int64_t i = 0; i < indices.shape.elements(); ++i) {
      wide[i] = intact_load(indices.data, type, static_cast<std::size_t>(i));
    }
    return wide;
  }

  std::int32_t vocabulary_;
  std::int32_t depth_;
  OwnedIntegers weight_;
  Requant requant_;
};

}  // namespace

OpPtr make_portable_linear(const LinearSpec& spec, Integers weight, Integers bias,
                           const Requant& requant) {
  return std::make_shared<PortableLinear>(spec, weight, bias, requant);
}

OpPtr make_portable_matmul(std::int32_t a_zero_point, std::int32_t b_zero_point,
                           const Requant& requant) {
  return std::make_shared<PortableMatMul>(a_zero_point, b_zero_point, requant);
}

OpPtr make_embedding(int vocabulary, int depth, Integers weight, const Requant& requant) {
  return std::make_shared<PortableEmbedding>(vocabulary, depth, weight, requant);
}

}  // namespace intact
