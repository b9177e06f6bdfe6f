"""verify: are the integers that another runtime computes those of the reference?"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import cast

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


@dataclass(frozen=True, slots=True)
class VerifiedOutput:
    """One output of the whole network, with what the differences of its layers have become.

    `sha256` is that of the reference's codes (real numbers where there are none) of all samples in
    order, in row-major order, little-endian; it does not depend on how the samples are cut.
    """

    name: str
    sha256: str
    difference: OutputDifference


@dataclass(frozen=True, slots=True)
class Verification:
    """ONNX Runtime against the reference on the same samples.

    In `layers` each layer reads the reference's codes, so that each shows its own difference and no
    other's.
    """

    samples: int
    tolerance: int  # in codes
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
        """Whether no code differs by more than `tolerance`."""
        return self.largest <= self.tolerance

    def __str__(self) -> str:
        """What was compared, the layers that differ most, and the hashes of the outputs."""
        lines = [
            f"{self.samples} samples in ONNX Runtime: {self.codes:,} codes of {len(self.layers)}"
            f" layers, {self.equal:.4%} equal, largest difference {self.largest}"
        ]
        lines += [
            f'"{layer.name}": {layer.equal:.4%} equal, largest difference {layer.largest}'
            for layer in Comparison(self.layers, ()).worst(5)
            if layer.largest
        ]
        lines += [
            f'"{output.name}": largest difference {output.difference.largest:.3g} of'
            f" {output.difference.scale:.3g}; reference codes SHA-256 {output.sha256}"
            for output in self.outputs
        ]
        return "\n".join(lines)


def verify(
    network: QuantizedNetwork | QuantizedModel | Program, samples: object, *, tolerance: int = 1
) -> Verification:
    """Runs the exported ONNX network beside the reference, layer by layer; needs `intact[onnx]`.

    ONNX computes quantized layers in floating point, which may round to a neighbouring code:
    `tolerance` says how many codes of difference are accepted.

    Args:
        network: What `quantize` or `load` gave.
        samples: A batch (an array or tensor), or an iterable of batches as for calibration.
        tolerance: In codes.

    Raises:
        CalibrationError: if the samples do not fit the network, or there are none.
        UnsupportedOpError: if ONNX cannot express the network.
        ImportError: without onnx and onnxruntime.
    """
    program = to_program(network)
    hashes = {value.name: hashlib.sha256() for value in program.outputs}
    ending = _ending_in_codes(program)
    run = reference.load(ending)
    compare = onnxruntime_comparer(program)
    counted, total = 0, Comparison((), ())
    for inputs in _batches(program, samples):
        with blaming_indices(program.inputs, "the batch"):
            codes = run(inputs)
        total = _sum(total, compare(inputs))
        for value, digest in zip(ending.outputs, hashes.values(), strict=True):
            array = codes[value.name]
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        counted += len(next(iter(inputs.values())))
    if not counted:
        raise CalibrationError("there are no samples to verify with")
    outputs = tuple(
        VerifiedOutput(output.name, hashes[output.name].hexdigest(), output)
        for output in total.outputs
    )
    return Verification(counted, tolerance, total.layers, outputs)


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
