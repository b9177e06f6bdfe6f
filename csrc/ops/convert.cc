#include "ops/convert.h"

#include <vector>

#include "ops/portable.h"
#include "portable/intact_convert.h"

namespace intact {
namespace {

class OwnedScales {
 public:
  explicit OwnedScales(const Scales& scales)
      : scale_(scales.scale.begin(), scales.scale.end()),
        zero_point_(scales.zero_point.begin(), scales.zero_point.end()),
        inner_axes_(scales.inner_axes) {
    if (scale_.empty() || scale_.size() != zero_point_.size()) {
      throw std::invalid_argument("scales and zero points must agree in size");
    }
  }

  std::size_t bytes() const {
    return scale_.size() * sizeof(float) + zero_point_.size() * sizeof(std::int32_t);
  }

  intact_scales view(const Shape& shape, DType codes, std::int32_t qmin, std::int32_t qmax) const {
    const std::int64_t inner = shape.elements(shape.rank() - inner_axes_, shape.rank());
    return {scale_.data(),
            zero_point_.data(),
            static_cast<std::int32_t>(scale_.size()),
            static_cast<std::size_t>(inner),
            qmin,
            qmax,
            portable_type(codes)};
  }

 private:
  std::vector<float> scale_;
  std::vector<std::int32_t> zero_point_;
  int inner_axes_;
};

// kernel(begin, end) over all elements.
template <typename Kernel>
void share_elements(const Tensor& output, ThreadPool& pool, Kernel&& kernel) {
  pool.parallel_ranges(output.shape.elements(), grain(4),
                       [&](std::int64_t begin, std::int64_t end, int) {
                         kernel(static_cast<std::size_t>(begin), static_cast<std::size_t>(end));
                       });
}

class Quantize final : public Op {
 public:
  Quantize(const Scales& scales, std::int32_t qmin, std::int32_t qmax)
      : scales_(scales), qmin_(qmin), qmax_(qmax) {}

  std::string kernel() const override { return "quantize portable"; }
  std::size_t packed_bytes() const override { return scales_.bytes(); }
  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const intact_scales scales = scales_.view(output.shape, output.dtype, qmin_, qmax_);
    share_elements(output, workspace.pool, [&](std::size_t begin, std::size_t end) {
      intact_quantize(&scales, inputs[0].as<const float>(), output.data, begin, end);
    });
  }

 private:
  OwnedScales scales_;
  std::int32_t qmin_;
  std::int32_t qmax_;
};

class Dequantize final : public Op {
 public:
  explicit Dequantize(const Scales& scales) : scales_(scales) {}

  std::string kernel() const override { return "dequantize portable"; }
  std::size_t packed_bytes() const override { return scales_.bytes(); }
  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const intact_scales scales = scales_.view(output.shape, inputs[0].dtype, 0, 0);
    share_elements(output, workspace.pool, [&](std::size_t begin, std::size_t end) {
      intact_dequantize(&scales, inputs[0].data, output.as<float>(), begin, end);
    });
  }

 private:
  OwnedScales scales_;
};

class Requantize final : public Op {
 public:
  Requantize(std::int32_t input_zero_point, const Requant& requant)
      : input_zero_point_(input_zero_point), requant_(requant) {}

  std::string kernel() const override { return "requantize portable"; }
  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const std::int32_t channels = output.shape.rank() == 0 ? 1 : to_int32(output.shape[-1]);
    const intact_requant requant = requant_.view();
    const intact_type from = portable_type(x.dtype), to = portable_type(output.dtype);
    share_elements(output, workspace.pool, [&](std::size_t begin, std::size_t end) {
      intact_requantize_codes(&requant, input_zero_point_, channels, x.data, from, output.data, to,
                              begin, end);
    });
  }

 private:
  std::int32_t input_zero_point_;
  Requant requant_;
};

}  // namespace

OpPtr make_quantize(const Scales& scales, std::int32_t qmin, std::int32_t qmax) {
  return std::make_shared<Quantize>(scales, qmin, qmax);
}

OpPtr make_dequantize(const Scales& scales) { return std::make_shared<Dequantize>(scales); }

OpPtr make_requantize(std::int32_t input_zero_point, const Requant& requant) {
  return std::make_shared<Requantize>(input_zero_point, requant);
}

}  // namespace intact
