"""How far a Program's codes in ONNX Runtime lie from the reference executor's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from intact.exec.reference import trace
from intact.ir.graph import Value
from intact.ir.int_ops import Dequantize, Program
from intact.numerics.arrays import Array
from intact.numerics.formats import Float

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

_ENTRY = ".in"  # what a boundary model calls the input that stands for a value


@dataclass(frozen=True, slots=True)
class CodeDifference:
    """How far the codes of one value lie from the reference's."""

    name: str
    histogram: Mapping[int, int]  # elements by code - reference code

    @property
    def elements(self) -> int:
        """Number of codes compared."""
        return sum(self.histogram.values())

    @property
    def largest(self) -> int:
        """Largest absolute difference."""
        return max(map(abs, self.histogram), default=0)

    @property
    def equal(self) -> float:
        """Share of equal codes."""
        return self.histogram.get(0, 0) / max(self.elements, 1)


@dataclass(frozen=True, slots=True)
class OutputDifference:
    """How far one output of the whole network lies from the reference's."""

    name: str
    largest: float  # largest absolute difference of real numbers
    scale: float  # largest absolute real number of the reference's output
    codes: CodeDifference | None  # in steps of the output's scale; None if it has none


@dataclass(frozen=True, slots=True)
class Comparison:
    """A Program in ONNX Runtime against the reference executor.

    In `layers`, each layer read the reference's own codes, so that each shows its own difference
    and no other's; it is empty if only outputs were asked for.
    """

    layers: tuple[CodeDifference, ...]
    outputs: tuple[OutputDifference, ...]

    @property
    def largest(self) -> int:
        """Largest difference of a code in any layer."""
        return max((layer.largest for layer in self.layers), default=0)

    @property
    def codes(self) -> int:
        """How many codes of layers were compared; 0 if the network computes in float."""
        return sum(layer.elements for layer in self.layers)

    @property
    def equal(self) -> float:
        """Share of equal codes over all layers."""
        same = sum(layer.histogram.get(0, 0) for layer in self.layers)
        return same / self.codes if self.codes else 1.0

    def worst(self, count: int = 10) -> tuple[CodeDifference, ...]:
        """The layers that differ most: by largest difference, then by share of equal codes."""
        ordered = sorted(self.layers, key=lambda layer: (-layer.largest, layer.equal))
        return tuple(ordered[:count])


def compare_onnxruntime(
    program: Program,
    inputs: Mapping[str, Array],
    *,
    per_layer: bool = True,
    optimized: bool = False,
    threads: int = 1,
) -> Comparison:
    """Runs the exported ONNX model beside the reference executor, on the same inputs.

    Args:
        program: what `lower` made.
        inputs: arrays by input name, of the Program's dtypes and shapes.
        per_layer: also compare every value of codes, each layer fed with the reference's codes.
        optimized: run what ONNX Runtime makes of the model at its default optimization level; else
            its operators one by one, as the ONNX standard defines them.
        threads: of ONNX Runtime.

    Raises:
        ImportError: if onnx or onnxruntime is not installed.
        UnsupportedOpError: if the Program has codes that ONNX cannot express.
        ValueError: if the inputs do not fit the Program.
    """
    return onnxruntime_comparer(program, per_layer=per_layer, optimized=optimized, threads=threads)(
        inputs
    )


def onnxruntime_comparer(
    program: Program, *, per_layer: bool = True, optimized: bool = False, threads: int = 1
) -> Callable[[Mapping[str, Array]], Comparison]:
    """`compare_onnxruntime` for any number of batches: exports and loads the models once."""
    to_onnx = _exporter()
    interpret = trace(program)
    whole = _session(to_onnx(program), optimized, threads)
    # Boundaries leave nothing to fuse across, so that optimization would change nothing.
    bounded = _session(to_onnx(program, boundaries=True), False, threads) if per_layer else None

    def compare(inputs: Mapping[str, Array]) -> Comparison:
        reference = interpret(inputs)
        made = _run(whole, inputs)
        layers = () if bounded is None else _layers(program, bounded, inputs, reference)
        outputs = tuple(
            _output_difference(program, value, made[value.name], reference[value.name])
            for value in program.outputs
        )
        return Comparison(layers, outputs)

    return compare


def _exporter() -> Callable[..., "ModelProto"]:
    try:
        import onnxruntime  # noqa: F401

        from intact.emit.onnx import to_onnx
    except ImportError as error:
        raise ImportError(
            "comparing with ONNX Runtime needs onnx and onnxruntime: pip install 'intact[onnx]'"
        ) from error
    return to_onnx


def _session(model: "ModelProto", optimized: bool, threads: int) -> "InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    if optimized:
        # Without VNNI, x86 kernels saturate sums of products of 8 bits; this setting forbids it.
        options.add_session_config_entry("session.x64quantprecision", "1")
    else:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    data = model.SerializeToString()
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _run(session: "InferenceSession", feeds: Mapping[str, Array]) -> dict[str, Array]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(feeds)), strict=True))


def _layers(
    program: Program,
    session: "InferenceSession",
    inputs: Mapping[str, Array],
    reference: Mapping[str, Array],
) -> tuple[CodeDifference, ...]:
    feeds = {
        entry.name: inputs[entry.name]
        if entry.name in inputs
        else reference[entry.name.removesuffix(_ENTRY)]
        for entry in session.get_inputs()
    }
    made = _run(session, feeds)
    names = [n.name for n in program.nodes if not isinstance(n.output.dtype, Float)]
    return tuple(_code_difference(name, made[name], reference[name]) for name in names)


def _code_difference(name: str, codes: Array, reference: Array) -> CodeDifference:
    differences = codes.astype(np.int64) - reference.astype(np.int64)
    values, counts = np.unique(differences, return_counts=True)
    return CodeDifference(name, dict(zip(values.tolist(), counts.tolist(), strict=True)))


def _output_difference(
    program: Program, value: Value, made: Array, reference: Array
) -> OutputDifference:
    largest = float(np.abs(made.astype(np.float64) - reference).max(initial=0))
    peak = float(np.abs(reference).max(initial=0))
    node = program.producers().get(value.name)
    codes = None
    if node is not None and isinstance(node.op, Dequantize) and node.op.params.scale.size == 1:
        steps = [np.rint(array / node.op.params.scale) for array in (made, reference)]
        codes = _code_difference(value.name, steps[0], steps[1])
    return OutputDifference(value.name, largest, peak, codes)
