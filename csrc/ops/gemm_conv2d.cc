// Convolutions as products of matrices; the patches of a block of pixels are packed as it is due.
#include <cstring>
#include <vector>

#include "gemm/multiply.h"
#include "kernels/requantize/table.h"
#include "ops/conv2d.h"

namespace intact {
namespace {

// Reads patches of one image batch.
class Patches {
 public:
  Patches(const Conv2dSpec& spec, const GemmS8Kernel& kernel, const Tensor& x, const Tensor& out,
          int group)
      : spec_(spec),
        kernel_(kernel),
        x_(x.as<const std::uint8_t>() + group * spec.depth),
        height_(x.shape[1]),
        width_(x.shape[2]),
        channels_(x.shape[3]),
        out_height_(out.shape[1]),
        out_width_(out.shape[2]),
        is_signed_(x.dtype == DType::kInt8 ? 1 : 0) {}

  // Packs the patches of `count` pixels from number `first` on; a row has `row_bytes` bytes.
  void pack(std::int64_t first, std::int64_t count, std::size_t row_bytes, std::byte* target) const {
    if (is_matrix(row_bytes)) {
      kernel_.pack(x_ + first * channels_, count * channels_, is_signed_, target);
      return;
    }
    std::int64_t ow = first % out_width_;
    std::int64_t oh = first / out_width_ % out_height_;
    std::int64_t image = first / out_width_ / out_height_;
    for (std::int64_t i = 0; i < count; ++i, target += row_bytes) {
      pack_pixel(image, oh * spec_.stride[0] - spec_.padding[0][0],
                 ow * spec_.stride[1] - spec_.padding[1][0], target);
      if (++ow == out_width_) {
        ow = 0;
        if (++oh == out_height_) {
          oh = 0;
          ++image;
        }
      }
    }
  }

 private:
  bool is_matrix(std::size_t row_bytes) const {
    return spec_.kernel[0] == 1 && spec_.kernel[1] == 1 && spec_.groups == 1 &&
           spec_.stride[0] == 1 && spec_.stride[1] == 1 && spec_.padding[0][0] == 0 &&
           spec_.padding[1][0] == 0 && out_height_ == height_ && out_width_ == width_ &&
           row_bytes == static_cast<std::size_t>(channels_) * kernel_.element;
  }

  void pack_pixel(std::int64_t image, std::int64_t h, std::int64_t w, std::byte* target) const {
    const std::size_t step =
        static_cast<std::size_t>(spec_.kernel[1]) * spec_.depth * kernel_.element;
    for (int i = 0; i < spec_.kernel[0]; ++i, h += spec_.dilation[0], target += step) {
      if (h < 0 || h >= height_) {
        fill(target, spec_.kernel[1] * spec_.depth);
      } else {
        pack_row(x_ + (image * height_ + h) * width_ * channels_, w, target);
      }
    }
  }

  // One row of the kernel, from column w of the image row on.
  void pack_row(const std::uint8_t* row, std::int64_t w, std::byte* target) const {
    const std::size_t tap = static_cast<std::size_t>(spec_.depth) * kernel_.element;
    const int taps = spec_.kernel[1];
    if (spec_.dilation[1] != 1 || spec_.groups != 1) {
      for (int j = 0; j < taps; ++j, w += spec_.dilation[1], target += tap) {
        if (w < 0 || w >= width_) {
          fill(target, spec_.depth);
        } else {
          kernel_.pack(row + w * channels_, spec_.depth, is_signed_, target);
        }
      }
      return;
    }
    // Neighbouring taps of all channels lie side by side.
    const int before = static_cast<int>(std::clamp<std::int64_t>(-w, 0, taps));
    const int inside =
        static_cast<int>(std::clamp<std::int64_t>(width_ - (w + before), 0, taps - before));
    fill(target, before * spec_.depth);
    target += tap * before;
    kernel_.pack(row + (w + before) * channels_, static_cast<std::int64_t>(inside) * spec_.depth,
                 is_signed_, target);
    fill(target + tap * inside, (taps - before - inside) * spec_.depth);
  }

  void fill(std::byte* target, int count) const {
    const std::int32_t value = spec_.input_zero_point + (is_signed_ != 0 ? kernel_.shift : 0);
    if (kernel_.element == 1) {
      std::memset(target, value, static_cast<std::size_t>(count));
    } else {
      std::fill_n(reinterpret_cast<std::int16_t*>(target), count,
                  static_cast<std::int16_t>(value));
    }
  }

  const Conv2dSpec& spec_;
  const GemmS8Kernel& kernel_;
  const std::uint8_t* x_;
  std::int64_t height_, width_, channels_, out_height_, out_width_;
  std::int32_t is_signed_;
};

class GemmConv2d final : public Op {
 public:
  GemmConv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
             std::span<const std::int32_t> bias, const Requant& requant, const GemmS8Kernel& kernel)
      : spec_(spec),
        kernel_(kernel),
        layout_(kernel, spec.kernel[0] * spec.kernel[1] * spec.depth,
                spec.out_channels / spec.groups),
        packed_(layout_.bytes() * static_cast<std::size_t>(spec.groups)) {
    const std::size_t columns = static_cast<std::size_t>(layout_.columns());
    const std::size_t size = columns * static_cast<std::size_t>(layout_.depth());
    const std::uint32_t centre = static_cast<std::uint32_t>(
        spec.input_zero_point + (spec.input == DType::kInt8 ? kernel.shift : 0));
    for (int group = 0; group < spec.groups; ++group) {
      const std::size_t first = static_cast<std::size_t>(group) * columns;
      const std::vector<std::int32_t> sums =
          pack_rows(kernel, layout_, weight.subspan(first * layout_.depth(), size), packed(group));
      // Modulo 2^32: the accumulator and its offset may wrap, their sum does not.
      std::vector<std::int32_t> offset(columns);
      for (std::size_t c = 0; c < columns; ++c) {
        offset[c] = static_cast<std::int32_t>(static_cast<std::uint32_t>(bias[first + c]) -
                                              centre * static_cast<std::uint32_t>(sums[c]));
      }
      requant_.emplace_back(requant.channels(first, columns), offset,
                            spec.output == DType::kUint8);
    }
  }

  std::string kernel() const override { return std::string("conv2d ") + kernel_.name; }

  std::size_t packed_bytes() const override {
    std::size_t total = packed_.bytes();
    for (const RequantTable& table : requant_) total += table.bytes();
    return total;
  }

  std::size_t scratch_bytes(Inputs /*inputs*/, const Tensor& output, int threads) const override {
    return multiply_scratch(kernel_, layout_, output.shape.elements(0, 3), threads);
  }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    const std::int64_t rows = output.shape.elements(0, 3);
    const std::size_t row_bytes = packed_row_bytes(kernel_, layout_);
    for (int group = 0; group < spec_.groups; ++group) {
      const Patches patches(spec_, kernel_, inputs[0], output, group);
      const RequantTable& table = requant_[static_cast<std::size_t>(group)];
      std::byte* out = output.data + group * layout_.columns();
      multiply(
          kernel_, layout_, packed_.data() + layout_.bytes() * static_cast<std::size_t>(group),
          rows, workspace,
          [&](std::int64_t first, std::int64_t count, std::byte* target, int) {
            patches.pack(first, count, row_bytes, target);
          },
          [&](GemmS8Tile& tile, int panel, std::int64_t first, int) {
            const int channel = panel * kernel_.panel;
            const RequantView view = table.view(static_cast<std::size_t>(channel));
            tile.requant = &view;
            tile.out = out + first * spec_.out_channels + channel;
            tile.out_stride = spec_.out_channels;
            kernel_.run(&tile);
          });
    }
  }

 private:
  std::int8_t* packed(int group) {
    return packed_.data() + layout_.bytes() * static_cast<std::size_t>(group);
  }

  const Conv2dSpec spec_;
  const GemmS8Kernel& kernel_;
  const PanelLayout layout_;
  Buffer<std::int8_t> packed_;
  std::vector<RequantTable> requant_;
};

}  // namespace

OpPtr make_gemm_conv2d(const Conv2dSpec& spec, std::span<const std::int8_t> weight,
                       std::span<const std::int32_t> bias, const Requant& requant, Isa isa) {
  const GemmS8Kernel* kernel = pick_gemm_s8(isa);
  if (kernel == nullptr) return nullptr;
  return std::make_shared<GemmConv2d>(spec, weight, bias, requant, *kernel);
}

}  // namespace intact
