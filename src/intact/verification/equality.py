"""Are the outputs of an executor the reference's, bit for bit?"""

from dataclasses import dataclass

import numpy as np

from intact.ir.int_ops import Program
from intact.ir.rules import MovesCodes
from intact.numerics.arrays import Array
from intact.numerics.formats import Float


@dataclass(frozen=True, slots=True)
class Equality:
    """One output of an executor against the reference's.

    `exact`: equality is promised: integers lead from the network's inputs to the output, and the
    executor computes the reference's. Where a layer computes in real numbers, the order of its sums
    is the executor's.
    """

    name: str
    exact: bool
    elements: int
    same: int
    largest: float  # largest difference, in codes; of real numbers where the output has no codes
    first_layer: str | None = None  # that differs, in execution order, if it is known

    @property
    def equal(self) -> float:
        """Share of equal elements."""
        return self.same / max(self.elements, 1)

    @property
    def met(self) -> bool:
        """Whether it is what it must be."""
        return not self.exact or self.same == self.elements

    def __str__(self) -> str:
        """In a line."""
        if self.same == self.elements:
            return f"all {self.elements:,} equal the reference's"
        first = f', first in "{self.first_layer}"' if self.first_layer else ""
        free = "" if self.exact else "; not promised"
        return (
            f"{self.equal:.4%} equal the reference's,"
            f" largest difference {self.largest:.3g}{first}{free}"
        )


def exact_values(program: Program) -> set[str]:
    """The values that are computed from codes alone; moving and quantizing an input is exact."""
    exact = {*program.constants, *(value.name for value in program.inputs)}
    for node in program.nodes:
        computed = isinstance(node.output.dtype, Float) and not isinstance(node.op, MovesCodes)
        if not computed and all(value.name in exact for value in node.inputs):
            exact.add(node.name)
    return exact


def equal_elements(made: Array, expected: Array) -> Array:
    """Where both are equal, or both are no number."""
    same = made == expected
    if made.dtype.kind == "f":
        same |= np.isnan(made) & np.isnan(expected)
    return np.asarray(same)


def equality(name: str, exact: bool, made: Array, expected: Array) -> Equality:
    """How many elements are equal, and by how much the others differ."""
    same = equal_elements(made, expected)
    wide = np.float64 if made.dtype.kind == "f" else np.int64
    different = made[~same].astype(wide) - expected[~same].astype(wide)
    return Equality(
        name, exact, made.size, int(same.sum()), float(np.abs(different).max(initial=0))
    )


def added(a: Equality, b: Equality) -> Equality:
    """Both batches together."""
    largest = max(a.largest, b.largest)
    return Equality(a.name, a.exact, a.elements + b.elements, a.same + b.same, largest)
