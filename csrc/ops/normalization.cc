#include <utility>

#include "ops/codes.h"
#include "ops/normalizer.h"
#include "ops/portable.h"

namespace intact {
namespace {

class LayerNorm final : public Op {
 public:
  LayerNorm(std::int32_t axes, Normalizer normalizer)
      : axes_(axes), normalizer_(std::move(normalizer)) {}

  std::string kernel() const override { return "layer norm " + normalizer_.name(); }
  std::size_t packed_bytes() const override { return normalizer_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const int outer = x.shape.rank() - axes_;
    const std::int64_t count = x.shape.elements(outer, x.shape.rank());
    const auto group = [count](std::int64_t row) {
      return intact_norm_group{size(row * count), 1, size(count), 0, 0};
    };
    workspace.pool.parallel_ranges(x.shape.elements(0, outer), grain_of(count),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     normalizer_.run(x, output, begin, end, group);
                                   });
  }

 private:
  std::int32_t axes_;
  Normalizer normalizer_;
};

class GroupNorm final : public Op {
 public:
  GroupNorm(std::int32_t groups, Normalizer normalizer)
      : groups_(groups), normalizer_(std::move(normalizer)) {}

  std::string kernel() const override { return "group norm " + normalizer_.name(); }
  std::size_t packed_bytes() const override { return normalizer_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int64_t pixels = x.shape.elements(1, x.shape.rank() - 1);
    const intact_group_norm_shape shape{size(pixels), to_int32(x.shape[-1]), groups_};
    const auto group = [&shape](std::int64_t number) {
      return intact_group_norm_group(&shape, size(number));
    };
    workspace.pool.parallel_ranges(x.shape[0] * groups_, grain_of(pixels * x.shape[-1] / groups_),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     normalizer_.run(x, output, begin, end, group);
                                   });
  }

 private:
  std::int32_t groups_;
  Normalizer normalizer_;
};

}  // namespace

OpPtr make_layer_norm(std::int32_t axes, Normalization normalization, DType input, DType output,
                      Isa isa) {
  return std::make_shared<LayerNorm>(axes,
                                     Normalizer(std::move(normalization), input, output, isa));
}

OpPtr make_group_norm(std::int32_t groups, Normalization normalization, DType input, DType output,
                      Isa isa) {
  return std::make_shared<GroupNorm>(groups,
                                     Normalizer(std::move(normalization), input, output, isa));
}

}  // namespace intact
