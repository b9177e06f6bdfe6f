"""prepare: a captured network whose weights and activations are quantized while it trains."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from intact.capture.module import from_graph
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.formats import Int
from intact.observers import constant_params, fake_quantize
from intact.passes.drop_dropout import drop_dropout
from intact.passes.fold_batchnorm import folded_into
from intact.passes.inference import for_inference
from intact.passes.placement import (
    Fixed,
    Observed,
    Place,
    Shared,
    fixed_params,
    placement,
)
from intact.qat.noise import separate
from intact.qat.protocol import FakeActivation, FakeWeight, QatRule
from intact.rules import select, weight_methods


def prepare(graph: Graph[FloatOp], rules: Sequence[QatRule]) -> "TrainableNetwork":
    """The network with a quantizer for each weight and activation, as the rules say.

    Args:
        graph: The captured network, its BatchNorms not folded: they train on.
        rules: The first that matches a node decides on its weight and its output, or a graph
            input's. The output of a layer with a BatchNorm or a fused activation is what these
            give: it is not rounded before. Names are those of the network without BatchNorm.

    Raises:
        ValueError: if a rule matches nothing, or layers that share a weight have several rules.
    """
    return TrainableNetwork(graph, tuple(rules))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which value of the trained network is which of the integer one's."""

    places: Mapping[str, Place]  # of the network without BatchNorm
    trained: Mapping[str, str]  # the name in training, where it is another one

    @classmethod
    def of(cls, graph: Graph[FloatOp], folded: Graph[FloatOp]) -> "_Plan":
        norms = folded_into(drop_dropout(graph), folded)
        return cls(placement(folded), {layer: norm for norm, layer in norms.items()})

    def observed(self, name: str) -> str | None:
        """The observed value whose codes a value has or, of fixed range, has the format of."""
        match self.places[name]:
            case Observed():
                return name
            case Shared(source) | Fixed(source=source):
                return self.observed(source)
            case _:
                return None


class TrainableNetwork(nn.Module):
    """A network with quantizers; its parameters, and the quantizers', train like any others.

    The state dict has the names of the captured network; a weight's quantizer is beside it,
    ``<weight>_quantizer``, that of a value is ``<value>.quantizer``.
    """

    def __init__(self, graph: Graph[FloatOp], rules: tuple[QatRule, ...]) -> None:
        super().__init__()
        self.network = from_graph(graph)
        inference = for_inference(graph)
        names = [value.name for value in inference.inputs]
        self.chosen = select(rules, names + [node.name for node in inference.nodes])
        self._plan = _Plan.of(graph, inference)
        self.weights: dict[str, tuple[FloatOp, FakeWeight]] = {}  # by the constant's name
        self.activations: dict[str, FakeActivation] = {}  # by the observed value's name
        for name, (node, make) in weight_methods(graph, self.chosen).items():
            self._add_weight(name, node.op, make(oriented(node.op, self.network.constant(name))))
        for name, place in self._plan.places.items():
            rule = self.chosen.get(name)  # a constant has none
            if rule is not None and rule.activation is not None and isinstance(place, Observed):
                self._add_activation(name, rule.activation())
        self._values = {self._plan.trained.get(name, name): name for name in self._plan.places}
        self.formats = _formats(self.chosen)
        found = constant_params(inference, self.formats)
        parameters = _of_batchnorms(graph)  # some become constants of the network without BatchNorm
        self._constants = {name: p for name, p in found.items() if name not in parameters}
        separate(self)

    def _add_weight(self, name: str, op: FloatOp, quantizer: FakeWeight) -> None:
        assert isinstance(quantizer, nn.Module)
        self.network.attach(f"{name}_quantizer", quantizer)
        self.weights[name] = op, quantizer

    def _add_activation(self, name: str, quantizer: FakeActivation) -> None:
        assert isinstance(quantizer, nn.Module)
        self.network.attach(f"{name}.quantizer", quantizer)
        self.activations[name] = quantizer

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The graph's output, or a tuple of them, computed from quantized numbers."""
        outputs = self.network.run(inputs, self._value, self._constant)
        return outputs[0] if len(outputs) == 1 else outputs

    def _value(self, name: str, x: Tensor) -> Tensor | None:
        name = self._values.get(name, "")
        place = self._plan.places.get(name)
        if isinstance(place, Fixed):
            source = self.activations.get(self._plan.observed(name) or "")
            if source is None:
                return None
            return fake_quantize(x, fixed_params(place, source.format))
        quantizer = self.activations.get(name)
        return None if quantizer is None else quantizer(x)

    def _constant(self, name: str, x: Tensor) -> Tensor | None:
        if name in self.weights:
            op, quantizer = self.weights[name]
            return oriented(op, quantizer(oriented(op, x)))
        if name in self._constants:
            return fake_quantize(x, self._constants[name])
        return None

    def extra_repr(self) -> str:
        """How much is quantized."""
        return f"{len(self.weights)} weights, {len(self.activations)} activations"


def _formats(chosen: Mapping[str, QatRule]) -> dict[str, tuple[Int, bool]]:
    """The format of each node's activation, with a zero point."""
    makers = {rule.activation for rule in chosen.values() if rule.activation is not None}
    known = {make: make().format for make in makers}
    return {
        name: (known[rule.activation], False)
        for name, rule in chosen.items()
        if rule.activation is not None
    }


def _of_batchnorms(graph: Graph[FloatOp]) -> set[str]:
    norms = (node for node in graph.nodes if isinstance(node.op, ops.BatchNorm))
    return {value.name for node in norms for value in node.inputs[1:]}


def oriented(op: FloatOp, weight: Tensor) -> Tensor:
    """A weight with output channels along axis 0, and back: of a ConvTranspose they are axis 1."""
    return weight.transpose(0, 1) if isinstance(op, ops.ConvTranspose) else weight
