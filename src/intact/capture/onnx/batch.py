"""Which axes of an ONNX graph are the batch, and how a fixed batch size is made free.

The batch is axis 0 of the inputs. If any input's first dimension is symbolic or absent, those
inputs carry the batch, and the others do not depend on it. If all first dimensions are fixed and
equal, that size is taken for the batch size of the example that the network was exported with.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from intact.capture.onnx.facts import LARGEST, TRIALS, Facts, Info
from intact.errors import FormatError, UnsupportedOpError
from intact.ir.graph import Shape, with_batch
from intact.numerics.arrays import Array


def declare_inputs(inputs: Sequence[onnx.ValueInfoProto], path: Path) -> Facts:
    """Facts about the graph's inputs, at batch sizes to try.

    Raises:
        UnsupportedOpError: for an input without batch axis, with other symbolic dimensions, or
            with fixed first dimensions that differ.
    """
    shapes = {proto.name: _declared_shape(proto, path) for proto in inputs}
    if not shapes:
        raise UnsupportedOpError(f"{path} has no inputs: its outputs are constants")
    firsts = {shape[0] for shape in shapes.values() if shape}
    if -1 in firsts:
        facts = Facts(TRIALS, None)
    elif len(firsts) == 1:
        (size,) = firsts
        facts = Facts((*TRIALS, size), size)
        shapes = {name: (-1, *shape[1:]) if shape else () for name, shape in shapes.items()}
    else:
        raise UnsupportedOpError(
            f"the inputs of {path} have different fixed first dimensions or none"
            f" ({', '.join(f'{name}: {shape}' for name, shape in shapes.items())}), so none can be"
            " the batch. Export the network with a dynamic first axis"
        )
    for proto in inputs:
        shape = shapes[proto.name]
        at_trials = tuple(with_batch(shape, batch) for batch in facts.batches)
        facts.infos[proto.name] = Info(proto.type.tensor_type.elem_type, at_trials)
        if max(map(math.prod, at_trials)) > LARGEST:
            raise FormatError(f'the input "{proto.name}" of {path} has shape {shape}')
        facts.dtype(proto.name)  # raises for strings and the like
    return facts


def _declared_shape(proto: onnx.ValueInfoProto, path: Path) -> Shape:
    """The shape, -1 for a dynamic first axis."""
    where = f'the input "{proto.name}" of {path}'
    if not proto.type.HasField("tensor_type") or not proto.type.tensor_type.HasField("shape"):
        raise UnsupportedOpError(
            f"{where} is not a tensor of known rank. Export the network with tensor inputs"
        )
    dims = proto.type.tensor_type.shape.dim
    return tuple(_declared_dimension(dim, axis, where) for axis, dim in enumerate(dims))


def _declared_dimension(dim: onnx.TensorShapeProto.Dimension, axis: int, where: str) -> int:
    # Some exporters write -1 where they mean a symbol.
    if dim.WhichOneof("value") == "dim_value" and dim.dim_value != -1:
        if dim.dim_value < 1:
            raise FormatError(f"{where} has size {dim.dim_value} in axis {axis}")
        return dim.dim_value
    if axis == 0:
        return -1
    symbol = dim.dim_param or "unnamed"
    raise UnsupportedOpError(
        f"{where} has a dynamic size ({symbol}) in axis {axis}; only the first axis, the batch, may"
        " be dynamic. Fix it with `python -m onnxruntime.tools.make_dynamic_shape_fixed"
        f" --dim_param {symbol} --dim_value SIZE IN.onnx OUT.onnx`"
    )


@dataclass(frozen=True, slots=True)
class Freed:
    """A shape, and how many blocks stand before the batch inside of its batch axis.

    A batch axis -k is (inner, batch, k / inner) in row-major order; inner is 1 where heads were
    folded behind the batch, and k where (time, batch) became one axis.
    """

    shape: Shape
    inner: int


def free_reshape(source: Freed, fixed: tuple[Shape, Shape], size: int) -> Freed | None:
    """Where the batch goes in a Reshape whose target was written down for one batch size.

    The elements before the batch in row-major order are as many on both sides, which tells the
    axis, except that at batch size 1 several may fit. Then an axis of size 1 is the batch; else one
    whose following axes stay the same, or whose leading axes do; the last axis, the features, only
    if there is no other.

    Args:
        source: the input.
        fixed: the shapes of input and output at batch `size`.
        size: the batch size in the file.

    Returns:
        The output; None if no axis fits.
    """
    carriers = [axis for axis, dim in enumerate(source.shape) if dim < 0]
    if len(carriers) != 1 or min(fixed[1], default=1) < 1:
        return None
    (axis,) = carriers
    old, new = fixed
    before = math.prod(old[:axis]) * source.inner
    fits = [i for i in range(len(new)) if _holds(new, i, before, size)]
    if not fits:
        return None
    fits = [i for i in fits if i < len(new) - 1] or fits
    alone = [i for i in fits if new[i] == size]
    behind = [i for i in fits if new[i + 1 :] == old[axis + 1 :]]
    ahead = [i for i in fits if new[:i] == old[:axis]]
    best = axis if axis in alone else (alone or behind or ahead or fits)[0]
    shape = (*new[:best], -(new[best] // size), *new[best + 1 :])
    return Freed(shape, before // math.prod(new[:best]))


def _holds(shape: Shape, axis: int, before: int, size: int) -> bool:
    """Whether a batch with so many blocks before it lies within the axis."""
    lead = math.prod(shape[:axis])
    return before % lead == 0 and (lead * shape[axis]) % (before * size) == 0


def repeated_sample(array: Array, size: int) -> Array | None:
    """The first of `size` equal slices of axis 0, keeping the axis; None if they differ."""
    if array.ndim == 0 or array.shape[0] != size or not np.all(array == array[:1]):
        return None
    return array[:1]
