#include "bindings/window.h"

namespace intact {

int size(const AnyArray& array, std::size_t axis) {
  if (axis >= array.ndim()) throw std::invalid_argument("a weight with too few axes");
  return static_cast<int>(array.shape(axis));
}

Conv2dSpec conv2d_spec(const Window& window, std::int32_t zero_point, DType input, DType output,
                       const AnyArray& weight) {
  Conv2dSpec spec{};
  spec.out_channels = size(weight, 0);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    spec.kernel[axis] = size(weight, axis + 1);
    spec.stride[axis] = window.stride[axis];
    spec.padding[axis][0] = window.padding[axis][0];
    spec.padding[axis][1] = window.padding[axis][1];
    spec.dilation[axis] = window.dilation[axis];
  }
  spec.depth = size(weight, 3);
  spec.groups = window.groups;
  spec.input_zero_point = zero_point;
  spec.input = input;
  spec.output = output;
  return spec;
}

void bind_window(nb::module_& m) {
  nb::class_<Window>(m, "Window")
      .def("__init__",
           [](Window* self, const std::array<int, 2>& stride,
              const std::array<std::array<int, 2>, 2>& padding, const std::array<int, 2>& dilation,
              int groups) { new (self) Window{stride, padding, dilation, groups}; });
}

}  // namespace intact
