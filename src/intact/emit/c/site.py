"""Where an operation stands: its name in C, its operands, and the constants that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intact.emit.c.declarations import Declarations, Initializer
from intact.emit.c.kinds import Kinds
from intact.emit.c.names import identifier
from intact.errors import UnsupportedOpError
from intact.ir.graph import Node, Shape, Value
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Array, IntArray
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Float, Int
from intact.numerics.integers import narrowest, weight_integers

HALF = 4  # bits of half a byte
_TYPES = ("int8", "uint8", "int16", "uint16", "int32")


@dataclass(frozen=True, slots=True)
class Site:
    """A node, for one sample: every dimension is a number.

    `places` has the C expression of each value that is stored at run time.
    """

    node: Node[IntOp]
    name: str
    places: Mapping[str, str]
    constants: Mapping[str, Array]
    declarations: Declarations
    kinds: Kinds

    @property
    def x(self) -> Value:
        """The first input."""
        return self.node.inputs[0]

    @property
    def out(self) -> Value:
        """The output."""
        return self.node.output

    def refusal(self, why: str) -> UnsupportedOpError:
        """The error of an operation that has no form in C."""
        return UnsupportedOpError(
            f'{type(self.node.op).__name__} at "{self.node.name}" cannot be exported to C: {why}'
        )

    def read(self, value: Value) -> str:
        """A pointer to the value's codes."""
        if value.name not in self.constants:
            return self.places[value.name]
        codes = self.constants[value.name]
        about = f"{value.name} {value.shape} of {value.dtype}"
        return self.declarations.array(f"{identifier(value.name)}_codes", codes, about)

    def write(self) -> str:
        """A pointer to where the output goes."""
        return self.places[self.out.name]

    def array(self, role: str, values: Array, about: str = "") -> str:
        """A constant array `layer_role`; `about` says what it is, by default the role."""
        what = about or f"{self.node.name}: {role.replace('_', ' ')}"
        return self.declarations.array(f"{self.name}_{role}", values, what)

    def int32(self, role: str, values: IntArray) -> str:
        """The same of 32-bit numbers; a single one is called after itself."""
        numbers = np.asarray(values, np.int32)
        if numbers.size > 1:
            return self.array(role, numbers)
        number = int(numbers.reshape(()))
        name = f"number_minus_{-number}" if number < 0 else f"number_{number}"
        return self.declarations.array(name, numbers, "")

    def structure(self, role: str, type: str, fields: Initializer) -> str:  # noqa: A002
        """The address of a constant structure `layer_role`."""
        return "&" + self.declarations.structure(f"{self.name}_{role}", type, fields)

    def weight(self, value: Value, zero_point: tuple[int, ...] | None, shift: int = 0) -> Array:
        """The integers of a weight less its zero points."""
        codes = self.constants[value.name]
        return narrowest(weight_integers(codes, value.dtype, zero_point, shift))

    def requant(self, requant: Requant, role: str = "") -> dict[str, Initializer]:
        """The fields of an intact_requant."""
        prefix = f"{role}_" if role else ""
        self.kinds.wide |= requant.accumulator_bits == 64
        return {
            "multiplier": self.int32(f"{prefix}multiplier", requant.multiplier),
            "shift": self.array(f"{prefix}shift", requant.shift.astype(np.int8)),
            "channels": requant.multiplier.size,
            "qmin": self.int32(f"{prefix}qmin", requant.qmin),
            "qmax": self.int32(f"{prefix}qmax", requant.qmax),
            "clamps": requant.qmin.size,
            "zero_point": requant.zero_point,
            "wide": int(requant.accumulator_bits == 64),
        }

    def code_type(self, value: Value) -> str:
        """The intact_type of a value's codes.

        Raises:
            UnsupportedOpError: if they are real numbers, or wider than kernels take.
        """
        if isinstance(value.dtype, Float) or value.dtype.storage.name not in _TYPES:
            raise self.refusal(f'"{value.name}" holds {value.dtype}, which no integer kernel takes')
        kind = _intact_type(value.dtype.storage)
        self.kinds.codes.add(kind)
        return kind

    def weight_type(self, weight: Array, shift: int = 0) -> str:
        """The intact_type of a weight's integers; uint8 has two of 4 bits in a byte.

        With a shift of 4 or more they are those times 16.
        """
        halves = "INTACT_INT4" if shift < HALF else "INTACT_INT4_HIGH"
        kind = halves if weight.dtype == np.uint8 else _intact_type(weight.dtype)
        self.kinds.weights.add(kind)
        return kind


def _intact_type(dtype: np.dtype[np.generic]) -> str:
    return f"INTACT_{dtype.name.upper()}"


def code_range(value: Value) -> tuple[int, int]:
    """Lowest and highest code of a value, which `verify` has found to hold codes."""
    assert isinstance(value.dtype, Int)
    return value.dtype.qmin, value.dtype.qmax


def volume(shape: Shape) -> int:
    """Number of elements."""
    return int(np.prod(shape, dtype=np.int64))
