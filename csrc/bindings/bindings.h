// Python bindings: one function for each family of operations, called by module.cc.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <span>
#include <vector>

#include "core/tensor.h"

namespace intact {

namespace nb = nanobind;

// Any contiguous array on the CPU that will only be read: NumPy, or anything that speaks DLPack.
using AnyArray = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;
template <typename T, std::size_t kAxes>
using Array = nb::ndarray<const T, nb::ndim<kAxes>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Vector = Array<T, 1>;

template <typename T>
std::span<const T> to_span(const Vector<T>& array) {
  return {array.data(), array.size()};
}

template <typename T>
std::vector<T> to_vector(const Vector<T>& array) {
  const std::span<const T> span = to_span(array);
  return {span.begin(), span.end()};
}

DType dtype_of(nb::dlpack::dtype dtype);
Shape shape_of(const AnyArray& array);

void bind_engine(nb::module_& m);
void bind_basic(nb::module_& m);
void bind_codes(nb::module_& m);
void bind_convert(nb::module_& m);
void bind_window(nb::module_& m);
void bind_gemm(nb::module_& m);
void bind_layers(nb::module_& m);
void bind_floats(nb::module_& m);
void bind_training(nb::module_& m);

}  // namespace intact
