"""Which axes of an ONNX graph are the batch, and how a fixed batch size is made free.

The batch is axis 0 of the inputs. If any input's first dimension is symbolic or absent, those
inputs carry the batch, and the others do not depend on it. If all first dimensions are fixed and
equal, that size is taken for the batch size of the example that the network was exported with.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx

from intact.capture.onnx.facts import TRIALS, Facts, Info
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


def free_reshape(source: Shape, fixed: tuple[Shape, Shape], size: int) -> Shape | None:
    """Where the batch goes in a Reshape whose target was written down for one batch size.

    The elements before the batch axis in row-major order are as many on both sides, so the batch
    is the output axis with the same number of elements before it. At batch size 1 an output may
    have several such axes; the one that stands where the batch stood wins.

    Args:
        source: the input's shape, with one batch axis -k.
        fixed: the shapes of input and output at batch `size`.
        size: the batch size in the file.

    Returns:
        The output's shape with its batch axis -k; None if there is none.
    """
    carriers = [axis for axis, dim in enumerate(source) if dim < 0]
    if len(carriers) != 1:
        return None
    (axis,) = carriers
    before = math.prod(fixed[0][:axis])
    target = fixed[1]
    fits = [
        i for i, dim in enumerate(target) if math.prod(target[:i]) == before and dim % size == 0
    ]
    if not fits:
        return None
    same = [i for i in fits if target[i] == fixed[0][axis]]
    best = axis if axis in same else (same or fits)[0]
    return (*target[:best], -(target[best] // size), *target[best + 1 :])


def repeated_sample(array: Array, size: int) -> Array | None:
    """The first of `size` equal slices of axis 0, keeping the axis; None if they differ."""
    if array.ndim == 0 or array.shape[0] != size or not np.all(array == array[:1]):
        return None
    return array[:1]
