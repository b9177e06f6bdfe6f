"""Each cause, planted into a network of one or two layers."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import intact
from intact.diagnosis.causes import (
    CalibrationTooNarrow,
    Cause,
    FewBits,
    FixedTail,
    FoldBlowUp,
    OutlierChannel,
    PerTensorWeight,
    RangeClipped,
    RangeTooWide,
    UnevenInputs,
)
from intact.diagnosis.findings import cures_of
from intact.recipes import RECIPES

W8A8, PER_TENSOR = "W8A8", "W8A8-per-tensor"


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


WEIGHT_OF_0 = [  # one scale; all else stays float
    intact.PtqRule(match="0", weight=RECIPES[PER_TENSOR].rules[0].weight),
    intact.PtqRule(),
]
IMAGES = normal(32, 8, 6, 6)


def first_cause(
    network: nn.Module,
    recipe: str | Sequence[intact.PtqRule] = W8A8,
    samples: Tensor = IMAGES,
    calibration: Tensor | None = None,
) -> Cause:
    seen = samples if calibration is None else calibration
    made = intact.quantize(network.eval(), [seen], recipe=recipe)
    return intact.diagnose(network, made, [samples], recipe=recipe).findings[0].cause


def conv(inputs: int = 8, outputs: int = 8, groups: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups)


def test_a_weight_with_channels_of_all_sizes_has_one_scale() -> None:
    layer = conv(groups=8)
    with torch.no_grad():
        layer.weight *= 10 ** torch.linspace(-2, 0, 8)[:, None, None, None]
        layer.bias.zero_()
    # The small channels count as much as the large ones for who reads them.
    reader = nn.Conv2d(8, 4, 1)
    with torch.no_grad():
        reader.weight /= layer.weight.abs().amax(dim=(1, 2, 3))[None, :, None, None]
    cause = first_cause(nn.Sequential(layer, reader), WEIGHT_OF_0)
    assert isinstance(cause, PerTensorWeight)
    assert cause.depthwise
    assert cause.channels == 8
    assert cause.starved >= 3


def test_one_input_channel_outweighs_the_others() -> None:
    layer, samples = conv(), IMAGES.clone()
    with torch.no_grad():
        layer.weight[:, 3] *= 1000
    samples[:, 3] /= 1000
    rule = intact.PtqRule(match="input", activation=intact.MinMax(intact.Int(16), symmetric=True))
    cause = first_cause(layer, [rule, *RECIPES[W8A8].rules], samples)
    assert isinstance(cause, UnevenInputs)
    assert cause.channel == 3


def test_batchnorm_multiplies_one_channel() -> None:
    layer, norm, reader = conv(), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)
    with torch.no_grad():
        norm.weight[5] = 2000
        reader.weight[:, 5] /= 2000
    cause = first_cause(nn.Sequential(layer, norm, reader), WEIGHT_OF_0)
    assert isinstance(cause, FoldBlowUp)
    assert cause.channel == 5
    assert cause.factor / cause.median_factor == pytest.approx(2000, rel=0.01)


def test_one_channel_of_the_output_is_far_larger() -> None:
    layer, reader = conv(), nn.Conv2d(8, 4, 1)
    with torch.no_grad():
        layer.weight[2] *= 1000
        reader.weight[:, 2] /= 1000
    rules = [intact.PtqRule(match="1"), *RECIPES[W8A8].rules]
    cause = first_cause(nn.Sequential(layer, reader), rules)
    assert isinstance(cause, OutlierChannel)
    assert cause.channel == 2


def test_a_percentile_cuts_off_what_counts() -> None:
    rule = intact.PtqRule(
        match="0",
        weight=RECIPES[W8A8].rules[0].weight,
        activation=intact.Percentile(intact.Int(8), q=70),
    )
    cause = first_cause(nn.Sequential(conv(), nn.Sigmoid()), [rule, *RECIPES[W8A8].rules])
    assert isinstance(cause, RangeClipped)
    assert cause.high < cause.seen_high
    assert 0.3 < cause.share < 0.7


@pytest.mark.parametrize(("factor", "samples"), [(0.05, 32), (0.05, 1), (0.0, 32)])
def test_calibration_saw_smaller_numbers_or_none(factor: float, samples: int) -> None:
    cause = first_cause(conv(), calibration=IMAGES[:samples] * factor)
    assert isinstance(cause, CalibrationTooNarrow)
    assert cause.samples == samples
    assert cause.high <= 0.06 * cause.seen_high
    assert cures_of(cause)[0] is None


def test_calibration_saw_far_larger_numbers() -> None:
    layer = conv()
    with torch.no_grad():
        layer.bias.zero_()
    cause = first_cause(layer, PER_TENSOR, samples=IMAGES / 1000, calibration=IMAGES)
    assert isinstance(cause, RangeTooWide)


def test_few_bits_are_called_so() -> None:
    few = intact.Nearest(intact.Int(2, narrow=True))
    cause = first_cause(conv(), [intact.PtqRule(weight=few)])
    assert isinstance(cause, FewBits)
    assert cause.bits == 2


def test_a_softmax_over_many_classes_loses_its_tail() -> None:
    class Many(nn.Module):
        """The logarithm of a tail counts."""

        def forward(self, x: Tensor) -> Tensor:
            return torch.softmax(x, dim=-1)

    cause = first_cause(Many(), samples=normal(16, 1000))
    assert isinstance(cause, FixedTail)
    assert cause.mass > 0.5
