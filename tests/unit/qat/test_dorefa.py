"""DoReFa-Net against equations 5 to 9 of Zhou et al. 2016, by hand."""

import math

import numpy as np
import pytest
import torch

from intact.numerics.formats import Binary, Int, MidRise
from intact.qat import DorefaActivation, DorefaWeight


def test_a_weight_of_two_bits_by_hand() -> None:
    # tanh: 0.8, -0.4, 0.2, -0.8; over 2 * 0.8, plus a half, times 3: 3, 0.75, 1.875, 0
    x = torch.tensor([[0.8, -0.4], [0.2, -0.8]]).atanh().requires_grad_()
    quantizer = DorefaWeight(x.detach(), 2)
    y = quantizer(x)
    third = torch.tensor(1 / 3).item()
    assert y.tolist() == [[1.0, -third], [third, -1.0]]
    frozen = quantizer.freeze(x)
    assert frozen.codes.tolist() == [[3, 1], [2, 0]]
    assert frozen.params.format == MidRise(2)
    y.backward(torch.tensor([[1.0, 2.0], [4.0, 8.0]]))
    slopes = [1 * (1 - 0.64), 2 * (1 - 0.16), 4 * (1 - 0.04), 8 * (1 - 0.64)]
    assert x.grad is not None
    assert x.grad.ravel().tolist() == pytest.approx([slope / 0.8 for slope in slopes])


def test_a_weight_of_one_bit_by_hand() -> None:
    x = torch.tensor([[0.5, -1.0], [0.0, 2.5]], requires_grad=True)
    quantizer = DorefaWeight(x.detach())
    y = quantizer(x)
    assert y.tolist() == [[1.0, -1.0], [1.0, 1.0]]  # mean|w| = 1
    assert quantizer.freeze(x).params.format == Binary()
    upstream = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    y.backward(upstream)
    assert x.grad is not None
    assert x.grad.tolist() == upstream.tolist()


@pytest.mark.parametrize("bits", range(2, 10))
def test_weights_use_the_whole_grid(bits: int) -> None:
    x = torch.linspace(-3, 3, 4001).view(1, -1)
    frozen = DorefaWeight(x, bits).freeze(x)
    assert len(np.unique(frozen.codes)) == 2**bits
    assert set(np.unique(frozen.params.format.decode(frozen.codes)) % 2) == {1}
    assert (frozen.dequantize().min(), frozen.dequantize().max()) == (-1, 1)


@pytest.mark.parametrize("bits", [0, 16, 32])
def test_other_numbers_of_bits_are_refused(bits: int) -> None:
    with pytest.raises(ValueError, match="bits"):
        DorefaWeight(torch.ones(1), bits)


def test_an_activation_by_hand() -> None:
    x = torch.tensor([[-0.5, 0.0, 0.4, 0.6, 1.0, 1.2]], requires_grad=True)
    quantizer = DorefaActivation(Int(2))
    y = quantizer(x)
    assert y[0].tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3, 1, 1])
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 1.0, 1.0, 1.0, 1.0, 0.0]]
    assert int(quantizer.params().offset) == -2


def test_an_activation_of_one_bit_is_zero_or_one() -> None:
    quantizer = DorefaActivation(Int(1, signed=False))
    assert quantizer(torch.tensor([[-3.0, 0.4, 0.6, 3.0]])).tolist() == [[0.0, 0.0, 1.0, 1.0]]
    assert math.isclose(float(quantizer.params().scale), 1)
