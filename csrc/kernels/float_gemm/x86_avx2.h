// Eight floats. For files compiled with AVX2 and FMA.
#pragma once

#include <immintrin.h>

namespace intact {
namespace {

struct Float8 {
  using type = __m256;
  static constexpr int kLanes = 8;
  static type zero() { return _mm256_setzero_ps(); }
  static type load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, type x) { _mm256_storeu_ps(p, x); }
  static type broadcast(const float* p) { return _mm256_broadcast_ss(p); }
  static type multiply_add(type a, type b, type c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace
}  // namespace intact
