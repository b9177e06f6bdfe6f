"""QuantizedNetwork: what `quantize` gives and a `.intact` file holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from intact.api.layers import float_layers, layers
from intact.exec.runner import describe
from intact.ir import file
from intact.ir.certificate import Certificate
from intact.ir.graph import Graph
from intact.ir.int_ops import Program
from intact.ir.memory import plan
from intact.ir.size import program_bytes
from intact.model import QuantizedModel


@dataclass(frozen=True, slots=True)
class Attempt:
    """A recipe that was tried, and what `validate` said of the network that it gave.

    With a score for each sample, `interval` is the 95 % confidence interval of the drop, paired. A
    network that was surely beyond the budget was given up after `samples` of them: not `whole`, and
    `metric` is the float network's less the drop on those.
    """

    recipe: str
    metric: float
    bytes: int = 0  # stored by a device
    cures: tuple[str, ...] = ()  # what was done beyond the recipe that was asked for, in words
    interval: tuple[float, float] | None = None
    samples: int | None = None  # None where validate gave one number for all
    whole: bool = True
    seconds: float = 0.0  # to quantize and validate


@dataclass(frozen=True, slots=True)
class Validation:
    """What `validate` said, before and after."""

    float_metric: float
    quantized_metric: float
    max_drop: float | None
    attempts: tuple[Attempt, ...]  # in order; one of them is the network that was kept
    kept: int = 0  # which
    out_of_time: bool = False  # the search was stopped by its time limit

    @property
    def drop(self) -> float:
        """What quantization cost."""
        return self.float_metric - self.quantized_metric

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % confidence interval of the drop, paired; None without scores of samples."""
        return self.attempts[self.kept].interval

    @property
    def met(self) -> bool:
        """Whether the drop measured on all samples is within the budget; True without one."""
        return self.max_drop is None or within(self.drop, self.max_drop)

    @property
    def certain(self) -> bool:
        """Whether the whole interval is on the drop's side of the budget: more samples would agree.

        Without a budget or an interval it is True.
        """
        if self.max_drop is None or self.interval is None:
            return True
        low, high = self.interval
        return within(high, self.max_drop) if self.met else not within(low, self.max_drop)


def within(drop: float, max_drop: float) -> bool:
    """Whether a drop is no larger: 0.77 - 0.76 is no larger than 0.01, whatever floats say."""
    return drop <= max_drop + 1e-9


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class QuantizedNetwork:
    """A quantized network: run it with `compile`, write it with `export` or `save`."""

    program: Program
    model: QuantizedModel | None = None  # None if it was loaded from a file
    stays_float: Mapping[str, str] = field(default_factory=dict)  # why, by layer
    recipe: str | None = None  # whose rules made it
    validation: Validation | None = None  # None if nothing was validated
    certificate: Certificate | None = None  # what made it, and test vectors

    @property
    def bytes(self) -> int:
        """What a device must store: packed weights, biases, tables and multipliers."""
        return program_bytes(self.program)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample."""
        return sum(layer.macs for layer in layers(self.program))

    @property
    def arena_bytes(self) -> int:
        """Memory for activations at batch size 1."""
        return plan(self.program).size

    def summary(self) -> str:
        """Layers, formats and sizes in plain text, and what stays float and why."""
        rows = [("layer", "operation", "output", "format", "weights", "bytes", "MACs")]
        rows += [
            (
                layer.title,
                layer.op,
                describe(layer.shape),
                layer.format,
                layer.weight_format or "",
                str(layer.weight_bytes or ""),
                str(layer.macs or ""),
            )
            for layer in layers(self.program)
        ]
        lines = _aligned(rows)
        lines.append(
            f"{self.bytes:,} bytes stored, {self.arena_bytes:,} bytes of activations,"
            f" {self.macs:,} multiply-accumulates a sample"
        )
        lines += [f'stays float: "{name}": {why}' for name, why in self.stays_float.items()]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """One line; the fields hold all weights."""
        made = f"{self.recipe}, " if self.recipe else ""
        return (
            f"<QuantizedNetwork: {made}{len(self.program.nodes)} operations, {self.bytes:,} bytes>"
        )

    def save(self, path: str | Path) -> None:
        """Writes a `.intact` file, whole or not at all.

        A network that was not quantized here gets a certificate of random test vectors.

        Raises:
            ValueError: if the name does not end in `.intact`.
            OSError: if it cannot be written.
        """
        target = Path(path)
        if target.suffix != ".intact":
            raise ValueError(f"a quantized network is saved as .intact, not {target.name}")
        certificate = self.certificate
        if certificate is None:
            from intact.api.vectors import drawn_certificate  # which running needs not

            certificate = drawn_certificate(self.program, self.recipe or "unknown")
        file.save(self.program, target, certificate)

    @staticmethod
    def load(path: str | Path) -> "QuantizedNetwork":
        """The same as `intact.load`."""
        return load(path)


def load(path: str | Path) -> QuantizedNetwork:
    """Reads a `.intact` file, or a `.tflite` file of integers; every field is checked.

    Nothing is unpickled. A `.tflite` file gives the codes that TFLite's reference kernels compute.

    Raises:
        FileNotFoundError: if there is no such file.
        FormatError: if it is neither, or damaged.
        UnsupportedOpError: if a `.tflite` file holds what intact has no integers for.
        ImportError: for a `.tflite` file without `intact[tflite]`.
    """
    source = Path(path)
    if source.suffix == ".tflite":
        from intact.capture.tflite import read  # tflite is optional

        program = read(source)
        return QuantizedNetwork(program, stays_float=float_layers(program))
    program, certificate = file.load_certified(source)
    return QuantizedNetwork(
        program,
        stays_float=float_layers(program),
        recipe=None if certificate is None else certificate.origin.recipe,
        certificate=certificate,
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if i >= len(widths) - 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def to_program(network: QuantizedNetwork | QuantizedModel | Program) -> Program:
    """The Program of whatever form a quantized network has.

    Raises:
        ValueError: if this is no quantized network.
    """
    match network:
        case QuantizedNetwork():
            return network.program
        case QuantizedModel():
            from intact.lower.lower import lower  # which a saved network does not need

            return lower(network)
        case Graph():
            return network
        case _:
            raise ValueError(f"{type(network).__name__} is no quantized network")
