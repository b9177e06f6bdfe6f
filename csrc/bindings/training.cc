#include <array>
#include <limits>

#include "bindings/bindings.h"
#include "bindings/window.h"
#include "gemm/products.h"

namespace intact {
namespace {

template <std::size_t kAxes>
using Codes = Array<std::int8_t, kAxes>;
template <std::size_t kAxes>
using Sums = nb::ndarray<std::int32_t, nb::ndim<kAxes>, nb::c_contig, nb::device::cpu>;

void check(bool fits) {
  if (!fits) throw std::invalid_argument("the shapes of codes and sums do not fit together");
}

int axis(std::size_t length) {
  check(length <= std::numeric_limits<int>::max());
  return static_cast<int>(length);
}

void multiply(Products& products, const Codes<2>& a, std::int32_t a_zero_point, bool a_transposed,
              const Codes<2>& b, std::int32_t b_zero_point, bool b_transposed,
              const Sums<2>& sums) {
  const ProductShape shape{axis(a.shape(a_transposed)), axis(a.shape(!a_transposed)),
                           axis(b.shape(!b_transposed))};
  check(axis(b.shape(b_transposed)) == shape.depth && axis(sums.shape(0)) == shape.rows &&
        axis(sums.shape(1)) == shape.columns);
  const nb::gil_scoped_release release;
  products.multiply(shape, {a.data(), a_zero_point, a_transposed},
                    {b.data(), b_zero_point, b_transposed}, sums.data());
}

using Run = void (Products::*)(const ProductWindow&, int, int, const ProductCodes&,
                               const ProductCodes&, std::int32_t*);

// Of what is computed by `run`: x (N, H, W, C), y (N, out_h, out_w, O), weight (O, kh, kw, C).
template <typename X, typename Y, typename Weight>
ProductWindow window_of(const Window& window, const X& x, const Y& y, const Weight& weight) {
  check(x.shape(0) == y.shape(0) && weight.shape(0) == y.shape(3) &&
        weight.shape(3) == x.shape(3) && window.groups == 1);
  ProductWindow made{};
  made.channels = axis(x.shape(3));
  for (std::size_t i = 0; i < 2; ++i) {
    made.image[i] = axis(x.shape(i + 1));
    made.out[i] = axis(y.shape(i + 1));
    made.kernel[i] = axis(weight.shape(i + 1));
    made.stride[i] = window.stride[i];
    made.padding[i] = window.padding[i][0];
    made.dilation[i] = window.dilation[i];
  }
  return made;
}

void run(Products& products, Run function, const ProductWindow& window, std::size_t images,
         std::size_t outputs, const ProductCodes& a, const ProductCodes& b, std::int32_t* sums) {
  const nb::gil_scoped_release release;
  (products.*function)(window, axis(images), axis(outputs), a, b, sums);
}

}  // namespace

void bind_training(nb::module_& m) {
  nb::class_<Products>(m, "Products")
      .def(nb::init<int, Isa>())
      .def("multiply", &multiply)
      .def("convolve",
           [](Products& products, const Window& window, const Codes<4>& x, std::int32_t zero_point,
              const Codes<4>& weight, const Sums<4>& sums) {
             run(products, &Products::convolve, window_of(window, x, sums, weight), x.shape(0),
                 weight.shape(0), {x.data(), zero_point, false}, {weight.data(), 0, false},
                 sums.data());
           })
      .def("convolve_input",
           [](Products& products, const Window& window, const Codes<4>& g, const Codes<4>& weight,
              const Sums<4>& sums) {
             run(products, &Products::convolve_input, window_of(window, sums, g, weight),
                 g.shape(0), weight.shape(0), {g.data(), 0, false}, {weight.data(), 0, false},
                 sums.data());
           })
      .def("convolve_weight", [](Products& products, const Window& window, const Codes<4>& g,
                                 const Codes<4>& x, std::int32_t zero_point, const Sums<4>& sums) {
        run(products, &Products::convolve_weight, window_of(window, x, g, sums), g.shape(0),
            g.shape(3), {g.data(), 0, false}, {x.data(), zero_point, false}, sums.data());
      });
}

}  // namespace intact
