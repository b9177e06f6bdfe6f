"""What training knows of a network before it begins: where codes are, and which rule is whose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from intact.errors import CalibrationError
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.ir.scans import every_node
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.passes.drop_dropout import drop_dropout
from intact.passes.fold_batchnorm import folded_into
from intact.passes.inference import for_inference
from intact.passes.input_codes import input_codes
from intact.passes.placement import Fixed, Observed, Place, Shared, fixed_params, placement
from intact.qat.protocol import FakeActivation, QatRule
from intact.rules import select


@dataclass(frozen=True, slots=True)
class Plan:
    """Which value of the trained network is which of the integer one's."""

    places: Mapping[str, Place]  # of the network without BatchNorm
    trained: Mapping[str, str]  # the name in training, where it is another one

    @classmethod
    def of(cls, graph: Graph[FloatOp], folded: Graph[FloatOp]) -> "Plan":
        """That of a network and the same without BatchNorm."""
        into = folded_into(drop_dropout(graph), folded)
        return cls(placement(folded), {layer: norm for norm, layer in into.items()})

    def observed(self, name: str) -> str | None:
        """The observed value whose codes a value has or, of fixed range, has the format of."""
        match self.places[name]:
            case Observed():
                return name
            case Shared(source) | Fixed(source=source):
                return self.observed(source)
            case _:
                return None

    def params(self, name: str, quantizers: Mapping[str, FakeActivation]) -> QuantParams | None:
        """What a value's codes mean; None if it has none, or its quantizer saw no data."""
        match self.places.get(name):
            case Observed():
                return _params(quantizers.get(name))
            case Shared(source, factor):
                found = self.params(source, quantizers)
                return None if found is None else replace(found, scale=found.scale * factor)
            case Fixed() as place:
                quantizer = quantizers.get(self.observed(name) or "")
                if quantizer is None or not isinstance(quantizer.format, Int):
                    return None
                return fixed_params(place, quantizer.format)
            case _:
                return None


def _params(quantizer: FakeActivation | None) -> QuantParams | None:
    try:
        return None if quantizer is None else quantizer.params()
    except CalibrationError:
        return None


def with_inputs(
    graph: Graph[FloatOp], rules: tuple[QatRule, ...]
) -> tuple[Graph[FloatOp], dict[str, QatRule]]:
    """The graph with codes for the inputs of layers, and the rule of each value."""
    inference = for_inference(graph)
    names = [value.name for value in inference.inputs]
    nodes = list(every_node(inference))
    chosen = select(rules, names + [node.name for node in nodes])
    made = {name: chosen[name].input for name in layers(graph, nodes) if name in chosen}
    graph, read = input_codes(graph, inference, [n for n, make in made.items() if make is not None])
    for layer, value in read.items():
        chosen[value] = replace(chosen.get(value, QatRule()), activation=made[layer])
    return graph, chosen


def layers(graph: Graph[FloatOp], nodes: Iterable[Node[FloatOp]]) -> list[str]:
    """Convolutions and linear layers among the nodes of a network without BatchNorm.

    A BatchNorm that no layer takes in is a convolution there, but none that rules mean.
    """
    batchnorms = {node.name for node in graph.nodes if isinstance(node.op, ops.BatchNorm)}
    kinds = ops.Conv | ops.ConvTranspose | ops.Linear
    return [n.name for n in nodes if isinstance(n.op, kinds) and n.name not in batchnorms]


def norms(graph: Graph[FloatOp], trained: Mapping[str, str]) -> dict[str, Node[FloatOp]]:
    """The BatchNorm that alone is folded into a layer, by the layer's name."""
    nodes = graph.producers()
    found: dict[str, Node[FloatOp]] = {}
    for layer, name in trained.items():
        direct = nodes[name].inputs[0].name == layer
        op = nodes[layer].op
        if direct and not (isinstance(op, ops.ConvTranspose) and op.groups > 1):
            found[layer] = nodes[name]
    return found


def formats(chosen: Mapping[str, QatRule]) -> dict[str, tuple[Int, bool]]:
    """The format of the constants that each node reads as activations, with a zero point.

    That of its own activation; 8 bits beside one of two or three values.
    """
    makers = {rule.activation for rule in chosen.values() if rule.activation is not None}
    known = {make: make().format for make in makers}
    integers = {make: f if isinstance(f, Int) else Int(8) for make, f in known.items()}
    return {
        name: (integers[rule.activation], False)
        for name, rule in chosen.items()
        if rule.activation is not None
    }


def of_batchnorms(graph: Graph[FloatOp]) -> set[str]:
    """The names of their constants."""
    found = (node for node in graph.nodes if isinstance(node.op, ops.BatchNorm))
    return {value.name for node in found for value in node.inputs[1:]}
