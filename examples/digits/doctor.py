"""The digits network with a dead channel, for `intact doctor`.

    cd examples/digits
    intact quantize doctor.py:network --recipe doctor.py:recipe \
        --calibration doctor.py:calibration -o dead.intact
    intact doctor doctor.py:network dead.intact --recipe doctor.py:recipe \
        --data doctor.py:pictures --fix -o cured.intact

One channel of a depthwise layer is always 0, as it happens in training. Its BatchNorm divides by a
variance of 0, so that folding makes its weights hundreds of times as large: harmless in float, but
not where all channels share a scale. The recipes of intact repair such channels; `recipe` does not.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # to find examples.digits

import torch
from safetensors.torch import load_file
from torch import Tensor

import intact
from examples.digits.data import load_calibration, load_test
from examples.digits.network import DigitsNet
from examples.digits.train import WEIGHTS

_CHANNEL = 7


def network() -> tuple[DigitsNet, Tensor]:
    """The trained network, in which block 1 gives block 2 nothing on one channel."""
    found = DigitsNet()
    found.load_state_dict(load_file(WEIGHTS))
    with torch.no_grad():
        for parameter in (found.block1.pointwise_bn.weight, found.block1.pointwise_bn.bias):
            parameter[_CHANNEL] = 0
        found.block2.depthwise.weight[_CHANNEL] *= 4
        found.block2.depthwise_bn.running_mean[_CHANNEL] = 0
        found.block2.depthwise_bn.running_var[_CHANNEL] = 0
    return found.eval(), torch.zeros(1, 1, 8, 8)


def recipe() -> intact.Recipe:
    """One scale for each weight, and nothing else."""
    weight = intact.Nearest(intact.Int(8, narrow=True), intact.PerTensor())
    return intact.Recipe(
        rules=(intact.PtqRule(weight=weight, activation=intact.MinMax(intact.Int(8))),)
    )


def calibration() -> list[Tensor]:
    """Pictures without labels."""
    return list(load_calibration().split(64))


def pictures() -> list[tuple[Tensor, Tensor]]:
    """Labelled pictures that training has not seen."""
    test = load_test()
    return list(zip(test.images.split(64), test.labels.split(64), strict=True))
