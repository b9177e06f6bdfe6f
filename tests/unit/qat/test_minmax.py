import pytest
import torch

from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.qat import MinMaxWeight, MovingAverageActivation


def test_a_weight_follows_its_range() -> None:
    weight = torch.tensor([[0.5, -1.27], [2.54, 0.0]])
    quantizer = MinMaxWeight(weight, Int(8, narrow=True))
    assert quantizer.freeze(weight).params.scale.ravel().tolist() == pytest.approx([0.01, 0.02])
    assert quantizer.freeze(2 * weight).params.scale.ravel().tolist() == pytest.approx([0.02, 0.04])
    whole = MinMaxWeight(weight, Int(8, narrow=True), PerTensor())
    assert whole.freeze(weight).params.scale.ravel().tolist() == pytest.approx([0.02])


def test_averages_begin_with_the_first_batch() -> None:
    quantizer = MovingAverageActivation(decay=0.75)
    quantizer(torch.tensor([[-1.0, 1.0]]))
    assert (quantizer.low.item(), quantizer.high.item()) == (-1, 1)
    quantizer(torch.tensor([[-3.0, 5.0]]))
    assert (quantizer.low.item(), quantizer.high.item()) == (-1.5, 2)


def test_evaluation_learns_nothing() -> None:
    quantizer = MovingAverageActivation()
    quantizer(torch.tensor([[-1.0, 1.0]]))
    before = quantizer.params()
    quantizer.eval()(torch.tensor([[-9.0, 9.0]]))
    assert quantizer.params() == before


def test_gradients_pass_where_nothing_saturates() -> None:
    quantizer = MovingAverageActivation(Int(4))
    quantizer(torch.tensor([[0.0, 15.0]]))
    quantizer.eval()
    x = torch.tensor([[-0.5, 3.2, 15.0, 16.0]], requires_grad=True)
    y = quantizer(x)
    assert y.tolist() == [[0.0, 3.0, 15.0, 15.0]]
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0.0, 1.0, 1.0, 0.0]]


def test_numbers_pass_as_they_are_in_the_delay() -> None:
    quantizer, x = MovingAverageActivation(Int(2), delay=2), torch.tensor([[0.1, 1.0, 0.45]])
    assert quantizer(x) is x
    assert quantizer(x) is x
    assert not torch.equal(quantizer(x), x)


def test_evaluation_within_the_delay_is_quantized() -> None:
    quantizer, x = MovingAverageActivation(Int(2), delay=5), torch.tensor([[0.1, 1.0, 0.45]])
    quantizer(x)
    assert not torch.equal(quantizer.eval()(x), x)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_is_none_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        MovingAverageActivation(decay=decay)
