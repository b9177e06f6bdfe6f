"""prepare: a captured network whose weights and activations are quantized while it trains."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from intact.capture.module import from_graph
from intact.capture.running import OnNode
from intact.capture.torch_ops import compute
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node
from intact.ir.scans import every_node
from intact.numerics.formats import Int
from intact.observers import constant_params, fake_quantize
from intact.passes.inference import for_inference
from intact.passes.placement import (
    Fixed,
    HasWeight,
    Observed,
    fixed_params,
)
from intact.qat.batchnorm import BatchNormTraining, Fold, Norm, along_outputs
from intact.qat.integers import Integers
from intact.qat.levels import Steps
from intact.qat.low_precision import FloatProduct, LowPrecision
from intact.qat.noise import separate
from intact.qat.plan import Plan, formats, norms, of_batchnorms, with_inputs
from intact.qat.products import Arithmetic
from intact.qat.protocol import (
    FakeActivation,
    FakeWeight,
    GradientQuantizer,
    QatRule,
    TakesOver,
    oriented,
)
from intact.qat.recipe import QatRecipe
from intact.qat.sequences import Sequences
from intact.rules import weight_methods


def prepare(graph: Graph[FloatOp], recipe: QatRecipe | Sequence[QatRule]) -> "TrainableNetwork":
    """The network with a quantizer for each weight and activation, as the rules say.

    Args:
        graph: The captured network, its BatchNorms not folded: they train on.
        recipe: Its first rule that matches a node decides on its weight and its output, or a graph
            input's. The output of a layer with a BatchNorm or a fused activation is what these
            give: it is not rounded before. Names are those of the network without BatchNorm.

    Raises:
        ValueError: if a rule matches nothing, or layers that share a weight have several rules.
    """
    whole = recipe if isinstance(recipe, QatRecipe) else QatRecipe(rules=recipe)
    return TrainableNetwork(graph, whole.for_graph(graph), whole.batchnorm, whole.arithmetic)


class TrainableNetwork(nn.Module):
    """A network with quantizers; its parameters, and the quantizers', train like any others.

    In training mode it computes from quantized numbers in float32, with gradients: `simulate`. In
    evaluation mode it runs the integers that `convert` gives: what is evaluated is what ships. Only
    while quantizers have seen no data does it simulate there too.

    The state dict has the names of the captured network; a weight's quantizer is beside it,
    ``<weight>_quantizer``, that of a value is ``<value>.quantizer``.
    """

    frozen: Tensor
    batches: Tensor

    def __init__(
        self, graph: Graph[FloatOp], rules: tuple[QatRule, ...], batchnorm: BatchNormTraining,
        arithmetic: Arithmetic = Arithmetic.REAL,
    ) -> None:  # fmt: skip
        super().__init__()
        self.captured = replace(graph, constants={})  # before codes for inputs were inserted
        graph, self.chosen = with_inputs(graph, rules)
        self.network = from_graph(graph)
        inference = for_inference(graph)
        self._plan = Plan.of(graph, inference)
        self.weights: dict[str, tuple[FloatOp, FakeWeight]] = {}  # by the constant's name
        self._layers: dict[str, str] = {}  # that reads a weight, by the constant's name
        self.activations: dict[str, FakeActivation] = {}  # by the observed value's name
        self.gradients: dict[str, GradientQuantizer] = {}  # by the layer's name
        self.batchnorm = batchnorm
        self._norms = {} if batchnorm.fold is Fold.NONE else norms(graph, self._plan.trained)
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}  # of this batch, by the BatchNorm
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64))
        self._integers = Integers()
        for name, (node, make) in weight_methods(graph, self.chosen).items():
            weight = oriented(node.op, self.network.constant(name))
            self._layers[name] = node.name
            self._add_weight(name, node.op, make(weight * self.factor(node.name, weight)))
        for name, place in self._plan.places.items():
            rule = self.chosen.get(name)  # a constant has none
            if rule is not None and rule.activation is not None and isinstance(place, Observed):
                self._add_activation(name, rule.activation())
        for node in every_node(graph):
            rule = self.chosen.get(node.name)
            if rule is not None and rule.gradient is not None and isinstance(node.op, HasWeight):
                self._add_gradient(node.name, rule.gradient())
        self._values = {self._plan.trained.get(name, name): name for name in self._plan.places}
        self.formats = formats(self.chosen)
        found = constant_params(inference, self.formats)
        parameters = of_batchnorms(graph)  # some become constants of the network without BatchNorm
        self._constants = {name: p for name, p in found.items() if name not in parameters}
        quantizers = {name: quantizer for name, (_, quantizer) in self.weights.items()}
        self._low_precision = LowPrecision.of(
            graph, arithmetic, quantizers, self.gradients, folded=self._norms
        )
        self._sequences = Sequences(graph, self.network, self.activations)
        separate(self)

    def _add_weight(self, name: str, op: FloatOp, quantizer: FakeWeight) -> None:
        assert isinstance(quantizer, nn.Module)
        self.network.attach(f"{name}_quantizer", quantizer)
        if isinstance(quantizer, TakesOver):
            quantizer.take_over(self.network.constant(name))
        self.weights[name] = op, quantizer

    def _add_activation(self, name: str, quantizer: FakeActivation) -> None:
        assert isinstance(quantizer, nn.Module)
        self.network.attach(f"{name}.quantizer", quantizer)
        self.activations[name] = quantizer

    def _add_gradient(self, name: str, quantizer: GradientQuantizer) -> None:
        assert isinstance(quantizer, nn.Module)
        self.network.attach(f"{name}.gradient_quantizer", quantizer)
        self.gradients[name] = quantizer

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The graph's output, or a tuple of them: simulated in training, else in integers."""
        outputs = None if self.training else self._integers(self, inputs)
        return self.simulate(*inputs) if outputs is None else outputs

    def simulate(
        self, *inputs: Tensor, on_node: OnNode | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """The same computed in float32 from quantized numbers, with gradients.

        Args:
            inputs: As the network's.
            on_node: Asked first for what a node gives, as in `CapturedModule.run`.
        """
        if self.training:
            self.batches += 1
            self._sequences.begin(inputs)

        def computed(node: Node[FloatOp], values: Mapping[str, Tensor]) -> Tensor | None:
            found = None if on_node is None else on_node(node, values)
            return self._node(node, values) if found is None else found

        outputs = self.network.run(inputs, self._value, self._constant, computed)
        self._moments.clear()
        return outputs[0] if len(outputs) == 1 else outputs

    def freeze_batchnorm(self) -> None:
        """From now on BatchNorms compute with their moving averages, which stand still."""
        self.frozen.fill_(True)

    @property
    def batchnorm_frozen(self) -> bool:
        """Whether BatchNorms compute with their moving averages, which stand still."""
        after = self.batchnorm.freeze_after
        return bool(self.frozen) or (after is not None and int(self.batches) > after)

    def factor(self, layer: str, weight: Tensor) -> Tensor:
        """What a layer's weight (O, ...) is multiplied by before it is quantized."""
        if layer not in self._norms:
            return torch.ones((), device=weight.device)
        return along_outputs(self.norm(self._norms[layer]).factor(), weight)

    def weight(self, name: str) -> Tensor:
        """A weight as its quantizer reads it: outputs along axis 0, times a BatchNorm's factor."""
        op, _ = self.weights[name]
        weight = oriented(op, self.network.constant(name))
        return weight * self.factor(self._layers[name], weight)

    def set_weight(self, name: str, numbers: Tensor, where: Tensor) -> None:
        """Makes the numbers that its quantizer reads others in some places."""
        op, _ = self.weights[name]
        weight = oriented(op, self.network.constant(name))
        with torch.no_grad():
            numbers = numbers / self.factor(self._layers[name], weight)
            weight.copy_(torch.where(where, numbers, weight))

    def norm(self, node: Node[FloatOp]) -> Norm:
        """A BatchNorm's tensors."""
        assert isinstance(node.op, ops.BatchNorm)
        gamma, beta, mean, variance = (self.network.constant(v.name) for v in node.inputs[1:])
        return Norm(node.op, gamma, beta, mean, variance, self.batchnorm.shift)

    def _node(self, node: Node[FloatOp], values: Mapping[str, Tensor]) -> Tensor | None:
        if node.name in self._norms:
            return self._folded(node, values[node.inputs[0].name])
        if node.name in self._low_precision.layers:
            return self._multiplied(node, values[node.inputs[0].name])
        if not isinstance(node.op, ops.BatchNorm):
            return None
        x, norm = values[node.inputs[0].name], self.norm(node)
        if node.name in self._moments:
            return norm.apply(x, *self._moments[node.name])
        if self.training and self.batchnorm_frozen:
            return norm.apply(x, norm.mean, norm.variance)
        if self.batchnorm.shift:
            moments = norm.moments(x) if self.training else (norm.mean, norm.variance)
            return norm.apply(x, *moments)
        return None

    def _multiplied(self, node: Node[FloatOp], x: Tensor) -> Tensor:
        """A layer whose operands' levels are multiplied."""
        raw, *biases = (self.network.constant(value.name) for value in node.inputs[1:])
        weight = self._constant(node.inputs[1].name, raw)
        assert weight is not None
        bias = None
        if biases:
            quantized = self._constant(node.inputs[2].name, biases[0])
            bias = biases[0] if quantized is None else quantized
        params = self._plan.params(self._values.get(node.inputs[0].name, ""), self.activations)
        steps = None if params is None else Steps.of(params, x.device)
        return self._low_precision.layers[node.name](x, steps, weight, bias, raw)

    def float_products(self) -> tuple[FloatProduct, ...]:
        """What the last step computed of real numbers though `Arithmetic` is another one."""
        return self._low_precision.float_products()

    def _folded(self, node: Node[FloatOp], x: Tensor) -> Tensor:
        """A layer whose weight is quantized with the factor of its BatchNorm, and without it."""
        weight, *bias = (self.network.constant(value.name) for value in node.inputs[1:])
        follower = self._norms[node.name]
        norm, fold, variance = self.norm(follower), self.batchnorm.fold, None
        if self.training and not self.batchnorm_frozen and fold is not Fold.ONE_CONV:
            raw = compute(node.op, [x, weight, *bias], batch=len(x), training=True)
            self._moments[follower.name] = norm.moments(raw)
            if fold is Fold.BATCH:
                _, variance = self._moments[follower.name]
        op, quantizer = self.weights[node.inputs[1].name]
        factor = along_outputs(norm.factor(variance), weight)
        quantized = oriented(op, _eager(quantizer, oriented(op, weight) * factor) / factor)
        return compute(node.op, [x, quantized, *bias], batch=len(x), training=True)

    def _value(self, name: str, x: Tensor) -> Tensor | None:
        if name in self.gradients and name not in self._low_precision.layers and x.requires_grad:
            x.register_hook(self.gradients[name])  # type: ignore[no-untyped-call]
        name = self._values.get(name, "")
        place = self._plan.places.get(name)
        if isinstance(place, Fixed):
            source = self.activations.get(self._plan.observed(name) or "")
            if source is None or not isinstance(source.format, Int):
                return None
            return fake_quantize(x, fixed_params(place, source.format))
        quantizer = self.activations.get(name)
        return None if quantizer is None else _eager(quantizer, x.float())

    def _constant(self, name: str, x: Tensor) -> Tensor | None:
        if name in self.weights:
            op, quantizer = self.weights[name]
            return oriented(op, _eager(quantizer, oriented(op, x)))
        if name in self._constants:
            return fake_quantize(x, self._constants[name])
        return None

    def extra_repr(self) -> str:
        """How much is quantized."""
        return f"{len(self.weights)} weights, {len(self.activations)} activations"


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _eager(quantizer: FakeWeight | FakeActivation, x: Tensor) -> Tensor:
    # Not compiled: what quantizers do depends on what they have seen.
    return quantizer(x)
