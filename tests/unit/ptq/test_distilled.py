"""Samples made of what BatchNorms remember."""

import pytest
import torch
from torch import Tensor, nn

import intact
from intact.capture.export import capture
from intact.errors import CalibrationError
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.numerics.qtensor import scalar_scale
from intact.passes.inference import for_inference
from intact.ptq import Distillation
from intact.ptq.distilled import Matching
from tests.unit.ptq.networks import tokens_and_heads


def trained() -> tuple[Graph[FloatOp], Tensor]:
    """A network whose BatchNorms have seen samples; and these."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8, momentum=None), nn.ReLU6()]
    layers += [nn.Conv2d(8, 8, 3, bias=False), nn.BatchNorm2d(8, momentum=None), nn.ReLU6()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    smooth = nn.functional.avg_pool2d(torch.rand(64, 3, 14, 14), 3, 1) * 6 - 3
    samples = (smooth + torch.tensor([1.0, -1, 0])[:, None, None]).clamp(-2, 2)
    with torch.no_grad():
        model.train()(samples)
    return capture(model.eval(), samples[:1]), samples


GRAPH, SAMPLES = trained()


def test_the_batch_comes_to_have_the_statistics_that_are_remembered() -> None:
    match = Matching(GRAPH)
    noise = torch.randn(16, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, real = match.distance([noise]).item(), match.distance([SAMPLES]).item()
        made = Distillation(samples=32, steps=60, input_range=(-2.0, 2.0))(GRAPH)
        found = [match.distance(batch).item() for batch in made]
    assert real < 1e-6
    assert max(found) < before / 50


def test_distance_by_hand() -> None:
    """Mean 1 and deviation 2 of what is read, 3 and 5 remembered: ((1-3)**2 + (2-5)**2) / 25."""
    norm = nn.BatchNorm2d(1, eps=0.0)
    norm.running_mean, norm.running_var = torch.tensor([3.0]), torch.tensor([25.0])
    x = torch.tensor([[[[-1.0, 3.0]]]])
    match = Matching(capture(norm.eval(), x))
    assert match.distance([x]).item() == pytest.approx(13 / 25)


def test_a_classifier_is_shown_a_class_in_each_sample() -> None:
    drawn = torch.tensor([0.0, 0.3, 0.6, 0.99])  # classes 0 to 3
    match = Matching(GRAPH)
    samples = SAMPLES[:4]
    with torch.no_grad():
        logits = torch.from_numpy(intact.compile(GRAPH)(samples.numpy()))
        entropy = nn.functional.cross_entropy(logits, torch.arange(4))
        expected = match.distance([samples]) + 0.5 * entropy
        torch.testing.assert_close(match.loss([samples], drawn, 0.5), expected)


def test_the_same_seed_gives_the_same_samples() -> None:
    first, second, other = (
        torch.cat([x for (x,) in Distillation(samples=3, steps=2, seed=seed)(GRAPH)])
        for seed in (5, 5, 6)
    )
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    assert not torch.equal(first, other)


def test_batches_are_even_and_within_the_range() -> None:
    batches = [x for (x,) in Distillation(samples=5, batch=4, steps=3, input_range=(0, 1))(GRAPH)]
    assert [len(x) for x in batches] == [2, 3]
    assert all(x.min() >= 0 and x.max() <= 1 and not x.requires_grad for x in batches)


def test_progress_is_told_of_every_step() -> None:
    told: list[tuple[int, int | None]] = []
    Distillation(samples=2, batch=1, steps=2)(
        GRAPH, lambda _, done, total=None: told.append((done, total))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_ranges_are_those_of_true_samples() -> None:
    made = intact.distilled_samples(GRAPH, count=32, seed=1, input_range=(-2.0, 2.0))
    distilled, real = (
        intact.quantize(GRAPH, samples, recipe="W8A8-per-tensor").model
        for samples in (made, [SAMPLES])
    )
    assert distilled is not None
    assert real is not None
    for name in ("input", "2", "5"):  # the input and what follows the BatchNorms
        expected = scalar_scale(real.activations[name])
        assert scalar_scale(distilled.activations[name]) == pytest.approx(expected, rel=0.25)


def test_an_input_that_no_batch_norm_reads_stays_noise() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.other = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return self.norm(x) + self.other(y)

    graph = capture(Two().eval(), (torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)))
    (first,) = Distillation(samples=2, steps=1)(graph)
    (later,) = Distillation(samples=2, steps=5)(graph)
    assert not torch.equal(first[0], later[0])
    torch.testing.assert_close(first[1], later[1], rtol=0, atol=0)


def test_a_network_without_batch_norm_has_nothing_to_remember() -> None:
    with pytest.raises(CalibrationError, match="no BatchNorm to distill samples from"):
        Distillation()(for_inference(GRAPH))


def test_only_real_numbers_can_be_distilled() -> None:
    graph = tokens_and_heads()
    with pytest.raises(CalibrationError, match="no BatchNorm"):
        Distillation()(graph)


@pytest.mark.parametrize("name", ["samples", "steps", "batch"])
def test_numbers_are_positive(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
        Distillation(**{name: 0})


def test_a_range_is_one() -> None:
    with pytest.raises(ValueError, match="range of the inputs"):
        Distillation(input_range=(1.0, 1.0))
