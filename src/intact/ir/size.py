"""How large a Program is."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

import numpy as np

from intact.ir.graph import Value
from intact.ir.int_ops import Program
from intact.ir.packing import packed_bytes
from intact.ir.scans import every_node
from intact.numerics.arrays import Array
from intact.numerics.formats import FP32, Format, Int


def array_format(array: Array) -> Format:
    """The narrowest format that holds an array of an operation's attributes.

    float32 stays; integers get the fewest of 8, 16, 32 and 64 signed bits.
    """
    if array.dtype == np.float32:
        return FP32
    low, high = (int(array.min()), int(array.max())) if array.size else (0, 0)
    return next(f for f in map(Int, (8, 16, 32, 64)) if f.qmin <= low and high <= f.qmax)


def arrays_of(attribute: object) -> Iterator[Array]:
    """The arrays in an operation or in one of its attributes, in the order of their fields."""
    if isinstance(attribute, np.ndarray):
        yield attribute
    elif is_dataclass(attribute) and not isinstance(attribute, type):
        for field in fields(attribute):
            yield from arrays_of(getattr(attribute, field.name))


def program_bytes(program: Program) -> int:
    """Bytes of the packed constants and of the arrays in the operations.

    These are weights, biases, tables, and the multipliers, shifts and bounds that the scales have
    become: what a device must store. Names, structure and alignment are not counted.
    """
    values: dict[str, Value] = {value.name: value for value in program.outputs}
    values.update((value.name, value) for value in program.values())
    constants = sum(
        packed_bytes(values[name].dtype, array.shape) for name, array in program.constants.items()
    )
    arrays = (array for node in every_node(program) for array in arrays_of(node.op))
    return constants + sum(packed_bytes(array_format(array), array.shape) for array in arrays)
