"""Propagated moments are those of sampled networks whose numbers are as they assume."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.errors import CalibrationError
from intact.passes.inference import for_inference
from intact.ptq.moments import normal
from intact.ptq.propagation import propagated

_C = 6


class Arithmetic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor([0.5, -2, 1, 3, 0.1, 1]).reshape(1, 6, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        a, b = x[:, :3], x[:, 3:]
        return a + b, a - b, a * b, x * self.scale, x + 2.5, torch.cat([b.relu(), a], 1)


class Shapes(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        padded = functional.pad(x, (0, 0, 0, 0, 1, 2))
        return (
            padded,
            x.mean((2, 3)),
            functional.max_pool2d(x, 1),
            x.flatten(1),
            x.permute(0, 2, 3, 1),
        )


class Activations(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (
            x.relu(), functional.relu6(x), functional.leaky_relu(x, 0.2), functional.hardswish(x),
            x.sigmoid(), functional.gelu(x), x.tanh(), functional.silu(x),
        )  # fmt: skip


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "conv": lambda: nn.Conv2d(_C, 4, 1),
    "grouped": lambda: nn.Conv2d(_C, 4, 1, groups=2, bias=False),
    "transposed": lambda: nn.ConvTranspose2d(_C, 4, 1, groups=2),
    "linear": lambda: nn.Sequential(nn.Flatten(), nn.Linear(_C, 7)),
    "prelu": lambda: nn.PReLU(_C, init=-0.5),
    "arithmetic": Arithmetic,
    "shapes": Shapes,
    "activations": Activations,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_moments_are_those_of_samples(name: str) -> None:
    torch.manual_seed(0)
    mean, deviation = torch.linspace(-1, 3, _C), torch.linspace(0.5, 2, _C)
    x = torch.randn(100_000, _C, 1, 1) * deviation.reshape(-1, 1, 1) + mean.reshape(-1, 1, 1)
    graph = for_inference(capture(NETWORKS[name]().eval(), x[:2]))
    known = {
        graph.inputs[0].name: normal(1, mean.double().numpy(), deviation.double().numpy(), 6.0)
    }
    found = propagated(graph, known, 6.0)
    seen: dict[str, np.ndarray] = {}
    with torch.no_grad():
        from_graph(graph).eval().run((x,), lambda key, y: seen.__setitem__(key, y.double().numpy()))
    for key, moments in found.items():
        channels = np.moveaxis(seen[key], moments.axis, 0).reshape(len(moments.mean), -1)
        scale = np.abs(channels).max()
        np.testing.assert_allclose(moments.mean, channels.mean(axis=1), atol=0.01 * scale)
        np.testing.assert_allclose(moments.deviation, channels.std(axis=1), atol=0.01 * scale)
        low, high = moments.range
        assert low <= channels.min() + 1e-6
        assert high >= channels.max() - 1e-6


def test_kernels_count_every_tap() -> None:
    """Independent pixels: the variance is that of all taps; the mean that of the sum of taps."""
    torch.manual_seed(0)
    x = torch.randn(20_000, 2, 3, 3) + 1
    graph = capture(nn.Conv2d(2, 3, 3).eval(), x[:2])
    known = {graph.inputs[0].name: normal(1, np.ones(2), np.ones(2), 6.0)}
    found = propagated(graph, known, 6.0)[graph.outputs[0].name]
    with torch.no_grad():
        y = from_graph(graph).eval()(x).double().numpy()[:, :, 0, 0]
    np.testing.assert_allclose(found.mean, y.mean(axis=0), atol=0.03)
    np.testing.assert_allclose(found.deviation, y.std(axis=0), atol=0.03)


def test_what_needs_samples_says_so() -> None:
    class Products(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ x.transpose(1, 2)

    graph = capture(Products(), torch.zeros(2, 3, 3))
    known = {graph.inputs[0].name: normal(1, np.zeros(3), np.ones(3), 6.0)}
    with pytest.raises(CalibrationError, match=r'"matmul", a MatMul.*calibration samples'):
        propagated(graph, known, 6.0)


def test_channels_behind_tokens_are_bounded_like_others() -> None:
    """(N, 3 tokens, 2 channels): E relu of a normal variable around 0 is deviation / sqrt(2 pi)."""
    graph = for_inference(capture(nn.ReLU(), torch.randn(2, 3, 2)))
    known = {graph.inputs[0].name: normal(2, np.zeros(2), np.array([1.0, 2.0]), 6.0)}
    found = propagated(graph, known, 6.0)[graph.outputs[0].name]
    np.testing.assert_allclose(found.mean, np.array([1, 2]) / np.sqrt(2 * np.pi))
    assert found.range == (0, 12)
