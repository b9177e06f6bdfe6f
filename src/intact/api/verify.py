"""verify: are the integers that executors compute those of the reference?"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias, cast

from intact.api.network import QuantizedNetwork, to_program
from intact.api.verification import Verification, VerifiedOutput
from intact.data.batch import blaming_indices, is_array
from intact.data.function import item_inputs
from intact.errors import CalibrationError, UnsupportedOpError, VerifyError
from intact.exec import reference
from intact.ir.graph import Value
from intact.ir.hashing import little_endian
from intact.ir.int_ops import Dequantize, Program
from intact.model import QuantizedModel
from intact.numerics.arrays import Array
from intact.verification import (
    NAMED,
    CodeDifference,
    Comparer,
    Comparison,
    Executor,
    ExecutorName,
    OutputDifference,
    onnxruntime_comparer,
    titled,
)

VerifiedName: TypeAlias = ExecutorName | Literal["onnxruntime"]
EXECUTORS: tuple[str, ...] = (*NAMED, "onnxruntime")
_UNAVAILABLE = (ImportError, OSError, UnsupportedOpError, VerifyError)


def verify(
    network: QuantizedNetwork | QuantizedModel | Program,
    samples: object,
    *,
    executors: Sequence[VerifiedName | Executor] | None = None,
    beside: Sequence[Executor] = (),
    tolerance: int = 1,
) -> Verification:
    """Runs executors beside the reference on the same samples.

    Those that are exact must compute the reference's codes; where they do not, the first layer that
    differs is named. ONNX Runtime, which runs the exported network and is compared layer by layer,
    computes quantized layers in floating point, which may round to a neighbouring code: `tolerance`
    says how many codes of difference are accepted there.

    Args:
        network: What `quantize` or `load` gave.
        samples: A batch (an array or tensor), or an iterable of batches as for calibration.
        executors: Names, each of which stands for all its settings (native: each level of this CPU,
            with one thread and with all cores), or objects with the methods of
            `intact.verification.Executor`. By default all exact ones that are installed and can run
            the network; `skipped` says why others did not.
        beside: More executors, of which those that cannot run the network are skipped.
        tolerance: In codes, of ONNX Runtime.

    Raises:
        ValueError: if there is no such executor.
        VerifyError: if none was asked for, and none can run the network.
        CalibrationError: if the samples do not fit the network, or there are none.
        UnsupportedOpError: if an executor that was asked for cannot run the network.
        ImportError, FileNotFoundError: if what it needs is not installed.
    """
    program = to_program(network)
    held = _with(hold(program, executors), beside, program)
    if executors is None and not held.comparers:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in held.skipped.items())
        raise VerifyError(f"no executor can be held against the reference: {reasons}")
    return compare(program, samples, held, tolerance)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held against the reference, and why other executors are not, by name."""

    comparers: tuple[Comparer, ...] = ()
    onnxruntime: Callable[[Mapping[str, Array]], Comparison] | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)


def hold(program: Program, executors: Sequence[VerifiedName | Executor] | None) -> Held:
    """Loads the Program into the executors, as `verify` describes them."""
    ending = _ending_in_codes(program)
    if executors is None:
        return _available(ending)
    comparers: list[Comparer] = []
    for executor in executors:
        if not isinstance(executor, str):
            comparers.append(Comparer(executor, ending))
        elif executor in NAMED:
            comparers += [Comparer(setting, ending) for setting in NAMED[executor]()]
        elif executor != "onnxruntime":
            raise ValueError(
                f"there is no executor {executor} to verify; there are {', '.join(EXECUTORS)}"
            )
    wanted = "onnxruntime" in executors
    return Held(tuple(comparers), onnxruntime_comparer(program) if wanted else None)


def _with(held: Held, beside: Sequence[Executor], program: Program) -> Held:
    """And more executors, which may be missing."""
    for executor in beside:
        try:
            comparer = Comparer(executor, _ending_in_codes(program))
            comparer.rehearse()
            held = replace(held, comparers=(*held.comparers, comparer))
        except _UNAVAILABLE as error:
            held = replace(held, skipped={**held.skipped, titled(executor): str(error)})
    return held


def _available(program: Program) -> Held:
    comparers: list[Comparer] = []
    skipped: dict[str, str] = {}
    for name, settings in NAMED.items():
        try:
            found = [Comparer(setting, program) for setting in settings() if setting.exact]
            for comparer in found:
                comparer.rehearse()
            comparers += found
        except _UNAVAILABLE as error:
            skipped[name] = str(error)
    return Held(tuple(comparers), skipped=skipped)


def compare(program: Program, samples: object, held: Held, tolerance: int) -> Verification:
    """Runs the samples on the reference and on what is held against it.

    Raises:
        CalibrationError: if the samples do not fit the network, or there are none.
    """
    ending = _ending_in_codes(program)
    run = reference.load(ending)
    found = _Found([hashlib.sha256() for _ in program.outputs])
    for inputs in _batches(program, samples):
        with blaming_indices(program.inputs, "the batch"):
            codes = run(inputs)
        found.count(inputs, [codes[value.name] for value in ending.outputs])
        for comparer in held.comparers:
            comparer.add(inputs, codes)
        if held.onnxruntime is not None:
            found.total = _sum(found.total, held.onnxruntime(inputs))
    if not found.samples:
        raise CalibrationError("there are no samples to verify with")
    names = [value.name for value in program.outputs]
    return Verification(
        samples=found.samples,
        outputs=found.outputs(names),
        agreements=tuple(comparer.agreement(names) for comparer in held.comparers),
        skipped=held.skipped,
        onnxruntime=None if held.onnxruntime is None else found.total,
        tolerance=tolerance,
    )


@dataclass
class _Found:
    """What the batches so far have shown."""

    hashes: "list[hashlib._Hash]"
    samples: int = 0
    total: Comparison = field(default_factory=lambda: Comparison((), ()))

    def count(self, inputs: Mapping[str, Array], codes: Sequence[Array]) -> None:
        for array, digest in zip(codes, self.hashes, strict=True):
            digest.update(little_endian(array))
        self.samples += len(next(iter(inputs.values())))

    def outputs(self, names: Sequence[str]) -> tuple[VerifiedOutput, ...]:
        return tuple(
            VerifiedOutput(name, digest.hexdigest())
            for name, digest in zip(names, self.hashes, strict=True)
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
