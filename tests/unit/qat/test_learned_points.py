"""Differentiable quantization (Polino et al. 2018, section 4), by hand."""

import numpy as np
import pytest
import torch

from intact.capture.export import capture
from intact.exec import reference
from intact.lower.lower import lower
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.qat import (
    IntegerPointsWeight,
    LearnedPointsWeight,
    MovingAverageActivation,
    QatRule,
    finish,
    prepare,
)


def test_points_begin_at_the_quantiles() -> None:
    weight = torch.tensor([[0.0, 1.0, 2.0, 6.0, 10.0]])
    found = LearnedPointsWeight(weight, bits=1).points.tolist()
    assert found == [0, 1]
    found = LearnedPointsWeight(weight, bits=2).points.tolist()
    assert found == pytest.approx([0, (1 + 1 / 3) / 10, (2 + 4 * 2 / 3) / 10, 1])


def test_gradients_of_points_carry_the_scale_of_each_bucket() -> None:
    # Buckets 0..2 and 1..11: alpha is 2 and 10.
    weight = torch.tensor([[0.0, 2.0, 0.6], [1.0, 11.0, 4.0]], requires_grad=True)
    quantizer = LearnedPointsWeight(weight, bits=2, bucket=3)
    with torch.no_grad():
        quantizer.points.copy_(torch.tensor([0.0, 0.25, 0.75, 1.0]))
    found = quantizer(weight)
    assert found.tolist() == [[0.0, 2.0, 0.5], [1.0, 11.0, 3.5]]
    upstream = torch.tensor([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    found.backward(upstream)
    assert quantizer.points.grad is not None
    assert quantizer.points.grad.tolist() == [2 * 1 + 10 * 8, 2 * 4 + 10 * 32, 0, 2 * 2 + 10 * 16]
    assert weight.grad is not None
    assert torch.equal(weight.grad, upstream)


def test_points_may_pass_each_other() -> None:
    weight = torch.tensor([[0.0, 1.0, 0.4, 0.5]])
    quantizer = LearnedPointsWeight(weight, bits=1, bucket=4)
    with torch.no_grad():
        quantizer.points.copy_(torch.tensor([0.75, 0.25]))
    found = quantizer(weight)
    assert found.tolist() == [[0.25, 0.75, 0.25, 0.25]]
    found.backward(torch.tensor([[1.0, 2.0, 4.0, 8.0]]))
    assert quantizer.points.grad is not None
    assert quantizer.points.grad.tolist() == [2, 13]


def test_integer_points_are_codes() -> None:
    weight = torch.tensor([[-7.0, 7.0, 2.2, 0.4]], requires_grad=True)
    quantizer = IntegerPointsWeight(weight, 2, Int(4, narrow=True), PerTensor())
    with torch.no_grad():
        quantizer.points.copy_(torch.tensor([-1.0, 0.1, 0.4, 1.0]))  # codes -7, 1, 3, 7
    found = quantizer(weight)
    assert found.tolist() == [[-7.0, 7.0, 3.0, 1.0]]
    assert quantizer.freeze(weight).codes.tolist() == [[-7, 7, 3, 1]]
    found.backward(torch.tensor([[1.0, 2.0, 4.0, 8.0]]))
    assert quantizer.points.grad is not None
    assert quantizer.points.grad.tolist() == pytest.approx([7, 56, 28, 14])


def test_points_need_fewer_bits_than_their_codes() -> None:
    with pytest.raises(ValueError, match="1 to 3 bits"):
        IntegerPointsWeight(torch.ones(1, 4), bits=4, format=Int(4, narrow=True))


def test_integer_points_run_in_integers() -> None:
    torch.manual_seed(0)
    x = torch.randn(32, 6)
    layers = torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)
    rule = QatRule(weight=IntegerPointsWeight, activation=MovingAverageActivation)
    network = prepare(capture(torch.nn.Sequential(*layers), x[:1]), [rule]).train()
    network(x).sum().backward()
    program = lower(finish(network.eval()))
    (output,) = program.outputs
    found = reference.load(program)({program.inputs[0].name: x.numpy()})[output.name]
    step = float(next(reversed(network.activations.values())).params().scale)
    with torch.no_grad():
        np.testing.assert_allclose(found, network(x).numpy(), atol=1.01 * step)
    assert len(np.unique(finish(network).weights["0.weight"].codes)) <= 16  # type: ignore[union-attr]
