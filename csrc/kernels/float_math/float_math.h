// Functions of real numbers that a vector computes faster than the C library.
//
// Every level runs the same loops, whose products and sums are not fused and whose sums have a
// fixed order, so results do not depend on the instruction set. What NumPy computes with a few
// exact operations has its bits; exp and tanh are within 2 units in the last place.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "cpu.h"

namespace intact {

// The activations of ir/float_ops.py; `low` and `high` are Clamp's, `low` is LeakyRelu's slope.
enum class Activation : uint8_t {
  kClamp,
  kLeakyRelu,
  kHardSigmoid,
  kHardSwish,
  kSigmoid,
  kTanh,
  kSilu,
  kGelu,
  kGeluTanh,
};

struct ActivationSpec {
  Activation kind;
  float low;
  float high;
};

struct FloatMathKernel {
  Isa isa;
  const char* name;
  void (*activate)(const ActivationSpec& spec, const float* x, float* y, size_t count);
  // exp(x) / sum exp(x).
  void (*softmax)(const float* x, float* y, size_t count);
  // (x - mean) / sqrt(variance + eps), biased variance; x is not y.
  void (*standardize)(const float* x, float* y, size_t count, float eps);
  // y[i] += x[i * stride] * weight, rounded twice.
  void (*add_product)(const float* x, ptrdiff_t stride, float weight, float* y, size_t count);
  // y[i] = max(y[i], x[i * stride]); NaN wins.
  void (*maximum)(const float* x, ptrdiff_t stride, float* y, size_t count);
};

#define FLOAT_MATH(isa, name)                                                                      \
  void name##_activate(const ActivationSpec& spec, const float* x, float* y, size_t count);        \
  void name##_softmax(const float* x, float* y, size_t count);                                     \
  void name##_standardize(const float* x, float* y, size_t count, float eps);                      \
  void name##_add_product(const float* x, ptrdiff_t stride, float weight, float* y, size_t count); \
  void name##_maximum(const float* x, ptrdiff_t stride, float* y, size_t count);
#include "kernels/float_math/kernels.inc"
#undef FLOAT_MATH

// The best kernels up to this level.
const FloatMathKernel& pick_float_math(Isa best);

}  // namespace intact
