"""What the functions that turn nodes into native operations share."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intact.errors import UnsupportedOpError
from intact.exec.native.library import native
from intact.ir.graph import Node, Value
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Array, IntArray
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Format
from intact.numerics.integers import narrowest, weight_integers
from intact.numerics.qtensor import ScaledTensor


@dataclass(frozen=True, slots=True)
class Constants:
    """What does not depend on the inputs.

    `arrays` are constants and folded results by value name; `packed` are weights that stay codes
    and are dequantized inside of a kernel, by the name of their `Dequantize`; `isa` is the best
    level of kernels that may be used.
    """

    arrays: Mapping[str, Array]
    packed: Mapping[str, ScaledTensor]
    isa: native.Isa


@dataclass(frozen=True, slots=True)
class Built:
    """A native operation and the values that it reads at run time, in its order."""

    op: native.Op
    inputs: tuple[Value, ...]


def built(op: native.Op, node: Node[IntOp], count: int = 1) -> Built:
    """The operation with the node's first `count` inputs; the others are packed in it."""
    return Built(op, node.inputs[:count])


def dtype(format: Format) -> native.DType:
    """How the codes of a format are stored.

    Raises:
        UnsupportedOpError: if the engine has no such type.
    """
    name = format.storage.name
    if name not in native.DType.__members__:
        raise UnsupportedOpError(
            f'values of {format} ({name}) have no native form; use executor="reference"'
        )
    return native.DType[name]


def int32(values: IntArray) -> NDArray[np.int32]:
    """As the kernels take it."""
    return np.ascontiguousarray(values, np.int32)


def weight(
    value: Value, constants: Constants, zero_point: tuple[int, ...] | None, shift: int = 0
) -> Array:
    """The integers of a weight less its zero points, in the smallest type that holds them."""
    return narrowest(weight_integers(constants.arrays[value.name], value.dtype, zero_point, shift))


def requant(requant: Requant) -> native.Requant:
    """The native twin."""
    return native.Requant(
        int32(requant.multiplier),
        int32(requant.shift),
        requant.zero_point,
        int32(requant.qmin),
        int32(requant.qmax),
        requant.accumulator_bits == 64,
    )


def given(value: Value, node: Node[IntOp], constants: Constants) -> Array:
    """The array of a parameter.

    Raises:
        UnsupportedOpError: if it is known when the network runs only.
    """
    if value.name not in constants.arrays:
        raise UnsupportedOpError(
            f'{type(node.op).__name__} at "{node.name}" has no native form for the computed'
            f' "{value.name}"; use executor="reference"'
        )
    return constants.arrays[value.name]


def pair(numbers: Sequence[int], node: Node[IntOp], missing: int) -> tuple[int, int]:
    """A number for height and width; `missing` is that of the height where there is one axis.

    Raises:
        UnsupportedOpError: if there are more.
    """
    match tuple(numbers):
        case (width,):
            return missing, width
        case (height, width):
            return height, width
        case more:
            raise UnsupportedOpError(
                f'{type(node.op).__name__} of {len(more)} axes at "{node.name}" has no native'
                ' form; use executor="reference"'
            )
