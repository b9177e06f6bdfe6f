// Sixteen floats. For files compiled with AVX-512.
#pragma once

#include <immintrin.h>

namespace intact {
namespace {

struct Float16 {
  using type = __m512;
  static constexpr int kLanes = 16;
  static type zero() { return _mm512_setzero_ps(); }
  static type load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, type x) { _mm512_storeu_ps(p, x); }
  static type broadcast(const float* p) { return _mm512_set1_ps(*p); }
  static type multiply_add(type a, type b, type c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace
}  // namespace intact
