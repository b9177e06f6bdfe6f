"""verify: are the integers that an executor computes those of the reference?"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

import numpy as np

from intact.api.network import QuantizedNetwork, to_program
from intact.data.batch import blaming_indices, is_array
from intact.data.function import item_inputs
from intact.errors import CalibrationError
from intact.exec import reference
from intact.ir.graph import Value
from intact.ir.int_ops import Dequantize, Program
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.verification import CodeDifference, Comparison, OutputDifference, onnxruntime_comparer
from intact.verification.equality import Equality, added, native_comparer

VerifiedName: TypeAlias = Literal["native", "onnxruntime"]
EXECUTORS: tuple[VerifiedName, ...] = ("native", "onnxruntime")
DEFAULT: tuple[VerifiedName, ...] = ("onnxruntime",)


@dataclass(frozen=True, slots=True)
class VerifiedOutput:
    """One output of the whole network, with what the differences of its layers have become.

    `sha256` is that of the reference's codes (real numbers where there are none) of all samples in
    order, in row-major order, little-endian; it does not depend on how the samples are cut.
    """

    name: str
    sha256: str
    native: Equality | None  # None if it was not asked for
    difference: OutputDifference | None  # of ONNX Runtime; None if it was not asked for


@dataclass(frozen=True, slots=True)
class Verification:
    """Executors against the reference on the same samples.

    In `layers`, of ONNX Runtime, each layer reads the reference's codes, so that each shows its own
    difference and no other's. The native executor has no tolerance.
    """

    samples: int
    executors: tuple[VerifiedName, ...]
    tolerance: int  # in codes, of ONNX Runtime
    layers: tuple[CodeDifference, ...]
    outputs: tuple[VerifiedOutput, ...]

    @property
    def codes(self) -> int:
        """How many codes of layers were compared; 0 if the network computes in float."""
        return sum(layer.elements for layer in self.layers)

    @property
    def equal(self) -> float:
        """Share of equal codes over all layers."""
        return Comparison(self.layers, ()).equal

    @property
    def largest(self) -> int:
        """Largest difference of a code in any layer."""
        return Comparison(self.layers, ()).largest

    @property
    def met(self) -> bool:
        """Whether no code of a layer in ONNX Runtime differs by more, and no native one at all."""
        return self.largest <= self.tolerance and self.exact

    @property
    def exact(self) -> bool:
        """Whether the native executor computed the reference's codes, if it was asked to."""
        return all(output.native is None or output.native.met for output in self.outputs)

    def __str__(self) -> str:
        """What was compared, the layers that differ most, and the hashes of the outputs."""
        lines = [f"{self.samples} samples"]
        if "native" in self.executors:
            lines += [
                f'native, "{output.name}": {output.native}'
                for output in self.outputs
                if output.native is not None
            ]
        if "onnxruntime" in self.executors:
            lines.append(
                f"ONNX Runtime: {self.codes:,} codes of {len(self.layers)} layers,"
                f" {self.equal:.4%} equal, largest difference {self.largest}"
            )
        lines += [
            f'ONNX Runtime, "{layer.name}": {layer.equal:.4%} equal,'
            f" largest difference {layer.largest}"
            for layer in Comparison(self.layers, ()).worst(5)
            if layer.largest
        ]
        lines += [
            f'ONNX Runtime, "{output.name}": largest difference {output.difference.largest:.3g} of'
            f" {output.difference.scale:.3g}"
            for output in self.outputs
            if output.difference is not None
        ]
        lines += [
            f'"{output.name}": reference codes SHA-256 {output.sha256}' for output in self.outputs
        ]
        return "\n".join(lines)


def verify(
    network: QuantizedNetwork | QuantizedModel | Program,
    samples: object,
    *,
    executors: Sequence[VerifiedName] = DEFAULT,
    tolerance: int = 1,
) -> Verification:
    """Runs executors beside the reference on the same samples.

    The native executor must compute the reference's codes. ONNX Runtime, which runs the exported
    network and is compared layer by layer, computes quantized layers in floating point, which may
    round to a neighbouring code: `tolerance` says how many codes of difference are accepted there.

    Args:
        network: What `quantize` or `load` gave.
        samples: A batch (an array or tensor), or an iterable of batches as for calibration.
        executors: "native", "onnxruntime" (which needs `intact[onnx]`), or both.
        tolerance: In codes.

    Raises:
        ValueError: if there is no such executor.
        CalibrationError: if the samples do not fit the network, or there are none.
        UnsupportedOpError: if ONNX cannot express the network, or it has no native form.
        ImportError: without onnx and onnxruntime, or without the native engine.
    """
    if unknown := set(executors) - set(EXECUTORS):
        raise ValueError(f"{min(unknown)} cannot be verified; {' and '.join(EXECUTORS)} can")
    program = to_program(network)
    ending = _ending_in_codes(program)
    run = reference.load(ending)
    native = native_comparer(ending) if "native" in executors else None
    onnxruntime = onnxruntime_comparer(program) if "onnxruntime" in executors else None
    found = _Found([hashlib.sha256() for _ in program.outputs])
    for inputs in _batches(program, samples):
        with blaming_indices(program.inputs, "the batch"):
            codes = run(inputs)
        found.count(inputs, [codes[value.name] for value in ending.outputs])
        if native is not None:
            found.add_native(native(inputs, codes))
        if onnxruntime is not None:
            found.total = _sum(found.total, onnxruntime(inputs))
    if not found.samples:
        raise CalibrationError("there are no samples to verify with")
    chosen = tuple(name for name in EXECUTORS if name in executors)
    return Verification(
        found.samples, chosen, tolerance, found.total.layers, found.outputs(program)
    )


@dataclass
class _Found:
    """What the batches so far have shown."""

    hashes: "list[hashlib._Hash]"
    samples: int = 0
    native: tuple[Equality, ...] = ()
    total: Comparison = field(default_factory=lambda: Comparison((), ()))

    def count(self, inputs: Mapping[str, Array], codes: Sequence[Array]) -> None:
        for array, digest in zip(codes, self.hashes, strict=True):
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        self.samples += len(next(iter(inputs.values())))

    def add_native(self, outputs: tuple[Equality, ...]) -> None:
        pairs = zip(self.native or outputs, outputs, strict=True)
        self.native = tuple(added(a, b) for a, b in pairs) if self.native else outputs

    def outputs(self, program: Program) -> tuple[VerifiedOutput, ...]:
        return tuple(
            VerifiedOutput(
                value.name,
                self.hashes[number].hexdigest(),
                self.native[number] if self.native else None,
                self.total.outputs[number] if self.total.outputs else None,
            )
            for number, value in enumerate(program.outputs)
        )


def _batches(program: Program, samples: object) -> Iterator[Mapping[str, Array]]:
    names = [value.name for value in program.inputs]
    alone = is_array(samples) or not isinstance(samples, Iterable)
    for number, batch in enumerate([samples] if alone else cast("Iterable[object]", samples)):
        arrays = item_inputs(batch, program.inputs, f"batch {number}")
        yield dict(zip(names, arrays, strict=True))


def _ending_in_codes(program: Program) -> Program:
    """The same without the `Dequantize` of its outputs."""
    made = program.producers()

    def codes(value: Value) -> Value:
        node = made.get(value.name)
        is_real = node is None or not isinstance(node.op, Dequantize)
        return value if node is None or is_real else node.inputs[0]

    return replace(program, outputs=tuple(codes(value) for value in program.outputs))


def _sum(a: Comparison, b: Comparison) -> Comparison:
    if not a.outputs:
        return b
    layers = tuple(_added(x, y) for x, y in zip(a.layers, b.layers, strict=True))
    outputs = tuple(
        OutputDifference(
            x.name,
            max(x.largest, y.largest),
            max(x.scale, y.scale),
            None if x.codes is None or y.codes is None else _added(x.codes, y.codes),
        )
        for x, y in zip(a.outputs, b.outputs, strict=True)
    )
    return Comparison(layers, outputs)


def _added(a: CodeDifference, b: CodeDifference) -> CodeDifference:
    return CodeDifference(a.name, Counter(a.histogram) + Counter(b.histogram))
