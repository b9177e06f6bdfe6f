// Layers with weights, products of activations, embeddings: portable kernels for any types of
// codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "core/buffer.h"
#include "core/requant.h"
#include "ops/conv2d.h"
#include "ops/ops.h"

namespace intact {

// An array of integers: weights (int8, int16 or int32) of which zero points are subtracted, biases
// (int32 or int64).
struct Integers {
  DType dtype;
  std::span<const std::byte> data;
};

// A copy that owns its data.
class OwnedIntegers {
 public:
  explicit OwnedIntegers(Integers integers) : dtype_(integers.dtype), data_(integers.data.size()) {
    if (!integers.data.empty()) {
      std::memcpy(data_.data(), integers.data.data(), integers.data.size());
    }
  }

  DType dtype() const { return dtype_; }
  const void* data() const { return data_.data(); }
  std::size_t bytes() const { return data_.bytes(); }

 private:
  DType dtype_;
  Buffer<std::byte> data_;
};

// QConv2d; of `spec`, types may have 16 bits too, and the image is not read.
OpPtr make_portable_conv2d(const Conv2dSpec& spec, Integers weight, Integers bias,
                           const Requant& requant);

// QConvTranspose2d; the output's size is told when it runs.
OpPtr make_conv_transpose2d(const Conv2dSpec& spec, Integers weight, Integers bias,
                            const Requant& requant);

// x (..., inputs), weight (outputs, inputs), out (..., outputs).
struct LinearSpec {
  int inputs;
  int outputs;
  std::int32_t input_zero_point;
  DType input;
  DType output;
};

OpPtr make_portable_linear(const LinearSpec& spec, Integers weight, Integers bias,
                           const Requant& requant);

// QMatMul: a (..., M, K), b (..., K, N), leading axes broadcast.
OpPtr make_portable_matmul(std::int32_t a_zero_point, std::int32_t b_zero_point,
                           const Requant& requant);

// QEmbedding: indices of any integer type, weight (vocabulary, depth).
OpPtr make_embedding(int vocabulary, int depth, Integers weight, const Requant& requant);

// What dynamic layers have instead of requantization: real numbers for each output channel.
struct RealChannels {
  std::span<const float> weight_scale;
  std::span<const float> bias;
};

// Layers from real to real numbers; `bits` and qmax are those of the signed codes in between.
// The types, and of a convolution the zero point, in `spec` are not read.
OpPtr make_dynamic_conv2d(const Conv2dSpec& spec, int bits, Integers weight, RealChannels channels);
OpPtr make_dynamic_linear(int inputs, int outputs, int bits, Integers weight,
                          RealChannels channels);

// The same on vectors; nullptr where codes or weights do not fit int8, or no kernel up to `isa`
// does.
OpPtr make_dynamic_conv2d8(const Conv2dSpec& spec, int bits, Integers weight, RealChannels channels,
                           Isa isa);
OpPtr make_dynamic_linear8(int inputs, int bits, Integers weight, RealChannels channels, Isa isa);

}  // namespace intact
