#include <vector>

#include "ops/convolution.h"
#include "portable/intact_dynamic.h"

namespace intact {
namespace {

// The codes of real rows with a scale for each, and what turns sums of them into real numbers.
class DynamicRange {
 public:
  DynamicRange(int bits, Integers weight, RealChannels channels)
      : qmax_((1 << (bits - 1)) - 1),
        factors_{bits <= 8 ? INTACT_INT8 : INTACT_INT16, portable_type(weight.dtype), 0,
                 bits <= 8 ? 0 : 1},
        weight_(weight),
        weight_scale_(channels.weight_scale.begin(), channels.weight_scale.end()),
        bias_(channels.bias.begin(), channels.bias.end()) {}

  const intact_factors& factors() const { return factors_; }
  const void* weight() const { return weight_.data(); }
  std::size_t packed_bytes() const {
    return weight_.bytes() + (weight_scale_.size() + bias_.size()) * sizeof(float);
  }

  // Scratch for x in `rows` rows: the scales, then the codes.
  std::size_t scratch_bytes(const Tensor& x, std::int64_t rows) const {
    const auto elements = static_cast<std::size_t>(x.shape.elements());
    return codes_offset(rows) + elements * intact_size(factors_.x_type);
  }

  std::byte* codes(const Workspace& workspace, std::int64_t rows) const {
    return workspace.scratch + codes_offset(rows);
  }

  intact_real encode(const Tensor& x, std::int64_t rows, const Tensor& output,
                     Workspace& workspace) const {
    auto* scales = reinterpret_cast<float*>(workspace.scratch);
    const std::int64_t size = x.shape.elements() / rows;
    workspace.pool.parallel_ranges(
        rows, grain(2 * size), [&](std::int64_t begin, std::int64_t end, int) {
          intact_encode_rows(x.as<const float>(), static_cast<std::size_t>(size), qmax_, scales,
                             codes(workspace, rows), factors_.x_type,
                             static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
        });
    return {scales, weight_scale_.data(), bias_.data(), output.as<float>()};
  }

 private:
  static std::size_t codes_offset(std::int64_t rows) {
    return align_up(static_cast<std::size_t>(rows) * sizeof(float));
  }

  std::int32_t qmax_;
  intact_factors factors_;
  OwnedIntegers weight_;
  std::vector<float> weight_scale_;
  std::vector<float> bias_;
};

class DynamicConv2d final : public Op {
 public:
  DynamicConv2d(const Conv2dSpec& spec, int bits, Integers weight, RealChannels channels)
      : range_(bits, weight, channels), conv_(convolution_of(spec, range_.factors())) {}

  std::string kernel() const override { return "dynamic conv2d portable"; }
  std::size_t packed_bytes() const override { return range_.packed_bytes(); }
  std::size_t scratch_bytes(Inputs inputs, const Tensor&, int) const override {
    return range_.scratch_bytes(inputs[0], inputs[0].shape[0]);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t samples = inputs[0].shape[0];
    if (samples == 0) return;
    const intact_real real = range_.encode(inputs[0], samples, output, workspace);
    intact_conv conv = conv_;
    set_sizes(conv, inputs[0], output);
    const std::byte* codes = range_.codes(workspace, samples);
    share_rows(conv, workspace.pool, [&](std::size_t begin, std::size_t end) {
      intact_dynamic_conv2d(&conv, codes, range_.weight(), &real, begin, end);
    });
  }

 private:
  DynamicRange range_;
  intact_conv conv_;
};

class DynamicLinear final : public Op {
 public:
  DynamicLinear(int inputs, int outputs, int bits, Integers weight, RealChannels channels)
      : inputs_(inputs), outputs_(outputs), range_(bits, weight, channels) {}

  std::string kernel() const override { return "dynamic linear portable"; }
  std::size_t packed_bytes() const override { return range_.packed_bytes(); }
  std::size_t scratch_bytes(Inputs inputs, const Tensor&, int) const override {
    return range_.scratch_bytes(inputs[0], inputs[0].shape.elements() / inputs_);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t rows = inputs[0].shape.elements() / inputs_;
    if (rows == 0) return;
    const intact_real real = range_.encode(inputs[0], rows, output, workspace);
    const std::byte* codes = range_.codes(workspace, rows);
    const std::size_t blocks = intact_linear_blocks(static_cast<std::size_t>(rows), outputs_);
    workspace.pool.parallel_ranges(
        static_cast<std::int64_t>(blocks), grain(std::int64_t{inputs_} * INTACT_SUMS),
        [&](std::int64_t begin, std::int64_t end, int) {
          intact_dynamic_linear(&range_.factors(), inputs_, outputs_, codes, range_.weight(),
                                &real, static_cast<std::size_t>(begin),
                                static_cast<std::size_t>(end));
        });
  }

 private:
  std::int32_t inputs_;
  std::int32_t outputs_;
  DynamicRange range_;
};

}  // namespace

OpPtr make_dynamic_conv2d(const Conv2dSpec& spec, int bits, Integers weight,
                          RealChannels channels) {
  return std::make_shared<DynamicConv2d>(spec, bits, weight, channels);
}

OpPtr make_dynamic_linear(int inputs, int outputs, int bits, Integers weight,
                          RealChannels channels) {
  return std::make_shared<DynamicLinear>(inputs, outputs, bits, weight, channels);
}

}  // namespace intact
