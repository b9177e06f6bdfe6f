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


def test_a_weight_is_as_it_is_in_the_delay_of_training() -> None:
    weight = torch.tensor([[0.1, 1.0, 0.45]])
    quantizer = MinMaxWeight(weight, Int(2), delay=1)
    assert not torch.equal(quantizer.eval()(weight), weight)
    assert quantizer.train()(weight) is weight
    assert not torch.equal(quantizer(weight), weight)


def test_evaluation_within_the_delay_is_quantized() -> None:
    quantizer, x = MovingAverageActivation(Int(2), delay=5), torch.tensor([[0.1, 1.0, 0.45]])
    quantizer(x)
    assert not torch.equal(quantizer.eval()(x), x)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_that_is_none_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match="decay"):
        MovingAverageActivation(decay=decay)


def test_stochastic_rounding_of_a_weight_is_unbiased_in_training_alone() -> None:
    weight = torch.tensor([[0.1, 0.26, -0.4, 0.0, 1.27]]).repeat(2000, 1)
    quantizer = MinMaxWeight(weight, Int(3, narrow=True), stochastic=True, seed=1)
    draws = quantizer(weight)
    # 4 deviations of a mean: those of a draw are half a step of 1.27 / 3 at most
    torch.testing.assert_close(draws.mean(0), weight[0], rtol=0, atol=2 * 1.27 / 3 / 2000**0.5)
    assert draws[:, 3].abs().max() == 0
    assert torch.equal(quantizer.eval()(weight), MinMaxWeight(weight, Int(3, narrow=True))(weight))


def test_stochastic_rounding_of_an_activation_is_unbiased_in_training_alone() -> None:
    x = torch.cat([torch.tensor([0.0, 15.0]), torch.full((5000,), 3.3)])
    quantizer = MovingAverageActivation(Int(4), stochastic=True)
    y = quantizer(x)
    assert set(y[2:].tolist()) == {3.0, 4.0}
    assert y[2:].mean().item() == pytest.approx(3.3, abs=0.03)
    assert quantizer.eval()(x)[2:].unique().tolist() == [3.0]
