// Four floats: a vector register wherever the compiler knows one.
#pragma once

#include <string.h>

namespace intact {
namespace {

struct Float4 {
  typedef float type __attribute__((vector_size(16)));
  static constexpr int kLanes = 4;
  static type zero() { return type{}; }
  static type load(const float* p) {
    type x;
    memcpy(&x, p, sizeof(x));
    return x;
  }
  static void store(float* p, type x) { memcpy(p, &x, sizeof(x)); }
  static type broadcast(const float* p) { return type{} + *p; }
  static type multiply_add(type a, type b, type c) { return a * b + c; }
};

}  // namespace
}  // namespace intact
