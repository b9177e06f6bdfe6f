"""What every executor makes of a Program: a function from named inputs to named outputs."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from intact.ir.graph import Graph, Shape, Value, with_batch
from intact.ir.int_ops import IntOp
from intact.numerics.arrays import Array

Runner: TypeAlias = Callable[[Mapping[str, Array]], dict[str, Array]]


def check_inputs(graph: Graph[IntOp], inputs: Mapping[str, Array]) -> int:
    """The batch size that the inputs agree on; 1 if no input has a batch axis.

    Raises:
        ValueError: if a name is missing or unknown, or a dtype or shape is not the declared one.
    """
    expected = {value.name: value for value in graph.inputs}
    missing = [name for name in expected if name not in inputs]
    unknown = [name for name in inputs if name not in expected]
    if missing or unknown:
        raise ValueError(
            f"expected inputs {sorted(expected)}; missing: {missing}, unknown: {unknown}"
        )
    batch: int | None = None
    for name, value in expected.items():
        batch = _check(value, inputs[name], batch)
    return 1 if batch is None else batch


def _check(value: Value, array: Array, batch: int | None) -> int | None:
    """The batch size after this input has been looked at; None while no input has told it."""
    if array.dtype != value.dtype.storage:
        raise ValueError(
            f'input "{value.name}" has dtype {array.dtype}, expected {value.dtype.storage}'
        )
    if batch is None:
        batch = _batch_of(value.shape, array.shape)
    if array.shape != with_batch(value.shape, 1 if batch is None else batch):
        at = "" if batch is None else f" at batch size {batch}"
        raise ValueError(
            f'input "{value.name}" has shape {array.shape}, expected {describe(value.shape)}{at}'
        )
    return batch


def _batch_of(shape: Shape, actual: Shape) -> int | None:
    for dim, size in zip(shape, actual, strict=False):
        if dim < 0:
            return size // -dim
    return None


def describe(shape: Shape) -> str:
    """A declared shape in words: (-1, 3) is (N, 3), -8 is 8*N."""
    dims = ["N" if d == -1 else f"{-d}*N" if d < 0 else str(d) for d in shape]
    return f"({', '.join(dims)}{',' if len(dims) == 1 else ''})"
