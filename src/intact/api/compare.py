"""compare: what changed between two networks, layer by layer, and in what they compute."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from intact.api.engine import Engine
from intact.api.engine import compile as compile_engine
from intact.api.layers import Layer, constant_bytes, layers
from intact.api.network import QuantizedNetwork
from intact.data.function import item_batch, item_inputs
from intact.exec.reference import trace
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Value
from intact.ir.int_ops import IntOp
from intact.metrics import Top1, decibel, predictions, right
from intact.numerics.arrays import Array
from intact.numerics.qtensor import QuantParams

Network: TypeAlias = QuantizedNetwork | Graph[FloatOp]

_TRACED = 4  # samples in which the first layer with other codes is looked for


@dataclass(frozen=True, slots=True)
class Size:
    """What a network needs."""

    layers: int
    bytes: int
    macs: int
    arena_bytes: int | None  # None of a float network


@dataclass(frozen=True, slots=True)
class LayerChange:
    """A layer that is not the same in both networks; pairs are (of a, of b).

    Scales are compared where both have one, by b's over a's: 1.0 is no change.
    """

    name: str
    new_name: str | None  # None: the same
    op: tuple[str, str]
    format: tuple[str, str]  # of the output
    weight_format: tuple[str | None, str | None]
    scale: float | None  # of the output
    zero_point: int | None  # of the output: b's less a's
    weight_scale: float | None  # that of the channel that changed most
    weight_codes: float | None  # share of the codes that differ; None where there are none


@dataclass(frozen=True, slots=True)
class FirstDifference:
    """The first layer, in the order of execution, whose codes differ on the same samples."""

    layer: str
    share: float  # of its codes
    largest: int  # difference of a code


@dataclass(frozen=True, slots=True)
class Outputs:
    """What both networks compute from the same samples."""

    samples: int
    sqnr_db: float  # of b's outputs, with a's as the signal
    agreement: float | None  # share of samples with the same class; None if these are no classes
    top1: tuple[float, float] | None  # None without labels
    first_difference: FirstDifference | None  # None if there is none, or one computes in float


@dataclass(frozen=True, slots=True)
class Difference:
    """What changed from network a to network b."""

    a: Size
    b: Size
    removed: tuple[str, ...]  # layers of a that b has not, fused activations apart
    added: tuple[str, ...]
    changed: tuple[LayerChange, ...]  # in the order of a
    same: int  # layers that are equal
    outputs: Outputs | None  # None without samples


def compare(
    a: Network, b: Network, samples: Iterable[object] | None = None, *, threads: int = 1
) -> Difference:
    """What changed between two networks: layers, formats, scales, codes, sizes, and outputs.

    Layers belong together by the name of their weight, by their own name, or if operation, shape
    and codes are equal. An activation that is a layer of a float network and fused into one of
    the quantized network is neither removed nor added.

    Args:
        a: What `load` or `quantize` gave, or a captured float network (`to_graph`).
        b: The other.
        samples: Batches of inputs, or pairs (input, label), on which both run.
        threads: Of the native executor.

    Raises:
        CalibrationError: if the samples do not fit the networks.
    """
    first, second = _Side.of(a), _Side.of(b)
    pairs = _paired(first, second)
    changes = [_change(first, second, x, y) for x, y in pairs]
    known_a, known_b = {x.name for x, _ in pairs}, {y.name for _, y in pairs}
    if isinstance(a, QuantizedNetwork) != isinstance(b, QuantizedNetwork):  # of one name: fused
        known_a, known_b = known_a | known_b, known_b | known_a
    return Difference(
        _size(a, first),
        _size(b, second),
        tuple(layer.name for layer in first.layers if layer.name not in known_a),
        tuple(layer.name for layer in second.layers if layer.name not in known_b),
        tuple(change for change in changes if change is not None),
        sum(change is None for change in changes),
        None if samples is None else _outputs(a, b, samples, threads),
    )


@dataclass(frozen=True, slots=True)
class _Side:
    """One network, looked at layer by layer."""

    graph: Graph[IntOp]
    layers: tuple[Layer, ...]
    values: Mapping[str, Value]

    @staticmethod
    def of(network: Network) -> "_Side":
        graph: Graph[IntOp]
        if isinstance(network, QuantizedNetwork):
            graph = network.program
        else:
            from intact.passes.inference import for_inference  # which loading needs not

            graph = for_inference(network)
        values = {value.name: value for value in graph.values()}
        return _Side(graph, layers(graph), values)

    def codes(self, layer: Layer) -> Array | None:
        """Of its weight."""
        return None if layer.weight is None else self.graph.constants.get(layer.weight)

    def params(self, name: str | None) -> QuantParams | None:
        """What the codes of a value mean."""
        value = self.values.get(name or "")
        return None if value is None else value.params


def _size(network: Network, side: _Side) -> Size:
    quantized = isinstance(network, QuantizedNetwork)
    return Size(
        len(side.layers),
        network.bytes if isinstance(network, QuantizedNetwork) else constant_bytes(side.graph),
        sum(layer.macs for layer in side.layers),
        network.arena_bytes if quantized and isinstance(network, QuantizedNetwork) else None,
    )


def _paired(a: _Side, b: _Side) -> list[tuple[Layer, Layer]]:
    """The layers that belong together, in the order of a; what is most certain comes first."""
    found: dict[str, Layer] = {}
    left = list(b.layers)
    for alike in (
        lambda x, y: x.name == y.name and x.weight == y.weight,
        lambda x, y: x.weight is not None and x.weight == y.weight,
        lambda x, y: x.name == y.name,
        lambda x, y: _equal_weights(a, b, x, y),
    ):
        for layer in a.layers:
            other = next((one for one in left if alike(layer, one)), None)
            if layer.name not in found and other is not None:
                found[layer.name] = other
                left.remove(other)
    return [(layer, found[layer.name]) for layer in a.layers if layer.name in found]


def _equal_weights(a: _Side, b: _Side, x: Layer, y: Layer) -> bool:
    """Whether layers of other names do the same with the same numbers."""
    codes, other = a.codes(x), b.codes(y)
    same = codes is not None and other is not None and np.array_equal(codes, other)
    return same and x.op == y.op and x.shape == y.shape


def _change(a: _Side, b: _Side, x: Layer, y: Layer) -> LayerChange | None:
    """What is not the same; None if nothing."""
    output, other = a.params(x.name), b.params(y.name)
    weight, other_weight = a.params(x.weight), b.params(y.weight)
    zero_point = None
    if output is not None and other is not None and output.scale.size == other.scale.size == 1:
        zero_point = int(other.offset.reshape(()) - output.offset.reshape(()))
    change = LayerChange(
        x.name,
        None if x.name == y.name else y.name,
        (x.op, y.op),
        (x.format, y.format),
        (x.weight_format, y.weight_format),
        _ratio(output, other),
        zero_point,
        _ratio(weight, other_weight),
        _differing(a.codes(x), b.codes(y)),
    )
    return None if _is_nothing(change) else change


def _is_nothing(change: LayerChange) -> bool:
    pairs = (change.op, change.format, change.weight_format)
    return (
        change.new_name is None
        and all(x == y for x, y in pairs)
        and change.scale in (None, 1.0)
        and change.weight_scale in (None, 1.0)
        and not change.zero_point
        and not change.weight_codes
    )


def _ratio(a: QuantParams | None, b: QuantParams | None) -> float | None:
    """B's scale over a's, of the channel where they differ most."""
    if a is None or b is None:
        return None
    sizes = {a.scale.size, b.scale.size}
    if len(sizes - {1}) > 1:
        return None
    ratios = b.scale.astype(np.float64).ravel() / a.scale.astype(np.float64).ravel()
    return float(ratios[np.abs(np.log(ratios)).argmax()])


def _differing(a: Array | None, b: Array | None) -> float | None:
    """The share of codes that differ; None where they are no codes of the same shape."""
    if a is None or b is None or a.shape != b.shape or not a.size or a.dtype != b.dtype:
        return None
    return float((a != b).mean())


# --- on samples ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tally:
    """Sums over samples."""

    samples: int = 0
    signal: float = 0.0
    noise: float = 0.0
    agree: int = 0
    a: Top1 = field(default_factory=Top1)
    b: Top1 = field(default_factory=Top1)
    labelled: bool = False


def _outputs(a: Network, b: Network, samples: Iterable[object], threads: int) -> Outputs:
    engines = _engine(a, threads), _engine(b, threads)
    inputs = engines[0].inputs
    classes = _is_classifier(a)
    tally, first = _Tally(), None
    for number, item in enumerate(samples):
        where = f"batch {number}"
        batch = item_batch(item, inputs, where) if classes else None
        arrays = item_inputs(item, inputs, where) if batch is None else batch.inputs
        targets = None if batch is None else batch.targets
        x, y = (engine.arrays(arrays)[0] for engine in engines)
        tally = _added(tally, x, y, targets, classes=classes)
        if number == 0:
            first = _first_difference(a, b, arrays)
    return Outputs(
        tally.samples,
        decibel(tally.signal, tally.noise),
        tally.agree / tally.samples if classes and tally.samples else None,
        (tally.a.share, tally.b.share) if tally.labelled else None,
        first,
    )


def _added(tally: _Tally, x: Array, y: Array, targets: Array | None, *, classes: bool) -> _Tally:
    wide = x.astype(np.float64)
    tally = replace(
        tally,
        samples=tally.samples + len(x),
        signal=tally.signal + float((wide**2).sum()),
        noise=tally.noise + float(((y - wide) ** 2).sum()),
    )
    if classes:
        agree = int((predictions(x) == predictions(y)).sum())
        tally = replace(tally, agree=tally.agree + agree)
    if targets is None:
        return tally
    scores = [Top1(len(targets), int(right(outputs, targets).sum())) for outputs in (x, y)]
    return replace(tally, a=tally.a + scores[0], b=tally.b + scores[1], labelled=True)


def _engine(network: Network, threads: int) -> Engine:
    if isinstance(network, QuantizedNetwork):
        return compile_engine(network, threads=threads)
    from intact.api.float_engine import float_engine  # torch

    return float_engine(network)


def _is_classifier(network: Network) -> bool:
    graph = network.program if isinstance(network, QuantizedNetwork) else network
    return len(graph.outputs[0].shape) == 2


def _first_difference(a: Network, b: Network, arrays: Sequence[Array]) -> FirstDifference | None:
    """The first value of both, in a's order, whose codes differ on a few samples."""
    if not (isinstance(a, QuantizedNetwork) and isinstance(b, QuantizedNetwork)):
        return None
    seen, other = _traced(a, arrays), _traced(b, arrays)
    for node in a.program.nodes:
        x, y = seen[node.name], other.get(node.name)
        if y is None or x.shape != y.shape or "f" in (x.dtype.kind, y.dtype.kind):
            continue
        difference = np.abs(x.astype(np.int64) - y)
        if difference.any():
            share = float((difference > 0).mean())
            return FirstDifference(node.name, share, int(difference.max()))
    return None


def _traced(network: QuantizedNetwork, arrays: Sequence[Array]) -> Mapping[str, Array]:
    """The codes of all values, of the first samples."""
    inputs = network.program.inputs
    few = (x[:_TRACED] if v.shape[:1] == (-1,) else x for v, x in zip(inputs, arrays, strict=True))
    names = [value.name for value in inputs]
    return trace(network.program)(dict(zip(names, few, strict=True)))
