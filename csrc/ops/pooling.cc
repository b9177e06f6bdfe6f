#include <algorithm>
#include <utility>

#include "ops/pooling.h"

namespace intact {
namespace {

class MaxPool2d final : public Op {
 public:
  explicit MaxPool2d(const PoolWindow& window) : window_(window) {}

  std::string kernel() const override { return "max pool portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_pool_params params = window_.params(x, output);
    share_pool_rows(output, window_.taps(), workspace, [&](std::size_t begin, std::size_t end) {
      intact_max_pool2d(x.data, output.data, &params, begin, end);
    });
  }

 private:
  PoolWindow window_;
};

class AvgPool2d final : public Op {
 public:
  AvgPool2d(const PoolWindow& window, bool count_include_pad, std::int32_t zero_point)
      : window_(window), count_include_pad_(count_include_pad), zero_point_(zero_point) {}

  std::string kernel() const override { return "average pool portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_pool_params params = window_.params(x, output);
    share_pool_rows(output, window_.taps(), workspace, [&](std::size_t begin, std::size_t end) {
      intact_avg_pool2d(x.data, output.data, &params, count_include_pad_ ? 1 : 0, zero_point_,
                        begin, end);
    });
  }

 private:
  PoolWindow window_;
  bool count_include_pad_;
  std::int32_t zero_point_;
};

class AdaptiveAvgPool2d final : public Op {
 public:
  std::string kernel() const override { return "adaptive average pool portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    if (output.bytes() == 0) return;
    const intact_pool_params params = pool_sizes(x, output);
    const std::int64_t taps = x.shape.elements() / output.shape.elements() + 1;
    share_pool_rows(output, taps, workspace, [&](std::size_t begin, std::size_t end) {
      intact_adaptive_avg_pool2d(x.data, output.data, &params, begin, end);
    });
  }
};

class Mean final : public Op {
 public:
  Mean(const std::vector<std::int32_t>& axes, std::int32_t input_zero_point, Requant requant)
      : input_zero_point_(input_zero_point), requant_(std::move(requant)) {
    for (const std::int32_t axis : axes) {
      if (axis < 0 || axis >= Shape::kMaxRank) throw std::invalid_argument("no such axis");
      axes_ |= std::uint32_t{1} << axis;
    }
  }

  std::string kernel() const override { return "mean portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    if (output.bytes() == 0) return;
    const Dims shape(x.shape);
    const intact_mean_params params{input_zero_point_, requant_.view(), portable_type(x.dtype),
                                    portable_type(output.dtype)};
    intact_reduction reduction;
    intact_reduce(&reduction, shape.sizes, shape.rank, axes_);
    const std::int64_t count = output.shape.elements();
    // At least a cache line of channels, since every range walks over all pixels.
    const std::int64_t grain = std::max<std::int64_t>(grain_of(x.shape.elements() / count), 64);
    workspace.pool.parallel_ranges(count, grain, [&](std::int64_t begin, std::int64_t end, int) {
      intact_mean(x.data, output.data, &reduction, &params, size(begin), size(end));
    });
  }

 private:
  std::uint32_t axes_ = 0;
  std::int32_t input_zero_point_;
  Requant requant_;
};

}  // namespace

OpPtr make_max_pool2d(Pair kernel, Pair stride, Padding padding, Pair dilation, Isa isa) {
  const PoolWindow window{kernel, stride, padding, dilation};
  if (OpPtr op = make_max_pool8(window, isa)) return op;
  return std::make_shared<MaxPool2d>(window);
}

OpPtr make_avg_pool2d(Pair kernel, Pair stride, Padding padding, bool count_include_pad,
                      std::int32_t zero_point, Isa isa) {
  const PoolWindow window{kernel, stride, padding, {1, 1}};
  if (OpPtr op = make_avg_pool8(window, count_include_pad, zero_point, isa)) return op;
  return std::make_shared<AvgPool2d>(window, count_include_pad, zero_point);
}

OpPtr make_adaptive_avg_pool2d(std::int64_t pixels, Isa isa) {
  if (OpPtr op = make_adaptive_avg_pool8(pixels, isa)) return op;
  return std::make_shared<AdaptiveAvgPool2d>();
}

OpPtr make_mean(const std::vector<std::int32_t>& axes, std::int32_t input_zero_point,
                Requant requant, DType output, Isa isa) {
  if (OpPtr op = make_mean8(axes, input_zero_point, requant, output, isa)) return op;
  return std::make_shared<Mean>(axes, input_zero_point, std::move(requant));
}

}  // namespace intact
