// The loops of all levels: plain C++ that compilers turn into vectors, for the files of this
// folder.
#pragma once

#include <string.h>

#include "kernels/float_math/float_math.h"

namespace intact {
namespace {

inline float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

inline uint32_t to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

inline float magnitude(float x) { return from_bits(to_bits(x) & 0x7fffffffu); }

// x with the sign of `sign`, for x that is not negative.
inline float with_sign(float x, float sign) {
  return from_bits(to_bits(x) | (to_bits(sign) & 0x80000000u));
}

// Bounds that NaN passes.
inline float at_least(float x, float low) { return x < low ? low : x; }
inline float at_most(float x, float high) { return x > high ? high : x; }

// 2^n e^r with |r| <= ln(2) / 2, coefficients of Cephes' expf. Beyond float32 it gives infinity,
// and below gradually 0.
inline float exponential(float x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 * 2^23: its lowest bit counts 1, also below 0
  const float bounded = at_most(at_least(x, -104.0f), 89.0f);
  const float shifted = bounded * 1.44269504088896341f + kMagic;
  const float n = shifted - kMagic;
  const float r = bounded - n * 0.693359375f - n * -2.12194440e-4f;
  float y = 1.9875691500e-4f;
  y = y * r + 1.3981999507e-3f;
  y = y * r + 8.3334519073e-3f;
  y = y * r + 4.1665795894e-2f;
  y = y * r + 1.6666665459e-1f;
  y = y * r + 5.0000001201e-1f;
  y = y * (r * r) + r + 1.0f;
  // In two steps: 2^n alone may be out of range. Unsigned, for NaN's n is any number.
  const uint32_t whole = to_bits(shifted) - to_bits(kMagic);
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(whole) >> 1);
  return y * from_bits((half + 127) << 23) * from_bits((whole - half + 127) << 23);
}

inline float sigmoid(float x) {
  const float small = exponential(-magnitude(x));
  return (x >= 0.0f ? 1.0f : small) / (1.0f + small);
}

// Near 0 Cephes' polynomial, elsewhere 1 - 2 / (exp(2 |x|) + 1).
inline float hyperbolic_tangent(float x) {
  const float square = x * x;
  float y = -5.70498872745e-3f;
  y = y * square + 2.06390887954e-2f;
  y = y * square - 5.37397155531e-2f;
  y = y * square + 1.33314422036e-1f;
  y = y * square - 3.33332819422e-1f;
  const float near = y * square * x + x;
  const float z = magnitude(x);
  const float far = 1.0f - 2.0f / (exponential(z + z) + 1.0f);
  return z < 0.625f ? near : with_sign(far, x);
}

// numerics/special.py: the same operations in float64.
inline float error_function(float x) {
  double t = x;
  t = t < -4.4 ? -4.4 : t;
  t = t > 4.4 ? 4.4 : t;
  const double s = t * t;
  double p = 7.4596419217786855e-06;
  p = p * s + 0.0004287208755303025;
  p = p * s + 0.004277863208714849;
  p = p * s + 0.056132040271702106;
  p = p * s + 0.19291702202034333;
  p = p * s + 1.1283791948095339;
  double q = 2.970357333033804e-07;
  q = q * s + 7.741535224271807e-05;
  q = q * s + 0.0014542318693549947;
  q = q * s + 0.016455471627026073;
  q = q * s + 0.1178447083843528;
  q = q * s + 0.5043019700090969;
  q = q * s + 1.0;
  return static_cast<float>(t * p / q);
}

inline float hard_gate(float x) { return at_most(at_least(x + 3.0f, 0.0f), 6.0f); }

inline float gelu(float x) {
  return x * ((1.0f + error_function(x * 0.70710678118654752f)) / 2.0f);
}

inline float gelu_tanh(float x) {
  const float inner = 0.79788456080286536f * (x + 0.044715f * x * x * x);
  return x / 2.0f * (1.0f + hyperbolic_tangent(inner));
}

template <class Function>
inline void each(const float* x, float* y, size_t count, Function function) {
  for (size_t i = 0; i < count; ++i) y[i] = function(x[i]);
}

inline void activate_all(const ActivationSpec& spec, const float* x, float* y, size_t count) {
  const float low = spec.low, high = spec.high;
  switch (spec.kind) {
    case Activation::kClamp:
      return each(x, y, count, [=](float v) { return at_most(at_least(v, low), high); });
    case Activation::kLeakyRelu:
      return each(x, y, count, [=](float v) { return v >= 0.0f ? v : v * low; });
    case Activation::kHardSigmoid:
      return each(x, y, count, [](float v) { return hard_gate(v) / 6.0f; });
    case Activation::kHardSwish:
      return each(x, y, count, [](float v) { return v * hard_gate(v) / 6.0f; });
    case Activation::kSigmoid:
      return each(x, y, count, [](float v) { return sigmoid(v); });
    case Activation::kTanh:
      return each(x, y, count, [](float v) { return hyperbolic_tangent(v); });
    case Activation::kSilu:
      return each(x, y, count, [](float v) { return v * sigmoid(v); });
    case Activation::kGelu:
      return each(x, y, count, [](float v) { return gelu(v); });
    case Activation::kGeluTanh:
      return each(x, y, count, [](float v) { return gelu_tanh(v); });
  }
}

constexpr size_t kLanes = 16;  // of a sum: as many as the widest vector has

// Combines term(0) .. term(count - 1), lane by lane, then the lanes.
template <class Number, class Term, class Combine>
inline Number reduce(size_t count, Number start, Term term, Combine combine) {
  Number lanes[kLanes];
  for (size_t l = 0; l < kLanes; ++l) lanes[l] = start;
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t l = 0; l < kLanes; ++l) lanes[l] = combine(lanes[l], term(i + l));
  }
  for (size_t l = 0; i + l < count; ++l) lanes[l] = combine(lanes[l], term(i + l));
  for (size_t half = kLanes / 2; half != 0; half /= 2) {
    for (size_t l = 0; l < half; ++l) lanes[l] = combine(lanes[l], lanes[l + half]);
  }
  return lanes[0];
}

inline double sum(double a, double b) { return a + b; }

inline void softmax_row(const float* x, float* y, size_t count) {
  const float largest = reduce(
      count, x[0], [x](size_t i) { return x[i]; },
      [](float a, float b) { return b > a || b != b ? b : a; });
  each(x, y, count, [largest](float v) { return exponential(v - largest); });
  const float total =
      reduce(count, 0.0f, [y](size_t i) { return y[i]; }, [](float a, float b) { return a + b; });
  each(y, y, count, [total](float v) { return v / total; });
}

// The square root is the C library's, which is correctly rounded, or an instruction.
inline void standardize_row(const float* x, float* y, size_t count, float eps) {
  const double n = static_cast<double>(count);
  const double total = reduce(count, 0.0, [x](size_t i) { return static_cast<double>(x[i]); }, sum);
  const float mean = static_cast<float>(total / n);
  each(x, y, count, [mean](float v) { return v - mean; });
  const double squares =
      reduce(count, 0.0, [y](size_t i) { return static_cast<double>(y[i] * y[i]); }, sum);
  const float deviation = __builtin_sqrtf(static_cast<float>(squares / n) + eps);
  each(y, y, count, [deviation](float v) { return v / deviation; });
}

// y[i] = function(y[i], x[i * stride]); a stride that the compiler knows makes vectors.
template <class Function>
inline void combine(const float* x, ptrdiff_t stride, float* y, size_t count, Function function) {
  const auto n = static_cast<ptrdiff_t>(count);
  if (stride == 1) {
    for (ptrdiff_t i = 0; i < n; ++i) y[i] = function(y[i], x[i]);
  } else if (stride == 2) {
    for (ptrdiff_t i = 0; i < n; ++i) y[i] = function(y[i], x[2 * i]);
  } else {
    for (ptrdiff_t i = 0; i < n; ++i) y[i] = function(y[i], x[stride * i]);
  }
}

}  // namespace
}  // namespace intact

// The functions of one level.
#define INTACT_FLOAT_MATH(name)                                                              \
  namespace intact {                                                                         \
  void name##_activate(const ActivationSpec& spec, const float* x, float* y, size_t count) { \
    activate_all(spec, x, y, count);                                                         \
  }                                                                                          \
  void name##_softmax(const float* x, float* y, size_t count) { softmax_row(x, y, count); }  \
  void name##_standardize(const float* x, float* y, size_t count, float eps) {               \
    standardize_row(x, y, count, eps);                                                       \
  }                                                                                          \
  void name##_add_product(const float* x, ptrdiff_t stride, float weight, float* y,          \
                          size_t count) {                                                    \
    combine(x, stride, y, count, [weight](float a, float b) { return a + b * weight; });     \
  }                                                                                          \
  void name##_maximum(const float* x, ptrdiff_t stride, float* y, size_t count) {            \
    combine(x, stride, y, count, [](float a, float b) { return b > a || b != b ? b : a; });  \
  }                                                                                          \
  }
