"""Operators on shapes and indices, which constants decide: what converters leave of a reshape."""

from collections.abc import Callable, Mapping

import numpy as np

from intact.capture.tflite.builder import Builder
from intact.capture.tflite.file import Operator
from intact.capture.tflite.movement import axis_of
from intact.capture.tflite.selection import strides
from intact.errors import FormatError
from intact.numerics.arrays import Array

_MOST = 4096  # numbers that a folded operator reads, and that it makes


def fold(net: Builder, operator: Operator) -> bool:
    """Computes an operator whose result is known at conversion; False if it is none of these."""
    rule = _RULES.get(operator.code)
    if rule is None or len(operator.outputs) != 1:
        return False
    if net.tensor(operator.outputs[0]).type not in ("INT32", "INT64"):
        return False
    known = [net.array(index) for index in operator.inputs if index >= 0]
    sizes = [_MOST + 1 if array is None else array.size for array in known]
    if operator.code != "SHAPE" and sum(sizes) > _MOST:
        return False
    try:
        result = rule(net, operator, [a for a in known if a is not None])
    except (ValueError, IndexError) as error:
        raise FormatError(f"{net.title(operator)} does not fit its inputs: {error}") from None
    if result.size > _MOST:
        raise FormatError(f"{net.title(operator)} makes {result.size} numbers of a shape")
    net.know(operator.outputs[0], result)
    return True


def _shape(net: Builder, operator: Operator, known: list[Array]) -> Array:
    """SHAPE of one sample: its batch of 1 becomes the batch where it is used to reshape."""
    del known
    return np.array(net.shape(operator, 0), np.int64)


def _strided_slice(net: Builder, operator: Operator, known: list[Array]) -> Array:
    wanted, dropped = strides(net, operator, known[0].shape)
    cut = known[0][tuple(slice(*wanted[axis]) for axis in sorted(wanted))]
    return np.squeeze(cut, axis=tuple(dropped))


def _pack(net: Builder, operator: Operator, known: list[Array]) -> Array:
    axis = net.options(operator, "PackOptions").integer("Axis")
    return np.stack(known, axis_of(net, operator, axis, known[0].ndim + 1))


def _concatenation(net: Builder, operator: Operator, known: list[Array]) -> Array:
    axis = net.options(operator, "ConcatenationOptions").integer("Axis")
    return np.concatenate(known, axis_of(net, operator, axis, known[0].ndim))


def _product(net: Builder, operator: Operator, known: list[Array]) -> Array:
    del net, operator
    return np.asarray(known[0] * known[1])


def _reduced_product(net: Builder, operator: Operator, known: list[Array]) -> Array:
    keep = bool(net.options(operator, "ReducerOptions").integer("KeepDims"))
    axes = {axis_of(net, operator, int(a), known[0].ndim) for a in known[1].reshape(-1)}
    return np.asarray(np.prod(known[0], axis=tuple(axes), keepdims=keep))


_RULES: Mapping[str, Callable[[Builder, Operator, list[Array]], Array]] = {
    "CONCATENATION": _concatenation,
    "MUL": _product,
    "PACK": _pack,
    "REDUCE_PROD": _reduced_product,
    "SHAPE": _shape,
    "STRIDED_SLICE": _strided_slice,
}
