"""Equalization keeps the function and gives every channel the same range on both sides."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir import float_ops as ops
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.verify import verify_graph
from intact.numerics.formats import Int
from intact.numerics.granularity import PerChannel, PerTensor
from intact.passes.chains import chains
from intact.passes.equalize import equalize
from intact.passes.fold_batchnorm import fold_batchnorm
from intact.ptq import Nearest


def _conv(inputs: int, outputs: int, norm: bool = True, **settings: int) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, bias=not norm, **settings)]
    if norm:
        layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = _conv(4, 6, padding=1), _conv(6, 4, padding=1)
        self.c = _conv(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(functional.relu(x + self.b(functional.relu(self.a(x)))))


class Branches(nn.Module):
    """A value that two layers read, one through bounds, and one that is returned as well."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = _conv(4, 6), _conv(6, 5), _conv(6, 5)
        self.d = nn.Conv2d(10, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = functional.relu(self.a(x))
        z = torch.cat(
            [
                self.b(functional.max_pool2d(y, 2, 1)),
                self.c(functional.avg_pool2d(y.clamp(max=4), 2, 1)),
            ],
            1,
        )
        return self.d(z), z


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], int]] = {
    "relu": (lambda: nn.Sequential(_conv(3, 8), nn.ReLU(), _conv(8, 5)), (3, 8, 8), 1),
    "no-norm": (
        lambda: nn.Sequential(_conv(3, 8, norm=False), nn.LeakyReLU(), _conv(8, 5, norm=False)),
        (3, 8, 8), 1,
    ),
    "separable": (
        lambda: nn.Sequential(
            _conv(3, 8), nn.ReLU6(), _conv(8, 8, groups=8), nn.ReLU6(), _conv(8, 6), nn.PReLU(6),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4),
        ),
        (3, 10, 10), 3,
    ),
    "pooled-flat": (
        lambda: nn.Sequential(
            _conv(3, 6, groups=3), nn.ReLU6(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(54, 8),
            nn.Dropout(), nn.ReLU(), nn.Linear(8, 3),
        ),
        (3, 8, 8), 2,
    ),
    "transposed": (
        lambda: nn.Sequential(
            _conv(4, 6), nn.ReLU6(), nn.ConvTranspose2d(6, 4, 2, 2, groups=2), nn.ReLU(),
            _conv(4, 2),
        ),
        (4, 6, 6), 2,
    ),
    "conv1d": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.ReLU6(), nn.Conv1d(6, 3, 3)
        ),
        (4, 12), 1,
    ),
    "rows": (
        lambda: nn.Sequential(
            nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.GELU(), nn.Linear(6, 2)
        ),
        (7, 5), 1,
    ),
    "residual": (Residual, (4, 8, 8), 1),
    "branches": (Branches, (4, 9, 9), 1),
}  # fmt: skip


def _network(name: str) -> tuple[Graph[FloatOp], Tensor]:
    torch.manual_seed(0)
    make, shape, _ = NETWORKS[name]
    model = make().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
            module.running_mean, module.running_var = (
                torch.randn(module.num_features) / 4, torch.rand(module.num_features) + 0.2,
            )  # fmt: skip
    x = torch.randn(2, *shape)
    return capture(model, x), x


def _run(graph: Graph[FloatOp], x: Tensor) -> list[np.ndarray]:
    with torch.no_grad():
        return [y.numpy() for y in from_graph(graph).eval().run((x,))]


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_function_stays(name: str, symmetric: bool) -> None:
    graph, x = _network(name)
    equal = equalize(graph, symmetric=symmetric)
    verify_graph(equal)
    assert len(chains(graph)) == NETWORKS[name][2]
    for before, after in zip(_run(graph, x), _run(equal, x), strict=True):
        np.testing.assert_allclose(after, before, rtol=0, atol=1e-5 * np.abs(before).max())


def _ranges(graph: Graph[FloatOp], layer: str, *, written: bool, symmetric: bool) -> np.ndarray:
    """Of a convolution of one group or a linear layer without flattening, BatchNorm folded."""
    folded = fold_batchnorm(graph)
    node = folded.producers()[layer]
    weight = folded.constants[node.inputs[1].name].astype(np.float64)
    rows = weight if written else weight.swapaxes(0, 1)
    rows = rows.reshape(rows.shape[0], -1)
    if symmetric:
        return np.abs(rows).max(axis=1)
    return np.maximum(rows.max(axis=1), 0) - np.minimum(rows.min(axis=1), 0)


@pytest.mark.parametrize("symmetric", [True, False], ids=["symmetric", "asymmetric"])
@pytest.mark.parametrize("name", ["relu", "no-norm", "rows", "residual"])
def test_ranges_are_equal_after(name: str, symmetric: bool) -> None:
    graph, _ = _network(name)
    equal = equalize(graph, symmetric=symmetric)
    (chain,) = chains(equal)
    first, (second,) = chain.first.node.name, (layer.node.name for layer in chain.second)
    written = _ranges(equal, first, written=True, symmetric=symmetric)
    read = _ranges(equal, second, written=False, symmetric=symmetric)
    np.testing.assert_allclose(written, read, rtol=1e-3)
    before = _ranges(graph, first, written=True, symmetric=symmetric)
    assert not np.allclose(before, written, rtol=0.1)


def test_ranges_of_a_depthwise_convolution_between_two_others() -> None:
    graph, _ = _network("separable")
    equal = fold_batchnorm(equalize(graph))
    first, depthwise, last = (
        np.abs(equal.constants[node.inputs[1].name])
        for node in equal.nodes
        if isinstance(node.op, ops.Conv)
    )
    middle = depthwise.max(axis=(1, 2, 3))
    np.testing.assert_allclose(first.max(axis=(1, 2, 3)), middle, rtol=1e-3)
    np.testing.assert_allclose(middle, last.max(axis=(0, 2, 3)), rtol=1e-3)


def test_relu6_becomes_a_bound_of_each_channel() -> None:
    graph, _ = _network("relu")
    clipped = Graph(
        graph.inputs, graph.outputs,
        tuple(
            type(node)(ops.Clamp(0, 6), node.inputs, node.output)
            if isinstance(node.op, ops.Relu) else node
            for node in graph.nodes
        ),
        graph.constants,
    )  # fmt: skip
    equal = equalize(clipped)
    gamma = next(node for node in graph.nodes if isinstance(node.op, ops.BatchNorm)).inputs[1].name
    s = graph.constants[gamma] / equal.constants[gamma]
    (bounded,) = (node for node in equal.nodes if isinstance(node.op, ops.ChannelClamp))
    low, high = (equal.constants[value.name] for value in bounded.inputs[1:])
    np.testing.assert_array_equal(low, 0)
    np.testing.assert_allclose(high, 6 / s, rtol=1e-6)


@pytest.mark.parametrize("symmetric", [True, False])
def test_of_dead_channels_the_constant_stays_and_the_unread_one_shrinks(symmetric: bool) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    with torch.no_grad():
        model[0].weight[1] = 0  # nothing but its bias
        model[0].weight[2] *= 100
        model[2].weight[:, 2] = 0  # nobody reads it
    graph = capture(model, torch.zeros(2, 4))
    equal = equalize(graph, symmetric=symmetric)
    for name in ("0.weight", "0.bias"):
        np.testing.assert_array_equal(equal.constants[name][1], graph.constants[name][1])
    weight = np.abs(equal.constants["0.weight"]).max(axis=1)
    assert weight[2] < 1e-3 * np.median(weight)
    assert all(np.isfinite(array).all() for array in equal.constants.values())
    x = torch.randn(5, 4)
    torch.testing.assert_close(from_graph(equal)(x), model(x))


def test_a_layer_that_is_not_read_at_all_is_left_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
    with torch.no_grad():
        model[2].weight.zero_()
    graph = capture(model, torch.zeros(2, 4))
    for name, array in equalize(graph).constants.items():
        np.testing.assert_array_equal(array, graph.constants[name])


def test_layers_that_share_a_weight_are_left_alone() -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(self.layer(x).relu())

    assert chains(capture(Shared(), torch.zeros(2, 4))) == []


def _sqnr(weights: tuple[np.ndarray, np.ndarray], method: Nearest) -> float:
    """Of a pair of layers with a ReLU between, weights quantized, in dB."""
    x = np.random.default_rng(1).normal(size=(4096, 64))
    quantized = [method(torch.from_numpy(w)).dequantize() for w in weights]

    def output(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.maximum(x @ a.T, 0) @ b.T

    real = output(*weights)
    return float(10 * np.log10((real**2).sum() / ((output(*quantized) - real) ** 2).sum()))


def test_rescaled_channels_collapse_and_recover() -> None:
    """Channel i of a network times 10^U(-2, 2), and what reads it divided by as much.

    Per tensor the quantized network is noise; scales for each *output* channel save only the first
    layer, as the second one's imbalance lies along its inputs; equalization restores all.
    """
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(64, 64, bias=False), nn.ReLU(), nn.Linear(64, 64, bias=False))
    names = ("0.weight", "2.weight")
    first, second = (rng.normal(size=(64, 64)).astype(np.float32) for _ in range(2))
    factor = (10 ** rng.uniform(-2, 2, size=64)).astype(np.float32)
    graph = capture(model, torch.zeros(2, 64))
    planted = Graph(
        graph.inputs, graph.outputs, graph.nodes,
        dict(zip(names, (first * factor[:, None], second / factor), strict=True)),
    )  # fmt: skip

    def of(network: Graph[FloatOp]) -> tuple[np.ndarray, np.ndarray]:
        return network.constants[names[0]], network.constants[names[1]]

    per_tensor = Nearest(Int(8, narrow=True), PerTensor())
    assert _sqnr((first, second), per_tensor) > 35
    assert _sqnr(of(planted), per_tensor) < 3
    assert _sqnr(of(planted), Nearest(Int(8, narrow=True), PerChannel())) < 6
    assert _sqnr(of(equalize(planted)), per_tensor) > 35


def test_equalizing_again_changes_nothing() -> None:
    graph, _ = _network("separable")
    once = equalize(graph)
    twice = equalize(once)
    assert [type(node.op) for node in once.nodes] == [type(node.op) for node in twice.nodes]
    for name, array in once.constants.items():
        np.testing.assert_allclose(twice.constants[name], array, rtol=0.01, atol=1e-6)
