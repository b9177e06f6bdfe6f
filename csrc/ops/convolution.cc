#include "ops/convolution.h"

#include <vector>

#include "portable/intact_depthwise.h"

namespace intact {
namespace {

enum class Kind { kDirect, kDepthwise, kTransposed };

class PortableConvolution final : public Op {
 public:
  PortableConvolution(Kind kind, const Conv2dSpec& spec, Integers weight, Integers bias,
                      const Requant& requant)
      : kind_(kind),
        weight_(weight),
        bias_(bias),
        requant_(requant),
        output_(portable_type(spec.output)),
        conv_(convolution_of(spec, {portable_type(spec.input), portable_type(weight.dtype),
                                    spec.input_zero_point, requant.wide() ? 1 : 0})) {}

  std::string kernel() const override {
    switch (kind_) {
      case Kind::kDirect:
        return "conv2d portable";
      case Kind::kDepthwise:
        return "conv2d depthwise portable";
      case Kind::kTransposed:
        return "conv_transpose2d portable";
    }
    return {};
  }
  std::size_t packed_bytes() const override { return weight_.bytes() + bias_.bytes(); }

  void run(Inputs inputs, const Tensor& output, Workspace& workspace) const override {
    intact_conv conv = conv_;
    set_sizes(conv, inputs[0], output);
    const intact_requant requant = requant_.view();
    const intact_finish finish{bias_.data(), bias_.dtype() == DType::kInt64 ? 1 : 0, &requant,
                               output.data, output_};
    share_rows(conv, workspace.pool, [&](std::size_t begin, std::size_t end) {
      switch (kind_) {
        case Kind::kDirect:
          intact_conv2d(&conv, inputs[0].data, weight_.data(), &finish, begin, end);
          break;
        case Kind::kDepthwise:
          intact_depthwise_conv2d(&conv, inputs[0].data, weight_.data(), &finish, begin, end);
          break;
        case Kind::kTransposed:
          intact_conv_transpose2d(&conv, inputs[0].data, weight_.data(), &finish, begin, end);
          break;
      }
    });
  }

 private:
  Kind kind_;
  OwnedIntegers weight_;
  OwnedIntegers bias_;
  Requant requant_;
  intact_type output_;
  intact_conv conv_;
};

// (O, kh, kw, 1) to (kh, kw, O).
std::vector<std::byte> channels_last(Integers weight, std::size_t channels) {
  const std::size_t size = size_of(weight.dtype);
  const std::size_t taps = weight.data.size() / size / channels;
  std::vector<std::byte> moved(weight.data.size());
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::size_t tap = 0; tap < taps; ++tap) {
      std::memcpy(moved.data() + (tap * channels + c) * size,
                  weight.data.data() + (c * taps + tap) * size, size);
    }
  }
  return moved;
}

}  // namespace

OpPtr make_portable_conv2d(const Conv2dSpec& spec, Integers weight, Integers bias,
                           const Requant& requant) {
  if (spec.depth != 1 || spec.groups != spec.out_channels) {
    return std::make_shared<PortableConvolution>(Kind::kDirect, spec, weight, bias, requant);
  }
  const auto moved = channels_last(weight, static_cast<std::size_t>(spec.out_channels));
  return std::make_shared<PortableConvolution>(Kind::kDepthwise, spec,
                                               Integers{weight.dtype, moved}, bias, requant);
}

OpPtr make_conv_transpose2d(const Conv2dSpec& spec, Integers weight, Integers bias,
                            const Requant& requant) {
  return std::make_shared<PortableConvolution>(Kind::kTransposed, spec, weight, bias, requant);
}

}  // namespace intact
