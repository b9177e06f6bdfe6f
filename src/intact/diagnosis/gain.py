"""What a cure gains: the layer alone is quantized again with it, and its noise added as before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from glob import escape

import numpy as np
import torch

from intact.capture.module import CapturedModule, from_graph
from intact.diagnosis.cures import Cure
from intact.diagnosis.noise import Tally, tally
from intact.diagnosis.walk import Walk, disturbed, values_of
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.lower.lower import lower
from intact.model import Dynamic
from intact.numerics.arrays import Array
from intact.passes.extract import extract
from intact.passes.inference import for_inference
from intact.ptq import PtqRule, Recipe, quantize, silent
from intact.ptq.calibrate import choose


@dataclass(frozen=True)  # no slots: what is computed once is kept
class OnSamples:
    """A float network and some samples."""

    graph: Graph[FloatOp]  # with its BatchNorms
    inputs: tuple[torch.Tensor, ...]

    @cached_property
    def reference(self) -> Graph[FloatOp]:
        """Without BatchNorm."""
        return for_inference(self.graph)

    @cached_property
    def module(self) -> CapturedModule:
        """In torch."""
        return from_graph(self.reference).eval()

    @cached_property
    def outputs(self) -> list[Array]:
        """What it computes."""
        return disturbed(self.module, self.inputs, {})


@dataclass(frozen=True, slots=True)
class Trial:
    """The float network that a recipe prepared, on which cures of single layers are tried."""

    network: OnSamples
    recipe: Recipe

    def cured(self, cure: Cure | None, layer: str) -> "Trial | None":
        """With the cure of a layer; None if it changes nothing. Without a cure itself."""
        if cure is None:
            return self
        changed = cure.apply(self.recipe, self.network.reference, [layer])
        if changed == self.recipe:
            return None
        network = self.network
        for prepare in changed.before[len(self.recipe.before) :]:
            graph = prepare(network.graph, [network.inputs], silent)
            network = OnSamples(graph, network.inputs)
        return Trial(network, changed)

    def outputs(self, read: Sequence[str], value: str) -> Tally:
        """The noise of the outputs if only the layer between some values makes some."""
        network = self.network
        part = extract(network.reference, read, [value])
        chosen = choose(network.reference, self.recipe.rules)
        names = [v.name for v in (*part.inputs, *(node.output for node in part.nodes))]
        rules = {name: _exactly(chosen[name], name) for name in names if name in chosen}
        values = values_of(network.module, network.inputs, read)
        batch = tuple(values[name] for name in read)
        if part.nodes:
            error = _error(part, tuple(rules.values()), batch)
        else:
            error = _rounding(rules[value], batch[0])
        made = disturbed(network.module, network.inputs, {value: error})
        return sum((tally(x, y) for x, y in zip(made, network.outputs, strict=True)), Tally())


def _error(
    part: Graph[FloatOp], rules: Sequence[PtqRule], batch: tuple[torch.Tensor, ...]
) -> Array:
    """The own noise of a layer that is quantized and calibrated on what it reads."""
    alone = Walk(part, lower(quantize(part, rules, [batch])))
    errors = []
    for piece in alone.runs([batch]):  # one batch may run in several
        *_, last = piece.layers
        assert last.alone is not None
        assert last.alone_real is not None
        errors.append(last.alone - last.alone_real)
    return np.asarray(np.concatenate(errors), np.float32)


def _rounding(rule: PtqRule, x: torch.Tensor) -> Array:
    """The same of an input of the network, which is only rounded."""
    if rule.activation is None or isinstance(rule.activation, Dynamic):
        return np.zeros(tuple(x.shape), np.float32)
    statistics = rule.activation.begin()
    statistics.update(x)
    params = statistics.params()
    rounded = params.dequantize(params.quantize(x.numpy()))
    return np.asarray(rounded - x.numpy(), np.float32)


def _exactly(rule: PtqRule, name: str) -> PtqRule:
    return replace(rule, match=escape(name))
