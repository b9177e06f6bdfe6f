#include <algorithm>
#include <utility>

#include "ops/codes.h"
#include "ops/portable.h"
#include "portable/intact_pooling.h"

namespace intact {
namespace {

// The sizes of a pool's tensors; windows are the caller's.
intact_pool_params sizes(const Tensor& x, const Tensor& output) {
  intact_pool_params params{};
  params.n = to_int32(x.shape[0]);
  params.h = to_int32(x.shape[1]);
  params.w = to_int32(x.shape[2]);
  params.c = to_int32(x.shape[3]);
  params.out_h = to_int32(output.shape[1]);
  params.out_w = to_int32(output.shape[2]);
  params.dilation_h = 1;
  params.dilation_w = 1;
  params.type = portable_type(x.dtype);
  return params;
}

struct Window {
  Pair kernel;
  Pair stride;
  Padding padding;
  Pair dilation;

  intact_pool_params params(const Tensor& x, const Tensor& output) const {
    intact_pool_params params = sizes(x, output);
    params.kernel_h = kernel[0];
    params.kernel_w = kernel[1];
    params.stride_h = stride[0];
    params.stride_w = stride[1];
    params.dilation_h = dilation[0];
    params.dilation_w = dilation[1];
    params.top = padding[0][0];
    params.bottom = padding[0][1];
    params.left = padding[1][0];
    params.right = padding[1][1];
    return params;
  }

  std::int64_t taps() const { return std::int64_t{kernel[0]} * kernel[1]; }
};

// Calls task(begin, end) on ranges of the output's rows; `taps`: reads for each of its elements.
template <typename Task>
void share_rows(const Tensor& output, std::int64_t taps, Workspace& workspace, const Task& task) {
  const Shape& shape = output.shape;
  workspace.pool.parallel_ranges(
      shape[0] * shape[1], grain_of(shape[2] * shape[3] * taps),
      [&](std::int64_t begin, std::int64_t end, int) { task(size(begin), size(end)); });
}

class MaxPool2d final : public Op {
 public:
  explicit MaxPool2d(const Window& window) : window_(window) {}

  std::string kernel() const override { return "max pool portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_pool_params params = window_.params(x, output);
    share_rows(output, window_.taps(), workspace, [&](std::size_t begin, std::size_t end) {
      intact_max_pool2d(x.data, output.data, &params, begin, end);
    });
  }

 private:
  Window window_;
};

class AvgPool2d final : public Op {
 public:
  AvgPool2d(const Window& window, bool count_include_pad, std::int32_t zero_point)
      : window_(window), count_include_pad_(count_include_pad), zero_point_(zero_point) {}

  std::string kernel() const override { return "average pool portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_pool_params params = window_.params(x, output);
    share_rows(output, window_.taps(), workspace, [&](std::size_t begin, std::size_t end) {
      intact_avg_pool2d(x.data, output.data, &params, count_include_pad_ ? 1 : 0, zero_point_,
                        begin, end);
    });
  }

 private:
  Window window_;
  bool count_include_pad_;
  std::int32_t zero_point_;
};

class AdaptiveAvgPool2d final : public Op {
 public:
  std::string kernel() const override { return "adaptive average pool portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    if (output.bytes() == 0) return;
    const intact_pool_params params = sizes(x, output);
    const std::int64_t taps = x.shape.elements() / output.shape.elements() + 1;
    share_rows(output, taps, workspace, [&](std::size_t begin, std::size_t end) {
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

OpPtr make_max_pool2d(Pair kernel, Pair stride, Padding padding, Pair dilation) {
  return std::make_shared<MaxPool2d>(Window{kernel, stride, padding, dilation});
}

OpPtr make_avg_pool2d(Pair kernel, Pair stride, Padding padding, bool count_include_pad,
                      std::int32_t zero_point) {
  return std::make_shared<AvgPool2d>(Window{kernel, stride, padding, {1, 1}}, count_include_pad,
                                     zero_point);
}

OpPtr make_adaptive_avg_pool2d() { return std::make_shared<AdaptiveAvgPool2d>(); }

OpPtr make_mean(const std::vector<std::int32_t>& axes, std::int32_t input_zero_point,
                Requant requant) {
  return std::make_shared<Mean>(axes, input_zero_point, std::move(requant));
}

}  // namespace intact
