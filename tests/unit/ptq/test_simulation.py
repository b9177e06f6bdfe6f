"""Simulation: the quantized network in float32, close to its integers."""

import numpy as np
import torch

from intact.exec import reference
from intact.lower.lower import lower
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from intact.observers import MinMax, fake_quantize
from intact.ptq import Nearest, PtqRule, quantize
from intact.ptq.simulation import Simulation
from tests.unit.ptq.networks import conv_relu_linear

_X = torch.randn(12, 2, 4, 4, generator=torch.Generator().manual_seed(0))
_MODEL = quantize(
    conv_relu_linear(), [PtqRule(weight=Nearest(Int(8)), activation=MinMax(Int(8)))], [_X]
)


def test_it_is_within_one_code_of_the_integers():
    (simulated,) = Simulation(_MODEL).run([_X])
    exact = reference.load(lower(_MODEL))({"x": _X.numpy()})["fc"]
    params = _MODEL.activations["fc"]
    assert isinstance(params, QuantParams)
    assert np.abs(simulated.numpy() - exact).max() <= 1.001 * params.scale


def test_a_hook_sees_every_rounded_value_and_may_replace_it():
    seen: dict[str, torch.Tensor] = {}

    def hook(name: str, x: torch.Tensor) -> torch.Tensor | None:
        seen[name] = x
        return torch.zeros_like(x) if name == "relu" else None

    (output,) = Simulation(_MODEL).run([_X], hook)
    assert list(seen) == ["x", "conv", "relu", "flat", "fc"]
    params = _MODEL.activations["relu"]
    assert isinstance(params, QuantParams)
    torch.testing.assert_close(fake_quantize(seen["relu"], params), seen["relu"], rtol=0, atol=0)
    assert not output.any()


def test_rounding_is_to_the_nearest_code_and_saturates():
    params = QuantParams(Int(8), np.float32(0.5), np.array(100))
    x = torch.tensor([-0.3, 0.26, 0.75, 20.0, -200.0])
    assert fake_quantize(x, params).tolist() == [-0.5, 0.5, 1.0, 13.5, -114.0]
