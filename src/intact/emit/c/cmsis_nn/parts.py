"""What several of CMSIS-NN's functions share: conditions, arguments and the check of a call."""

from collections.abc import Sequence

import numpy as np

from intact.emit.c.cmsis_nn.scratch import Scratch
from intact.emit.c.declarations import Initializer
from intact.emit.c.site import Site, code_range
from intact.ir.float_ops import Pads
from intact.ir.graph import Shape, Value
from intact.numerics.fixedpoint import Requant

_LARGEST = (1 << 16) - 1  # sizes become uint16_t inside


def values_difference(*values: Value) -> str | None:
    """Its functions take codes of 8 bits with a sign, of one image."""
    for value in values:
        if len(value.shape) == 4 and value.shape[0] != 1:
            return f'"{value.name}" holds several images'
        if value.dtype.storage != np.int8:
            return f'"{value.name}" holds {value.dtype}, not int8'
        if max(value.shape, default=1) > _LARGEST:
            return f'"{value.name}" has more than {_LARGEST} elements along an axis'
    return None


def requant_difference(requant: Requant) -> str | None:
    """Its requantization neither saturates nor shifts by 31, and has one clamp."""
    if requant.accumulator_bits != 32:
        return "its accumulators have 64 bits"
    if (requant.shift > 0).any():
        return "its accumulators are shifted to the left, which saturates here and overflows there"
    if (requant.shift < -30).any():
        return "its accumulators are shifted by 31 bits, which is undefined there"
    if np.unique(requant.qmin).size > 1 or np.unique(requant.qmax).size > 1:
        return "its channels are clamped to different codes"
    return None


def activation(requant: Requant) -> dict[str, Initializer]:
    """Fields of a cmsis_nn_activation."""
    return {"min": int(requant.qmin[0]), "max": int(requant.qmax[0])}


def range_activation(value: Value) -> dict[str, Initializer]:
    """The same of all of a value's codes."""
    low, high = code_range(value)
    return {"min": low, "max": high}


def tile(rows_columns: tuple[int, int]) -> dict[str, Initializer]:
    """Fields of a cmsis_nn_tile."""
    return {"w": rows_columns[1], "h": rows_columns[0]}


def pad_tile(padding: Pads) -> dict[str, Initializer]:
    """The same of padding: what stands ahead; the rest shows in the output's size."""
    (top, _), (left, _) = padding
    return tile((top, left))


def dims(site: Site, role: str, shape: Shape) -> str:
    """The address of a cmsis_nn_dims."""
    return site.structure(role, "cmsis_nn_dims", dict(zip("nhwc", shape, strict=True)))


def read(site: Site, value: Value) -> str:
    """A pointer to int8 codes."""
    return f"(const int8_t*)({site.read(value)})"


def write(site: Site) -> str:
    """A pointer to where int8 codes go."""
    return f"(int8_t*)({site.write()})"


def context(scratch: Scratch) -> str:
    """The statement that declares `context`."""
    return f"const cmsis_nn_context context = {{{scratch.pointer}, {scratch.size}}};"


def enough(function: str, arguments: Sequence[str]) -> str:
    """The statement that ends the run if a function needs more scratch memory than `context`."""
    return f"if ({function}_get_buffer_size({', '.join(arguments)}) > context.size) return 2;"


def checked(function: str, arguments: Sequence[str]) -> str:
    """The statement that calls a function and ends the run if it refuses its arguments."""
    return f"if ({function}({', '.join(arguments)}) != ARM_CMSIS_NN_SUCCESS) return 2;"
