#include <string>

#include "core/buffer.h"
#include "kernels/bilinear_s8/bilinear_s8.h"
#include "kernels/loops/loops.h"
#include "ops/codes.h"
#include "ops/portable.h"
#include "portable/intact_resize.h"

namespace intact {
namespace {

// Calls task(begin, end) on ranges of the output's rows (n, out_h).
template <typename Task>
void share_rows(const intact_resize_shape& shape, Workspace& workspace, const Task& task) {
  workspace.pool.parallel_ranges(
      std::int64_t{shape.n} * shape.out_h, grain_of(std::int64_t{shape.out_w} * shape.c),
      [&](std::int64_t begin, std::int64_t end, int) { task(size(begin), size(end)); });
}

intact_resize_shape channels_last(const Shape& x, const Shape& out) {
  return {to_int32(x[0]), to_int32(x[1]),   to_int32(x[2]),
          to_int32(x[3]), to_int32(out[1]), to_int32(out[2])};
}

// Every channel is a picture of its own; a missing height is 1.
intact_resize_shape channels_first(const Shape& x, const Shape& out) {
  const bool flat = x.rank() == 3;
  return {to_int32(x[0] * x[1]),       flat ? 1 : to_int32(x[2]), to_int32(x[-1]), 1,
          flat ? 1 : to_int32(out[2]), to_int32(out[-1])};
}

class ResizeNearest2d final : public Op {
 public:
  explicit ResizeNearest2d(bool channels_first) : channels_first_(channels_first) {}

  std::string kernel() const override { return "resize nearest portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_resize_shape shape = channels_first_ ? channels_first(x.shape, output.shape)
                                                      : channels_last(x.shape, output.shape);
    share_rows(shape, workspace, [&](std::size_t begin, std::size_t end) {
      intact_resize_nearest2d(x.data, output.data, &shape, size_of(x.dtype), begin, end);
    });
  }

 private:
  bool channels_first_;
};

class ResizeBilinear2d final : public Op {
 public:
  ResizeBilinear2d(bool align_corners, const Loops& loops)
      : align_corners_(align_corners), loops_(loops) {}

  std::string kernel() const override { return std::string("resize bilinear ") + loops_.name; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_resize_shape shape = channels_last(x.shape, output.shape);
    const intact_type type = portable_type(x.dtype);
    share_rows(shape, workspace, [&](std::size_t begin, std::size_t end) {
      loops_.resize_bilinear2d(x.data, output.data, &shape, type, align_corners_ ? 1 : 0, begin,
                               end);
    });
  }

 private:
  bool align_corners_;
  const Loops& loops_;
};

// Of 8-bit codes: two input rows are blended into one, which is then resized.
class ResizeBilinear8 final : public Op {
 public:
  ResizeBilinear8(bool align_corners, const BilinearKernel& kernel)
      : align_corners_(align_corners ? 1 : 0), kernel_(kernel) {}

  std::string kernel() const override { return std::string("resize ") + kernel_.name; }

  std::size_t scratch_bytes(Inputs inputs, const Tensor& output, int threads) const override {
    return columns_bytes(output.shape) + size(threads) * row_bytes(inputs[0].shape);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    const intact_resize_shape shape = channels_last(x.shape, output.shape);
    auto* columns = reinterpret_cast<intact_neighbours*>(workspace.scratch);
    const std::int64_t scale = intact_resize_scale(shape.w, shape.out_w, align_corners_);
    for (std::int32_t j = 0; j < shape.out_w; ++j) {
      columns[j] = intact_resize_neighbours(j, scale, shape.w, align_corners_);
    }
    std::byte* rows = workspace.scratch + columns_bytes(output.shape);
    workspace.pool.parallel_ranges(
        std::int64_t{shape.n} * shape.out_h, grain_of(std::int64_t{shape.out_w} * shape.c),
        [&](std::int64_t begin, std::int64_t end, int worker) {
          auto* blended =
              reinterpret_cast<std::int32_t*>(rows + size(worker) * row_bytes(x.shape));
          resize_rows(x, output, shape, columns, blended, begin, end);
        });
  }

 private:
  static std::size_t columns_bytes(const Shape& output) {
    return align_up(size(output[2]) * sizeof(intact_neighbours));
  }

  static std::size_t row_bytes(const Shape& x) {
    return align_up(size(x[2] * x[3] + kBilinearPadding) * sizeof(std::int32_t));
  }

  void resize_rows(const Tensor& x, const Tensor& output, const intact_resize_shape& shape,
                   const intact_neighbours* columns, std::int32_t* blended, std::int64_t begin,
                   std::int64_t end) const {
    const std::int64_t width = std::int64_t{shape.w} * shape.c;
    const std::int64_t out_width = std::int64_t{shape.out_w} * shape.c;
    const std::int64_t scale = intact_resize_scale(shape.h, shape.out_h, align_corners_);
    for (std::int64_t row = begin; row < end; ++row) {
      const auto i = static_cast<std::int32_t>(row % shape.out_h);
      const intact_neighbours v = intact_resize_neighbours(i, scale, shape.h, align_corners_);
      const auto* image = x.as<const std::uint8_t>() + row / shape.out_h * shape.h * width;
      kernel_.blend(image + v.low * width, image + v.high * width, x.dtype == DType::kInt8 ? 1 : 0,
                    v.fraction, width, blended);
      kernel_.resize(blended, columns, shape.out_w, shape.c,
                     output.as<std::uint8_t>() + row * out_width);
    }
  }

  std::int32_t align_corners_;
  const BilinearKernel& kernel_;
};

}  // namespace

OpPtr make_resize_nearest2d(bool channels_first) {
  return std::make_shared<ResizeNearest2d>(channels_first);
}

OpPtr make_resize_bilinear2d(bool align_corners, bool narrow, Isa isa) {
  const BilinearKernel* kernel = pick_bilinear_s8(isa);
  if (narrow && kernel != nullptr) {
    return std::make_shared<ResizeBilinear8>(align_corners, *kernel);
  }
  return std::make_shared<ResizeBilinear2d>(align_corners, pick_loops(isa));
}

}  // namespace intact
