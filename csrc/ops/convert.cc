#include "ops/convert.h"

#include <vector>

#include "kernels/loops/loops.h"
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
  Quantize(const Scales& scales, std::int32_t qmin, std::int32_t qmax, const Loops& loops)
      : scales_(scales), qmin_(qmin), qmax_(qmax), loops_(loops) {}

  std::string kernel() const override { return std::string("quantize ") + loops_.name; }
  std::size_t packed_bytes() const override { return scales_.bytes(); }
  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const intact_scales scales = scales_.view(output.shape, output.dtype, qmin_, qmax_);
    share_elements(output, workspace.pool, [&](std::size_t begin, std::size_t end) {
      loops_.quantize(&scales, inputs[0].as<const float>(), output.data, begin, end);
    });
  }

 private:
  OwnedScales scales_;
  std::int32_t qmin_;
  std::int32_t qmax_;
  const Loops& loops_;
};

class Dequantize final : public Op {
 public:
  Dequantize(const Scales& scales, const Loops& loops) : scales_(scales), loops_(loops) {}

  std::string kernel() const override { return std::string("dequantize ") + loops_.name; }
  std::size_t packed_bytes() const override { return scales_.bytes(); }
  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const intact_scales scales = scales_.view(output.shape, inputs[0].dtype, 0, 0);
    share_elements(output, workspace.pool, [&](std::size_t begin, std::size_t end) {
      loops_.dequantize(&scales, inputs[0].data, output.as<float>(), begin, end);
    });
  }

 private:
  OwnedScales scales_;
  const Loops& loops_;
};

class Requantize final : public Op {
 public:
  Requantize(std::int32_t input_zero_point, const Requant& requant, const Loops& loops)
      : input_zero_point_(input_zero_point), requant_(requant), loops_(loops) {}

  std::string kernel() const override { return std::string("requantize ") + loops_.name; }
  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_requant requant = requant_.view();
    const intact_type from = portable_type(x.dtype), to = portable_type(output.dtype);
    share_elements(output, workspace.pool, [&](std::size_t begin, std::size_t end) {
      loops_.requantize_codes(&requant, input_zero_point_, x.data, from, output.data, to, begin,
                              end);
    });
  }

 private:
  std::int32_t input_zero_point_;
  Requant requant_;
  const Loops& loops_;
};

}  // namespace

OpPtr make_quantize(const Scales& scales, std::int32_t qmin, std::int32_t qmax, Isa isa) {
  return std::make_shared<Quantize>(scales, qmin, qmax, pick_loops(isa));
}

OpPtr make_dequantize(const Scales& scales, Isa isa) {
  return std::make_shared<Dequantize>(scales, pick_loops(isa));
}

OpPtr make_requantize(std::int32_t input_zero_point, const Requant& requant, Isa isa) {
  return std::make_shared<Requantize>(input_zero_point, requant, pick_loops(isa));
}

}  // namespace intact
