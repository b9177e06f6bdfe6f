"""What a model takes of a device's flash and RAM, and when, before anything is flashed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from intact.emit.c.declarations import Data
from intact.emit.c.model import Model
from intact.ir.graph import Shape, Value, elements
from intact.ir.macs import multiply_accumulates


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One operation: its products, the constants that it is the first to use, the RAM in use."""

    name: str
    op: str
    shape: Shape  # of its output
    macs: int  # multiply-accumulates
    flash: int  # bytes
    arena: int  # bytes of the arena that hold something while it runs


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """A value in the arena from the step that writes it to the last one that reads it.

    Steps are names of operations, or "start" and "end".
    """

    name: str
    offset: int  # bytes
    size: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Report:
    """Bytes; RAM is without the stack."""

    weights: int  # weights and biases
    tables: int  # multipliers, lookup tables and parameters
    ram: int  # the arena, with inputs and outputs
    inputs: int
    outputs: int
    lower_bound: int  # of the arena: what must exist at the same time at `peak`
    peak: str  # the operation
    layers: tuple[LayerCost, ...]
    tensors: tuple[TensorPlace, ...]
    code: int | None = None  # instructions, where they could be measured
    bands: int = 1  # of rows in which `banded` layers are computed
    banded: tuple[str, ...] = ()  # in the order in which they run
    extra_macs: int = 0  # multiply-accumulates that bands compute again

    @property
    def flash(self) -> int:
        """All constants, and the code if it was measured."""
        return self.weights + self.tables + (self.code or 0)

    @property
    def macs(self) -> int:
        """Of all layers."""
        return sum(layer.macs for layer in self.layers)

    def __str__(self) -> str:
        """A table of the layers, and the sums."""
        head = ("layer", "operation", "output", "MACs", "flash", "arena in use")
        rows = [head, *(_row(layer) for layer in self.layers)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join([*(_line(row, widths) for row in rows), *self._sums()])

    def _sums(self) -> Iterator[str]:
        code = "without code" if self.code is None else f"with {self.code:,} of code"
        yield (
            f"flash: {self.flash:,} bytes {code} ({self.weights:,} of weights and biases,"
            f" {self.tables:,} of multipliers, tables and parameters)"
        )
        yield (
            f"RAM: an arena of {self.ram:,} bytes, with input ({self.inputs:,}) and output"
            f' ({self.outputs:,}), without the stack; at "{self.peak}" at least'
            f" {self.lower_bound:,} are needed"
        )
        yield f"{self.macs:,} multiply-accumulates a sample"
        if self.bands > 1:
            yield (
                f'"{self.banded[0]}" to "{self.banded[-1]}" are computed in {self.bands} bands of'
                f" rows, with {self.extra_macs:,} multiply-accumulates more"
            )


def report(model: Model) -> Report:
    """The costs of a model."""
    plan = model.storage.plan
    steps = [node.name for node in model.program.nodes]
    weights, flash = _flash(model)
    costs = {step.node.name: cost for step, cost in zip(model.steps, flash, strict=True)}
    layers = tuple(
        LayerCost(
            node.name,
            type(node.op).__name__,
            node.output.shape,
            multiply_accumulates(node),
            costs.get(node.name, 0),
            plan.live[number + 1],
        )
        for number, node in enumerate(model.program.nodes)
    )
    return Report(
        weights=weights,
        tables=sum(flash) - weights,
        ram=model.storage.arena,
        inputs=_bytes(model.program.inputs),
        outputs=_bytes(model.program.outputs),
        lower_bound=plan.lower_bound,
        peak=_step(steps, plan.peak),
        layers=layers,
        tensors=tuple(_tensors(model, steps)),
    )


def _flash(model: Model) -> tuple[int, list[int]]:
    """Bytes of weights and biases, and of all constants for each step."""
    axes = model.declarations.most_axes()
    weights, costs = 0, []
    start = 0
    for step in model.steps:
        items = model.declarations.items[start : step.constants]
        start = step.constants
        costs.append(sum(item.size(axes) for item in items))
        weights += sum(
            item.size(axes)
            for item in items
            if isinstance(item, Data) and item.name.endswith(("_weight", "_bias"))
        )
    return weights, costs


def _tensors(model: Model, steps: list[str]) -> Iterator[TensorPlace]:
    for place in model.storage.plan.places:
        yield TensorPlace(
            place.name,
            place.offset,
            place.size,
            _step(steps, place.first),
            _step(steps, place.last),
        )


def _step(steps: list[str], number: int) -> str:
    if number < 0:
        return "start"
    return steps[number] if number < len(steps) else "end"


def _bytes(values: Iterable[Value]) -> int:
    return sum(elements(value.shape) * value.dtype.storage.itemsize for value in values)


def _row(layer: LayerCost) -> tuple[str, ...]:
    counts = (layer.macs, layer.flash, layer.arena)
    return layer.name, layer.op, str(layer.shape), *(f"{n:,}" if n else "" for n in counts)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        cell.ljust(width) if i < 3 else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
