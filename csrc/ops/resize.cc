#include <string>

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

}  // namespace

OpPtr make_resize_nearest2d(bool channels_first) {
  return std::make_shared<ResizeNearest2d>(channels_first);
}

OpPtr make_resize_bilinear2d(bool align_corners, Isa isa) {
  return std::make_shared<ResizeBilinear2d>(align_corners, pick_loops(isa));
}

}  // namespace intact
