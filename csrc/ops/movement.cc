#include <algorithm>
#include <utility>

#include "kernels/transpose_s8/transpose_s8.h"
#include "ops/codes.h"
#include "ops/portable.h"
#include "portable/intact_movement.h"

namespace intact {
namespace {

intact_view view_of(const Tensor& x) {
  const Dims shape(x.shape);
  intact_view view;
  intact_view_start(&view, shape.sizes, shape.rank, size_of(x.dtype));
  return view;
}

void copy_view(const Tensor& x, const intact_view& view, const Tensor& output,
               Workspace& workspace) {
  workspace.pool.parallel_ranges(
      output.shape.elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
        intact_view_copy(x.data, output.data, &view, size(begin), size(end));
      });
}

class Permute final : public Op {
 public:
  Permute(std::vector<std::int32_t> axes, const TransposeKernel* kernel)
      : axes_(std::move(axes)), kernel_(kernel) {}

  std::string kernel() const override {
    return std::string("permute ") + (kernel_ == nullptr ? "portable" : kernel_->name);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    intact_view view = view_of(x);
    intact_view_permute(&view, axes_.data());
    intact_view_finish(&view);
    if (kernel_ != nullptr && is_transposed(view.grid, size_of(x.dtype))) {
      transpose(x, view.grid, output, workspace);
    } else {
      copy_view(x, view, output, workspace);
    }
  }

 private:
  // Whether the last two axes of bytes or words are those of a matrix, the other way round.
  static bool is_transposed(const intact_grid& grid, std::size_t element) {
    return (element == 1 || element == 4) && grid.rank >= 2 &&
           grid.stride[0][grid.rank - 2] == element;
  }

  void transpose(const Tensor& x, const intact_grid& grid, const Tensor& output,
                 Workspace& workspace) const {
    const std::int64_t rows = grid.shape[grid.rank - 1], columns = grid.shape[grid.rank - 2];
    const auto stride = static_cast<std::int64_t>(grid.stride[0][grid.rank - 1]);
    const auto* source = x.as<const std::uint8_t>();
    auto* target = output.as<std::uint8_t>();
    const auto element = static_cast<std::int64_t>(size_of(x.dtype));
    const auto run = element == 1 ? kernel_->run : kernel_->run_words;
    workspace.pool.parallel_ranges(
        output.shape.elements() / rows, grain_of(rows),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t at = begin; at < end;) {
            const std::int64_t count = std::min(end - at, columns - at % columns);
            intact_row place;
            intact_row_seek(&grid, size(at), &place);
            run(source + place.offset[0], stride, rows, count, target + at * rows * element);
            at += count;
          }
        });
  }

  std::vector<std::int32_t> axes_;
  const TransposeKernel* kernel_;
};

class Slice final : public Op {
 public:
  Slice(std::int32_t axis, std::int32_t start, std::int32_t stop, std::int32_t step)
      : axis_(axis), start_(start), stop_(stop), step_(step) {}

  std::string kernel() const override { return "slice portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    intact_view view = view_of(inputs[0]);
    intact_view_slice(&view, axis_, start_, stop_, step_);
    intact_view_finish(&view);
    copy_view(inputs[0], view, output, workspace);
  }

 private:
  std::int32_t axis_;
  std::int32_t start_;
  std::int32_t stop_;
  std::int32_t step_;
};

class Expand final : public Op {
 public:
  std::string kernel() const override { return "expand portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Dims shape(output.shape);
    intact_view view = view_of(inputs[0]);
    intact_view_expand(&view, shape.sizes);
    intact_view_finish(&view);
    copy_view(inputs[0], view, output, workspace);
  }
};

class Pad final : public Op {
 public:
  Pad(std::vector<std::int32_t> before, intact_pad_mode mode, std::vector<std::uint8_t> value)
      : before_(std::move(before)), mode_(mode), value_(std::move(value)) {
    if (before_.size() > Shape::kMaxRank) throw std::invalid_argument("more than 8 axes");
  }

  std::string kernel() const override { return "pad portable"; }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const Tensor& x = inputs[0];
    if (output.bytes() == 0) return;
    intact_pad_params params{};
    params.rank = x.shape.rank();
    params.mode = mode_;
    params.element = size_of(x.dtype);
    for (int i = 0; i < params.rank; ++i) {
      params.shape[i] = to_int32(x.shape[i]);
      params.out_shape[i] = to_int32(output.shape[i]);
      params.before[i] = before_[size(i)];
    }
    const std::int64_t rows = static_cast<std::int64_t>(intact_pad_rows(&params));
    workspace.pool.parallel_ranges(rows, grain_of(output.shape.elements() / rows),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     intact_pad(x.data, output.data, &params, value_.data(),
                                                size(begin), size(end));
                                   });
  }

 private:
  std::vector<std::int32_t> before_;
  intact_pad_mode mode_;
  std::vector<std::uint8_t> value_;
};

class Concat final : public Op {
 public:
  explicit Concat(std::int32_t axis) : axis_(axis) {}

  std::string kernel() const override { return "concat portable"; }

  std::size_t scratch_bytes(Inputs inputs, const Tensor& /*output*/,
                            int /*threads*/) const override {
    return inputs.size() * (sizeof(const void*) + sizeof(std::size_t));
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    if (output.bytes() == 0) return;
    const std::size_t count = inputs.size();
    auto** data = reinterpret_cast<const void**>(workspace.scratch);
    auto* row_bytes = reinterpret_cast<std::size_t*>(data + count);
    const std::int64_t rows = output.shape.elements(0, axis_);
    for (std::size_t i = 0; i < count; ++i) {
      data[i] = inputs[i].data;
      row_bytes[i] = inputs[i].bytes() / size(rows);
    }
    workspace.pool.parallel_ranges(rows, grain_of(output.shape.elements() / rows),
                                   [&](std::int64_t begin, std::int64_t end, int) {
                                     intact_concat(data, row_bytes, count, output.data, size(begin),
                                                   size(end));
                                   });
  }

 private:
  std::int32_t axis_;
};

}  // namespace

OpPtr make_permute(std::vector<std::int32_t> axes, Isa isa) {
  const bool keeps_last = !axes.empty() && axes.back() + 1 == static_cast<int>(axes.size());
  return std::make_shared<Permute>(std::move(axes), keeps_last ? nullptr : pick_transpose_s8(isa));
}

OpPtr make_slice(std::int32_t axis, std::int32_t start, std::int32_t stop, std::int32_t step) {
  return std::make_shared<Slice>(axis, start, stop, step);
}

OpPtr make_expand() { return std::make_shared<Expand>(); }

OpPtr make_pad(std::vector<std::int32_t> before, intact_pad_mode mode,
               std::vector<std::uint8_t> value) {
  return std::make_shared<Pad>(std::move(before), mode, std::move(value));
}

OpPtr make_concat(std::int32_t axis) { return std::make_shared<Concat>(axis); }

}  // namespace intact
