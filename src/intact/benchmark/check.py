"""Does a contestant compute the network's integers? Times of wrong ones compare with nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from intact.benchmark.layerwise import layerwise
from intact.benchmark.peers import Batch
from intact.benchmark.worker import Contestant, ContestantError, Loaded, Worker
from intact.exec.reference import trace
from intact.ir.graph import with_batch
from intact.ir.int_ops import Dequantize, Program
from intact.numerics.arrays import Array

_SAMPLES = 2  # enough, and the reference is slow
# ONNX computes in floating point, which may round to a neighbouring code; of 16 bits to a near one.
_TOLERANCE, _TOLERANCE_16 = 1, 4


@dataclass(frozen=True, slots=True)
class LayerAgreement:
    """The codes of all layers, each of which read the reference's."""

    largest: int  # difference of a code
    wrong: float  # share of codes that differ by more than rounding explains


@dataclass(frozen=True, slots=True)
class Agreement:
    """A contestant's numbers beside the reference's.

    In a deep network differences by one code, which rounding explains, grow to many at the outputs.
    So integers are judged layer by layer.
    """

    error: float  # root mean square of the outputs' differences over that of the outputs
    output_codes: float | None  # largest difference in steps of the output's scale, if it has one
    top1: float  # share of rows of the first output whose largest entry is the same
    layers: LayerAgreement | None  # None if not known
    right: bool | None  # None where nothing says what its integers should be


class Checker:
    """The reference's numbers for the first samples of a batch."""

    def __init__(self, program: Program, batch: Batch) -> None:
        """Runs the reference."""
        self._program = program
        self._layerwise = layerwise(program)
        self._samples = min(_SAMPLES, len(batch[0]))
        names = [value.name for value in program.inputs]
        self._inputs = dict(zip(names, (x[: self._samples] for x in batch), strict=True))
        self._values: Mapping[str, Array] = {**self._inputs, **trace(program)(self._inputs)}

    def agreement(self, contestant: Contestant, loaded: Loaded, threads: int) -> Agreement:
        """Compares the outputs that were computed, and each layer where that is possible."""
        outputs = [
            array[: with_batch(value.shape, self._samples)[0]]
            for value, array in zip(self._program.outputs, loaded.outputs, strict=True)
        ]
        expected = [self._values[value.name] for value in self._program.outputs]
        error = _relative_error(outputs, expected)
        layers = self._layers(contestant, threads)
        right = error == 0 if contestant.exact else None if layers is None else not layers.wrong
        return Agreement(
            error, self._output_codes(outputs), _top1(outputs, expected), layers, right
        )

    def _output_codes(self, outputs: Sequence[Array]) -> float | None:
        made = self._program.producers()
        largest: list[float] = []
        for value, array in zip(self._program.outputs, outputs, strict=True):
            node = made.get(value.name)
            if node is not None and isinstance(node.op, Dequantize):
                steps = (array - self._values[value.name]) / node.op.params.scale
                largest.append(float(np.abs(steps).max(initial=0)))
        return max(largest, default=None)

    def _layers(self, contestant: Contestant, threads: int) -> LayerAgreement | None:
        """None if the network computes in float, or the runtime fails with its layers apart."""
        apart = self._layerwise
        if apart is None or contestant.layers is None:
            return None
        batch = (
            *(self._values[value.name] for value in apart.own_inputs),
            *(entry.to_real(self._values[entry.codes.name]) for entry in apart.entries),
        )
        with Worker(replace(contestant, model=contestant.layers), batch, threads) as worker:
            try:
                outputs = worker.loaded().outputs
            except ContestantError:
                return None
        largest = wrong = elements = 0
        for layer, real in zip(apart.exits, outputs, strict=True):
            expected = self._values[layer.codes.name]
            difference = np.abs(layer.to_codes(real) - expected)
            wrong += int(
                (difference > (_TOLERANCE if expected.itemsize == 1 else _TOLERANCE_16)).sum()
            )
            largest = max(largest, int(difference.max(initial=0)))
            elements += expected.size
        return LayerAgreement(largest, wrong / max(elements, 1))


def _top1(outputs: Sequence[Array], expected: Sequence[Array]) -> float:
    return float((outputs[0].argmax(-1) == expected[0].argmax(-1)).mean())


def _relative_error(outputs: Sequence[Array], expected: Sequence[Array]) -> float:
    noise = signal = 0.0
    for made, right in zip(outputs, expected, strict=True):
        real = right.astype(np.float64)
        noise += float(((made - real) ** 2).sum())
        signal += float((real**2).sum())
    return float(np.sqrt(noise / signal)) if signal else float(noise > 0)
