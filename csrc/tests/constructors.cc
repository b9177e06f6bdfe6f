#include "tests/constructors.h"

#include <tuple>
#include <utility>

#include "ops/codes16.h"
#include "ops/codes8.h"
#include "ops/convert.h"
#include "ops/gemm.h"

namespace intact {
namespace {

using Numbers = std::span<const std::int32_t>;

// make(arguments), which are read in order.
template <typename... Arguments>
OpPtr call(Recording& in, OpPtr (*make)(Arguments...)) {
  return std::apply(make,
                    std::tuple<std::decay_t<Arguments>...>{in.read<std::decay_t<Arguments>>()...});
}

struct Window {
  Pair stride;
  Padding padding;
  Pair dilation;
  int groups;

  explicit Window(Recording& in)
      : stride(in.read<Pair>()),
        padding(in.read<Padding>()),
        dilation(in.read<Pair>()),
        groups(in.read<int>()) {}
};

Conv2dSpec conv2d_spec(const Window& window, const Pair& image, const Tensor& weight) {
  Conv2dSpec spec{};
  spec.out_channels = static_cast<int>(weight.shape[0]);
  spec.depth = static_cast<int>(weight.shape[3]);
  spec.groups = window.groups;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    spec.kernel[axis] = static_cast<int>(weight.shape[static_cast<int>(axis) + 1]);
    spec.image[axis] = image[axis];
    spec.stride[axis] = window.stride[axis];
    spec.padding[axis][0] = window.padding[axis][0];
    spec.padding[axis][1] = window.padding[axis][1];
    spec.dilation[axis] = window.dilation[axis];
  }
  return spec;
}

Integers integers(const Tensor& tensor) { return {tensor.dtype, {tensor.data, tensor.bytes()}}; }

std::span<const std::int8_t> bytes(const Tensor& tensor) {
  return {tensor.as<const std::int8_t>(), tensor.bytes()};
}

// What convolutions of all types have in common.
struct Convolution {
  Conv2dSpec spec;
  Tensor weight, bias;
  Requant requant;

  static Convolution from(Recording& in, bool with_image) {
    const Window window(in);
    const Pair image = with_image ? in.read<Pair>() : Pair{};
    const auto zero_point = in.read<std::int32_t>();
    const auto input = in.read<DType>(), output = in.read<DType>();
    const Tensor weight = in.array(), bias = in.array();
    Convolution all{conv2d_spec(window, image, weight), weight, bias, in.read<Requant>()};
    all.spec.input_zero_point = zero_point;
    all.spec.input = input;
    all.spec.output = output;
    return all;
  }
};

OpPtr conv2d_s8(Recording& in) {
  const Convolution conv = Convolution::from(in, true);
  const Numbers bias(conv.bias.as<const std::int32_t>(), conv.bias.bytes() / 4);
  const Isa isa = in.read<Isa>();
  for (const auto make :
       {make_depthwise_conv2d, make_row_conv2d, make_winograd_conv2d, make_gemm_conv2d}) {
    if (OpPtr op = make(conv.spec, bytes(conv.weight), bias, conv.requant, isa)) return op;
  }
  return make_portable_conv2d(conv.spec, integers(conv.weight), integers(conv.bias), conv.requant);
}

OpPtr conv2d(Recording& in) {
  const Convolution conv = Convolution::from(in, false);
  return make_portable_conv2d(conv.spec, integers(conv.weight), integers(conv.bias), conv.requant);
}

OpPtr conv_transpose2d(Recording& in) {
  const Convolution conv = Convolution::from(in, false);
  return make_conv_transpose2d(conv.spec, integers(conv.weight), integers(conv.bias), conv.requant);
}

struct Linear {
  LinearSpec spec;
  Tensor weight, bias;
  Requant requant;

  static Linear from(Recording& in) {
    const auto zero_point = in.read<std::int32_t>();
    const auto input = in.read<DType>(), output = in.read<DType>();
    const Tensor weight = in.array(), bias = in.array();
    const LinearSpec spec{static_cast<int>(weight.shape[1]), static_cast<int>(weight.shape[0]),
                          zero_point, input, output};
    return {spec, weight, bias, in.read<Requant>()};
  }

  OpPtr portable() const {
    return make_portable_linear(spec, integers(weight), integers(bias), requant);
  }
};

OpPtr linear_s8(Recording& in) {
  const Linear linear = Linear::from(in);
  const Numbers bias(linear.bias.as<const std::int32_t>(), linear.bias.bytes() / 4);
  OpPtr op =
      make_gemm_linear(linear.spec.inputs, bytes(linear.weight), bias, linear.spec.input_zero_point,
                       linear.requant, linear.spec.input, linear.spec.output, in.read<Isa>());
  return op ? op : linear.portable();
}

OpPtr matmul_s8(Recording& in) {
  MatMulSpec spec{};
  spec.depth = in.read<int>();
  spec.columns = in.read<int>();
  spec.a_zero_point = in.read<std::int32_t>();
  spec.b_zero_point = in.read<std::int32_t>();
  const auto requant = in.read<Requant>();
  spec.a = in.read<DType>();
  spec.b = in.read<DType>();
  spec.output = in.read<DType>();
  OpPtr op = make_gemm_matmul(spec, requant, in.read<Isa>());
  return op ? op : make_portable_matmul(spec.a_zero_point, spec.b_zero_point, requant);
}

// Also of linear layers, as convolutions of a single tap.
OpPtr conv2d_16(Recording& in) {
  const Window window(in);
  const Tensor weight = in.array();
  Conv2dSpec spec = conv2d_spec(window, Pair{}, weight);
  spec.input = spec.output = DType::kInt16;
  const auto bias = in.read<std::span<const std::int64_t>>();
  const auto requant = in.read<Requant>();
  if (OpPtr op = make_conv2d_16(spec, bytes(weight), bias, requant, in.read<Isa>())) return op;
  const std::span<const std::byte> sums(reinterpret_cast<const std::byte*>(bias.data()),
                                        bias.size_bytes());
  const Integers wide{DType::kInt64, sums};
  const bool one_tap = spec.kernel[0] * spec.kernel[1] == 1 && spec.groups == 1;
  if (!one_tap || window.stride != Pair{1, 1} || window.padding != Padding{}) {
    return make_portable_conv2d(spec, integers(weight), wide, requant);
  }
  const LinearSpec linear{spec.depth, spec.out_channels, 0, spec.input, spec.output};
  return make_portable_linear(linear, integers(weight), wide, requant);
}

OpPtr embedding(Recording& in) {
  const Tensor weight = in.array();
  return make_embedding(static_cast<int>(weight.shape[0]), static_cast<int>(weight.shape[1]),
                        integers(weight), in.read<Requant>());
}

Codes8 codes8(Recording& in) {
  const auto dtype = in.read<DType>();
  return {dtype, in.read<CodeRange>()};
}

OpPtr sum_s8(Recording& in) {
  Sum8Spec spec{};
  spec.a = in.read<intact_operand>();
  spec.b = in.read<intact_operand>();
  spec.left_shift = in.read<std::int32_t>();
  spec.subtract = in.read<bool>();
  spec.a_codes = codes8(in);
  spec.b_codes = codes8(in);
  spec.output = in.read<DType>();
  const auto requant = in.read<Requant>();
  const Isa isa = in.read<Isa>();
  OpPtr op = make_sum8(spec, requant, isa);
  return op ? op : make_sum(spec.a, spec.b, spec.left_shift, spec.subtract, requant, isa);
}

OpPtr mul_s8(Recording& in) {
  Mul8Spec spec{};
  spec.a_zero_point = in.read<std::int32_t>();
  spec.b_zero_point = in.read<std::int32_t>();
  spec.a_codes = codes8(in);
  spec.b_codes = codes8(in);
  spec.output = in.read<DType>();
  const auto requant = in.read<Requant>();
  const Isa isa = in.read<Isa>();
  OpPtr op = make_mul8(spec, requant, isa);
  return op ? op : make_mul(spec.a_zero_point, spec.b_zero_point, requant, isa);
}

Scales scales(Recording& in) {
  const auto scale = in.read<std::span<const float>>();
  const auto zero_point = in.read<Numbers>();
  return {scale, zero_point, in.read<int>()};
}

OpPtr quantize(Recording& in) {
  const Scales all = scales(in);
  const auto [qmin, qmax] = in.read<CodeRange>();
  return make_quantize(all, qmin, qmax, in.read<Isa>());
}

OpPtr dequantize(Recording& in) {
  const Scales all = scales(in);
  return make_dequantize(all, in.read<Isa>());
}

template <auto kMake>
OpPtr plain(Recording& in) {
  return call(in, kMake);
}

constexpr std::pair<std::string_view, OpPtr (*)(Recording&)> kConstructors[] = {
    {"conv2d_s8", conv2d_s8},
    {"conv2d", conv2d},
    {"conv2d_16", conv2d_16},
    {"conv_transpose2d", conv_transpose2d},
    {"linear_s8", linear_s8},
    {"linear", [](Recording& in) { return Linear::from(in).portable(); }},
    {"matmul_s8", matmul_s8},
    {"matmul", plain<make_portable_matmul>},
    {"embedding", embedding},
    {"sum_s8", sum_s8},
    {"sum_codes", plain<make_sum>},
    {"mul_s8", mul_s8},
    {"mul", plain<make_mul>},
    {"prelu", plain<make_prelu>},
    {"lookup", plain<make_lookup>},
    {"interpolated_lookup", plain<make_interpolated_lookup>},
    {"softmax", plain<make_softmax>},
    {"softmax16", plain<make_softmax16>},
    {"layer_norm", plain<make_layer_norm>},
    {"group_norm", plain<make_group_norm>},
    {"max_pool2d", plain<make_max_pool2d>},
    {"avg_pool2d", plain<make_avg_pool2d>},
    {"adaptive_avg_pool2d", plain<make_adaptive_avg_pool2d>},
    {"mean", plain<make_mean>},
    {"resize_nearest2d", plain<make_resize_nearest2d>},
    {"resize_bilinear2d", plain<make_resize_bilinear2d>},
    {"quantize", quantize},
    {"dequantize", dequantize},
    {"requantize", plain<make_requantize>},
    {"permute", plain<make_permute>},
    {"slice_axis", plain<make_slice>},
    {"expand", plain<make_expand>},
    {"pad", plain<make_pad>},
    {"concat", plain<make_concat>},
    {"copy", plain<make_copy>},
};

}  // namespace

OpPtr read_op(std::string_view name, Recording& in) {
  for (const auto& [known, make] : kConstructors) {
    if (known == name) return make(in);
  }
  throw std::runtime_error("no constructor is called " + std::string(name));
}

}  // namespace intact
