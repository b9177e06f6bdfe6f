#include <utility>

#include "kernels/loops/loops.h"
#include "ops/broadcast.h"
#include "ops/codes.h"

namespace intact {
namespace {

class Sum final : public Op {
 public:
  Sum(const intact_operand& a, const intact_operand& b, std::int32_t left_shift, bool subtract,
      Requant requant, const Loops& loops)
      : a_(a),
        b_(b),
        left_shift_(left_shift),
        subtract_(subtract),
        requant_(std::move(requant)),
        loops_(loops) {}

  std::string kernel() const override {
    return std::string(subtract_ ? "sub " : "add ") + loops_.name;
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor &a = inputs[0], &b = inputs[1];
    const intact_grid grid = broadcast(a, b);
    const intact_sum_params params{a_,
                                   b_,
                                   left_shift_,
                                   subtract_ ? 1 : 0,
                                   requant_.view(),
                                   portable_type(a.dtype),
                                   portable_type(b.dtype),
                                   portable_type(output.dtype)};
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
          loops_.sum(a.data, b.data, output.data, &grid, &params, size(begin), size(end));
        });
  }

 private:
  intact_operand a_;
  intact_operand b_;
  std::int32_t left_shift_;
  bool subtract_;
  Requant requant_;
  const Loops& loops_;
};

class Mul final : public Op {
 public:
  Mul(std::int32_t a_zero_point, std::int32_t b_zero_point, Requant requant, const Loops& loops)
      : a_zero_point_(a_zero_point),
        b_zero_point_(b_zero_point),
        requant_(std::move(requant)),
        loops_(loops) {}

  std::string kernel() const override { return std::string("mul ") + loops_.name; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor &a = inputs[0], &b = inputs[1];
    const intact_grid grid = broadcast(a, b);
    const intact_mul_params params{a_zero_point_,          b_zero_point_,
                                   requant_.view(),        portable_type(a.dtype),
                                   portable_type(b.dtype), portable_type(output.dtype)};
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
          loops_.mul(a.data, b.data, output.data, &grid, &params, size(begin), size(end));
        });
  }

 private:
  std::int32_t a_zero_point_;
  std::int32_t b_zero_point_;
  Requant requant_;
  const Loops& loops_;
};

class Prelu final : public Op {
 public:
  Prelu(std::int32_t input_zero_point, std::int32_t slope_zero_point, Requant positive,
        Requant negative)
      : input_zero_point_(input_zero_point),
        slope_zero_point_(slope_zero_point),
        positive_(std::move(positive)),
        negative_(std::move(negative)) {}

  std::string kernel() const override { return "prelu portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor &x = inputs[0], &slope = inputs[1];
    const intact_prelu_params params{
        input_zero_point_,          slope_zero_point_,          to_int32(slope.shape.elements()),
        positive_.view(),           negative_.view(),           portable_type(x.dtype),
        portable_type(slope.dtype), portable_type(output.dtype)};
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
          intact_prelu(x.data, slope.data, output.data, &params, size(begin), size(end));
        });
  }

 private:
  std::int32_t input_zero_point_;
  std::int32_t slope_zero_point_;
  Requant positive_;
  Requant negative_;
};

class InterpolatedLookup final : public Op {
 public:
  InterpolatedLookup(std::vector<std::int32_t> table, std::int32_t bits, CodeRange input,
                     CodeRange output, const Loops& loops)
      : table_(std::move(table)), bits_(bits), input_(input), output_(output), loops_(loops) {
    if (table_.size() != 513 || bits < 9 || bits > 16) {
      throw std::invalid_argument("an interpolated table has 513 entries for 9 to 16 bits");
    }
  }

  std::string kernel() const override {
    return std::string("interpolated lookup ") + loops_.name;
  }
  std::size_t packed_bytes() const override { return table_.size() * sizeof(table_[0]); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_interpolated_lookup_params params{table_.data(),
                                                   bits_,
                                                   input_.qmin,
                                                   input_.qmax,
                                                   output_.qmin,
                                                   output_.qmax,
                                                   portable_type(x.dtype),
                                                   portable_type(output.dtype)};
    workspace.pool.parallel_ranges(
        output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
          loops_.interpolated_lookup(x.data, output.data, &params, size(begin), size(end));
        });
  }

 private:
  std::vector<std::int32_t> table_;
  std::int32_t bits_;
  CodeRange input_;
  CodeRange output_;
  const Loops& loops_;
};

}  // namespace

OpPtr make_sum(const intact_operand& a, const intact_operand& b, std::int32_t left_shift,
               bool subtract, Requant requant, Isa isa) {
  return std::make_shared<Sum>(a, b, left_shift, subtract, std::move(requant), pick_loops(isa));
}

OpPtr make_mul(std::int32_t a_zero_point, std::int32_t b_zero_point, Requant requant,
               Isa isa) {
  return std::make_shared<Mul>(a_zero_point, b_zero_point, std::move(requant), pick_loops(isa));
}

OpPtr make_prelu(std::int32_t input_zero_point, std::int32_t slope_zero_point, Requant positive,
                 Requant negative) {
  return std::make_shared<Prelu>(input_zero_point, slope_zero_point, std::move(positive),
                                 std::move(negative));
}

OpPtr make_interpolated_lookup(std::vector<std::int32_t> table, std::int32_t bits, CodeRange input,
                               CodeRange output, Isa isa) {
  return std::make_shared<InterpolatedLookup>(std::move(table), bits, input, output,
                                              pick_loops(isa));
}

}  // namespace intact
