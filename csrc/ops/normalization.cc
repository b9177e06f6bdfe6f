#include <utility>

#include "ops/codes.h"
#include "ops/portable.h"
#include "portable/intact_normalization.h"

namespace intact {
namespace {

intact_normalization view(const Normalization& numbers, const Tensor& x, const Tensor& output) {
  return intact_normalization{
      numbers.epsilon,     numbers.gain_sign.data(), numbers.gain.view(),
      numbers.beta.data(), numbers.zero_point,       numbers.output.qmin,
      numbers.output.qmax, portable_type(x.dtype),   portable_type(output.dtype)};
}

class LayerNorm final : public Op {
 public:
  LayerNorm(std::int32_t axes, Normalization numbers) : axes_(axes), numbers_(std::move(numbers)) {}

  std::string kernel() const override { return "layer norm portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_normalization params = view(numbers_, x, output);
    const int outer = x.shape.rank() - axes_;
    const std::int64_t count = x.shape.elements(outer, x.shape.rank());
    workspace.pool.parallel_ranges(x.shape.elements(0, outer), grain_of(count),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     intact_layer_norm(x.data, output.data, &params, size(count),
                                                       size(begin), size(end));
                                   });
  }

 private:
  std::int32_t axes_;
  Normalization numbers_;
};

class GroupNorm final : public Op {
 public:
  GroupNorm(std::int32_t groups, Normalization numbers)
      : groups_(groups), numbers_(std::move(numbers)) {}

  std::string kernel() const override { return "group norm portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_normalization params = view(numbers_, x, output);
    const std::int64_t pixels = x.shape.elements(1, x.shape.rank() - 1);
    const intact_group_norm_shape shape{size(pixels), to_int32(x.shape[-1]), groups_};
    workspace.pool.parallel_ranges(x.shape[0] * groups_, grain_of(pixels * x.shape[-1] / groups_),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     intact_group_norm(x.data, output.data, &params, &shape,
                                                       size(begin), size(end));
                                   });
  }

 private:
  std::int32_t groups_;
  Normalization numbers_;
};

}  // namespace

OpPtr make_layer_norm(std::int32_t axes, Normalization normalization) {
  return std::make_shared<LayerNorm>(axes, std::move(normalization));
}

OpPtr make_group_norm(std::int32_t groups, Normalization normalization) {
  return std::make_shared<GroupNorm>(groups, std::move(normalization));
}

}  // namespace intact
