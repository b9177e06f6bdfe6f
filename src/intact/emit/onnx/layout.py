"""Program values as ONNX tensors: which axis of the tensor is which axis of the value.

A Program stores images channels last, ONNX channels first. Instead of transposing, a value is seen
through a permutation of the axes of the tensor that holds it: `Permute` composes permutations and
writes no node, elementwise operations keep them, and only an operation that needs another order of
axes than the tensor has pays for a Transpose.
"""

from dataclasses import dataclass, replace

import numpy as np

from intact.emit.onnx.quantization import Stored, dequantized_constant
from intact.emit.onnx.writer import Writer
from intact.ir.graph import Shape

Axes = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """A value of shape `shape`, where shape[i] is the size of axis axes[i] of `tensor`.

    With `constant`, `tensor` is only a name until `arranged` writes the constant in the order of
    axes that its reader needs.
    """

    tensor: str
    shape: Shape
    axes: Axes
    constant: Stored | None = None  # codes, in the value's axes, whose real tensor is not written

    @property
    def tensor_shape(self) -> Shape:
        """Sizes of the tensor's axes."""
        return tensor_shape(self.shape, self.axes)

    def permuted(self, axes: Axes) -> "View":
        """The value whose axis i is axis axes[i] of this one; no node."""
        return View(
            self.tensor,
            tuple(self.shape[axis] for axis in axes),
            tuple(self.axes[axis] for axis in axes),
            None if self.constant is None else self.constant.transposed(axes),
        )


def plain(tensor: str, shape: Shape) -> View:
    """A tensor seen as it is."""
    return View(tensor, shape, identity(len(shape)))


def identity(rank: int) -> Axes:
    """The tensor's own order."""
    return tuple(range(rank))


def channels_first(rank: int) -> Axes:
    """Permutes a value (N, ..., C) to (N, C, ...)."""
    return (0, rank - 1, *range(1, rank - 1))


def channels_last(rank: int) -> Axes:
    """Permutes a value (N, C, ...) to (N, ..., C); also how NHWC is seen in an NCHW tensor."""
    return (0, *range(2, rank), 1)


def tensor_shape(shape: Shape, axes: Axes) -> Shape:
    """Shape of the tensor in which a value of this shape is seen through `axes`."""
    return tuple(shape[i] for i in np.argsort(axes))


def _order(shape: Shape, axes: Axes) -> Axes:
    """Positions, among the axes longer than one, in the order in which the tensor holds them."""
    long = [axis for axis, size in enumerate(shape) if size != 1]
    return tuple(int(i) for i in np.argsort([axes[axis] for axis in long]))


def _same_memory(shape: Shape, a: Axes, b: Axes) -> bool:
    """Whether only axes of one entry lie elsewhere."""
    return _order(shape, a) == _order(shape, b)


def arranged(writer: Writer, view: View, axes: Axes | None = None) -> View:
    """The same value in a tensor with these axes (the value's own if None)."""
    axes = identity(len(view.shape)) if axes is None else axes
    permutation = tuple(view.axes[i] for i in np.argsort(axes))
    if view.constant is not None:
        order = tuple(int(i) for i in np.argsort(axes))
        tensor = dequantized_constant(writer, view.constant.transposed(order), view.tensor)
        return View(tensor, view.shape, axes)
    if view.axes == axes:
        return view
    key = (view.tensor, permutation)
    if key not in writer.arrangements:
        writer.arrangements[key] = _moved(writer, view, axes, permutation)
    return replace(view, tensor=writer.arrangements[key], axes=axes)


def settled(writer: Writer, view: View) -> View:
    """The same value in a tensor that is written."""
    return view if view.constant is None else arranged(writer, view, view.axes)


def _moved(writer: Writer, view: View, axes: Axes, permutation: Axes) -> str:
    if view.tensor in writer.arrays:
        array = writer.arrays[view.tensor].transpose(permutation)
        return writer.constant(array, view.tensor)
    if view.tensor in writer.codes_of:
        codes = replace(view, tensor=writer.codes_of[view.tensor][0])
        return _dequantized_again(writer, view.tensor, arranged(writer, codes, axes).tensor)
    if _same_memory(view.shape, view.axes, axes):
        return _reshaped(writer, view.tensor, tensor_shape(view.shape, axes))
    output = writer.unique(f"{view.tensor}/Transpose")
    return writer.node("Transpose", [view.tensor], output, output, perm=permutation)


def _dequantized_again(writer: Writer, real: str, codes: str) -> str:
    """The real numbers of moved codes: codes are smaller than real numbers, so they move."""
    _, scale, zero_point = writer.codes_of[real]
    return writer.dequantize(codes, scale, zero_point)


def _reshaped(writer: Writer, tensor: str, shape: Shape, name: str | None = None) -> str:
    if tensor in writer.arrays and all(dim >= 0 for dim in shape):
        return writer.constant(writer.arrays[tensor].reshape(shape), tensor)
    if tensor in writer.codes_of and name is None:
        codes = _reshaped(writer, writer.codes_of[tensor][0], shape)
        return _dequantized_again(writer, tensor, codes)
    output = writer.unique(f"{tensor}/Reshape") if name is None else name
    target = writer.reshape_target(shape, output)
    return writer.node("Reshape", [tensor, target], output, output)


def reshaped(writer: Writer, view: View, shape: Shape, name: str | None = None) -> View:
    """The value with another shape, row-major; no Transpose if axes of one entry come or go."""
    view = settled(writer, view)
    if _long(view.shape) == _long(shape):
        for axes in _preferred(view, shape):
            if _order(shape, axes) == _order(view.shape, view.axes):
                sizes = tensor_shape(shape, axes)
                same = sizes == view.tensor_shape
                tensor = view.tensor if same else _reshaped(writer, view.tensor, sizes, name)
                return View(tensor, shape, axes)
    if not _same_memory(view.shape, view.axes, identity(len(view.shape))):
        view = arranged(writer, view)
    return plain(_reshaped(writer, view.tensor, shape, name), shape)


def _long(shape: Shape) -> Shape:
    return tuple(size for size in shape if size != 1)


def _preferred(view: View, shape: Shape) -> list[Axes]:
    """Ways to see a value of `shape` in a tensor, best first: no node, one pixel, plain, NCHW."""
    rank = len(shape)
    options = [identity(rank)]
    if rank in (3, 4):
        image = channels_last(rank)
        one_pixel = all(size == 1 for size in shape[1:-1])
        options = [image, *options] if one_pixel else [*options, image]
    same = [axes for axes in options if tensor_shape(shape, axes) == view.tensor_shape]
    return [*same, *options]
