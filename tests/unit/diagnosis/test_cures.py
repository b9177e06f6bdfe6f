"""Cures change what they name, and mixed widths still become integers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import intact
from intact.capture.export import capture
from intact.diagnosis import cures
from intact.diagnosis.cures import CURES
from intact.diagnosis.rewriting import stored_output
from intact.exec import reference
from intact.exec.native import engine
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph, Node, Value
from intact.lower.lower import lower_with_reasons
from intact.numerics.formats import Int
from intact.passes.inference import for_inference
from intact.passes.placement import placement
from intact.ptq import (
    BiasCorrected,
    LeastSquares,
    LeastSquaresInGroups,
    Nearest,
    PtqRule,
    Recipe,
    SQuant,
    quantize,
)
from intact.ptq.adaround import AdaRound
from intact.recipes import recipe
from intact.rules import select

SAMPLES = torch.randn(16, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Residual(nn.Module):
    """A convolution, a residual block with pooling, and a softmax at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.a = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.b = nn.Conv2d(8, 8, 1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shares of 4 classes."""
        x = nn.functional.relu(self.stem(x))
        x = nn.functional.max_pool2d(x, 2)
        y = nn.functional.silu(self.b(nn.functional.relu6(self.a(x))))
        return torch.softmax(self.fc((x + y).mean((2, 3))), 1)


@pytest.fixture(scope="module")
def graph() -> Graph[FloatOp]:
    torch.manual_seed(0)
    return for_inference(capture(Residual(), (SAMPLES,)))


def rules_of(graph: Graph[FloatOp], changed: Recipe) -> dict[str, PtqRule]:
    return select(changed.rules, [v.name for v in graph.inputs] + [n.name for n in graph.nodes])


def node_of(graph: Graph[FloatOp], op: str) -> Node[FloatOp]:
    return next(node for node in graph.nodes if type(node.op).__name__ == op)


def test_every_cure_everywhere_changes_the_rules_or_has_nothing_to_do(
    graph: Graph[FloatOp],
) -> None:
    start = recipe("W8A8-per-tensor")
    changed = {cure.name: cure.apply(start, graph, None) for cure in CURES}
    assert [name for name, new in changed.items() if new == start] == [
        "learned_rounding",
        "eight_bit_weights",
    ]
    finer = PtqRule(weight=Nearest(Int(8, narrow=True)), activation=start.rules[0].activation)
    assert changed["per_channel"] == replace(start, rules=(finer,))
    squared = changed["least_squared_error"].rules[0]
    assert isinstance(squared.weight, LeastSquares)
    assert isinstance(squared.activation, intact.Mse)
    assert changed["keep_float"].rules == (PtqRule(),)


def test_groups_of_channels_stay_groups(graph: Graph[FloatOp]) -> None:
    start = recipe("W4-g32")
    squared = cures.least_squared_error(start, graph).rules[0].weight
    assert squared == LeastSquaresInGroups(Int(4, narrow=True), 32)
    assert cures.learned_rounding(recipe("W4-g32-gptq"), graph).after[1:]
    eight = cures.eight_bit_weights(recipe("W4-g32-gptq"), graph)
    assert eight.rules[0].weight == LeastSquaresInGroups(Int(8, narrow=True), 32)


def test_methods_are_changed_within_others(graph: Graph[FloatOp]) -> None:
    inner = LeastSquares(Int(4, narrow=True))
    start = Recipe(rules=(PtqRule(weight=BiasCorrected(SQuant(inner))),))
    eight = replace(inner, format=Int(8, narrow=True))
    found = cures.eight_bit_weights(start, graph).rules[0].weight
    assert found == BiasCorrected(SQuant(eight))


def test_rules_name_exactly_the_layers_and_keep_the_rest(graph: Graph[FloatOp]) -> None:
    start = recipe("W4A8")
    both = cures.eight_bit_weights(cures.sixteen_bits(start, graph, ["stem"]), graph, ["stem"])
    found, before = rules_of(graph, both), rules_of(graph, start)
    relu = node_of(graph, "Relu").name
    assert {n for n in found if found[n] != before[n]} == {"stem", relu}
    assert found[relu].activation == intact.MinMax(Int(16), symmetric=True)
    assert isinstance(found["stem"].weight, BiasCorrected)
    assert found["stem"].weight.method == LeastSquares(Int(8, narrow=True))
    assert cures.eight_bit_weights(both, graph, ["stem"]) == both
    assert len(both.rules) == 3


def test_rounding_is_learned_of_coarse_weights(graph: Graph[FloatOp]) -> None:
    start = recipe("W4A8")
    one = cures.learned_rounding(start, graph, ["b", "x"])
    assert one.after == (*start.after, AdaRound(match=("b",)))
    assert cures.learned_rounding(one, graph, ["b"]) == one
    assert cures.learned_rounding(start, graph, None).after == (
        *start.after,
        AdaRound(match=("stem", "a", "b", "fc")),
    )
    for name in ("W8A8", "float16"):
        assert cures.learned_rounding(recipe(name), graph, None) == recipe(name)


def test_names_with_wildcards_match_themselves_only(graph: Graph[FloatOp]) -> None:
    names = {"stem": "layer[0]*", "a": "layer0"}
    nodes = tuple(
        Node(n.op, n.inputs, n.output if n.name not in names else _called(n, names[n.name]))
        for n in graph.nodes
    )
    renamed = Graph(graph.inputs, graph.outputs, nodes, graph.constants)
    changed = cures.bias_corrected(recipe("W8A8-per-tensor"), renamed, ["layer[0]*"])
    corrected = {
        n for n, r in rules_of(renamed, changed).items() if isinstance(r.weight, BiasCorrected)
    }
    assert corrected == {"layer[0]*"}


def _called(node: Node[FloatOp], name: str) -> Value:
    return Value(name, node.output.shape, node.output.dtype)


def test_the_value_that_holds_a_layers_codes(graph: Graph[FloatOp]) -> None:
    places = placement(graph)
    relu = node_of(graph, "Relu").name
    assert stored_output(places, "stem") == relu
    assert stored_output(places, node_of(graph, "MaxPool").name) == relu
    assert stored_output(places, node_of(graph, "Softmax").name) == "fc"
    assert stored_output(places, "b") == "b"


@pytest.mark.parametrize("seed", range(4))
def test_any_mix_of_8_and_16_bits_is_integers(graph: Graph[FloatOp], seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [n.name for n in graph.nodes if rng.random() < 0.5]
    mixed = cures.sixteen_bits(recipe("W8A8"), graph, names)
    lowered = lower_with_reasons(quantize(graph, mixed, [SAMPLES]))
    assert not lowered.stays_float
    bits = {v.dtype.bits for v in lowered.program.values() if v.params is not None}
    assert {8, 16} <= bits
    x = {graph.inputs[0].name: SAMPLES.numpy()}
    expected = reference.load(lowered.program)(x)
    for name, made in engine.load(lowered.program, 1)(x).items():
        np.testing.assert_array_equal(made, expected[name])


def test_a_layer_in_float_leaves_its_readers_integers(graph: Graph[FloatOp]) -> None:
    kept = cures.keep_float(recipe("W8A8"), graph, ["a"])
    stays = lower_with_reasons(quantize(graph, kept, [SAMPLES])).stays_float
    assert list(stays) == ["a", node_of(graph, "Clamp").name]
    silu = node_of(graph, "Silu").name
    kept = cures.keep_float(recipe("W8A8"), graph, [silu])
    stays = lower_with_reasons(quantize(graph, kept, [SAMPLES])).stays_float
    assert list(stays) == [silu, node_of(graph, "Add").name]


def test_layers_that_share_a_weight_are_cured_together() -> None:
    linear = nn.Linear(4, 4)
    shared = for_inference(capture(nn.Sequential(linear, nn.ReLU(), linear), torch.zeros(2, 4)))
    first, second = (n.name for n in shared.nodes if type(n.op).__name__ == "Linear")
    changed = cures.keep_float(recipe("W8A8"), shared, [first])
    assert rules_of(shared, changed)[second].weight is None
    quantize(shared, changed, [torch.randn(4, 4)])
