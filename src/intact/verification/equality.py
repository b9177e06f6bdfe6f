"""Are the native executor's outputs the reference's, bit for bit?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.numerics.formats import Float


@dataclass(frozen=True, slots=True)
class Equality:
    """One output of the native executor against the reference's.

    `exact`: integers lead from the network's inputs to it, so that nothing may differ. Where a
    layer computes in real numbers, the order of its sums is the executor's.
    """

    name: str
    exact: bool
    elements: int
    same: int
    largest: float  # largest difference, in codes; of real numbers where the output has no codes

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
        return f"{self.equal:.4%} equal the reference's, largest difference {self.largest:.3g}"


def native_comparer(
    program: Program,
) -> Callable[[Mapping[str, Array], Mapping[str, Array]], tuple[Equality, ...]]:
    """A function from inputs and the reference's outputs to what the native executor makes of them.

    Raises:
        UnsupportedOpError: if an operation has no native form.
        ImportError: if the native engine is not built.
    """
    from intact.exec.native.engine import load  # which an unbuilt source tree lacks

    run = load(program)
    exact = _exact(program)

    def compare(inputs: Mapping[str, Array], expected: Mapping[str, Array]) -> tuple[Equality, ...]:
        made = run(inputs)
        return tuple(
            _equality(name, name in exact, made[name], expected[name])
            for name in (value.name for value in program.outputs)
        )

    return compare


def _exact(program: Program) -> set[str]:
    """The values that are computed from codes alone; quantizing an input is exact."""
    exact = {*program.constants, *(value.name for value in program.inputs)}
    for node in program.nodes:
        is_real = isinstance(node.output.dtype, Float)
        if not is_real and all(value.name in exact for value in node.inputs):
            exact.add(node.name)
    return exact


def _equality(name: str, exact: bool, made: Array, expected: Array) -> Equality:
    wide = np.float64 if made.dtype.kind == "f" else np.int64
    a, b = made.astype(wide), expected.astype(wide)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    largest = float(np.abs(a[~same] - b[~same]).max(initial=0))
    return Equality(name, exact, made.size, int(same.sum()), largest)


def added(a: Equality, b: Equality) -> Equality:
    """Both batches together."""
    largest = max(a.largest, b.largest)
    return Equality(a.name, a.exact, a.elements + b.elements, a.same + b.same, largest)
