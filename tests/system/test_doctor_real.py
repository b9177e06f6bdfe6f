"""The doctor on MobileNetV1-0.75 with one scale for each weight, as in Krishnamoorthi 2018."""

from itertools import islice
from pathlib import Path

import torch

import intact
from examples.imagenet import calibration, load_network
from intact.diagnosis.causes import PerTensorWeight


def test_per_tensor_weights_are_named(data_dir: Path) -> None:
    network = load_network("mobilenet_v1_0.75", data_dir)
    samples = list(islice(calibration(data_dir, "mobilenet_v1_0.75", 2), 2))
    assert isinstance(network, torch.nn.Module)
    made = intact.quantize(network, samples, recipe="W8A8-per-tensor")
    found = intact.diagnose(network, made, samples, most_samples=2)
    assert found.recipe_name == "W8A8-per-tensor"
    causes = [finding.cause for finding in found.findings]
    assert isinstance(causes[0], PerTensorWeight)
    per_tensor = [cause for cause in causes if isinstance(cause, PerTensorWeight)]
    assert len(per_tensor) > len(causes) / 2
    assert any(cause.depthwise for cause in per_tensor)
    assert found.expected_sqnr_db > found.sqnr_db + 5
