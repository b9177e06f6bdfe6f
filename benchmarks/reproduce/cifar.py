"""ResNet-20 on CIFAR-10 (JPEG), trained with few bits: 8, 4 and 2 by LSQ, 1 and 2 by DoReFa.

    python benchmarks/reproduce/cifar.py [--only METHOD ...] [--seed N ...] [--smoke]

All methods go on from one float network, fine-tuned on the same images (benchmarks/cifar.py), for
the same number of epochs; so does a float one, for comparison. The first and the last layer have 8
bits, and so have sums of the residual stream. What counts are the integers in the native engine.
On the lossless images LSQ's authors and others report 91 to 92 % of such networks in float, and
losses of about 0, 0.3 and 2 points with 8, 4 and 2 bits.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks import cifar
from benchmarks.training.datasets import cifar10, drawn
from benchmarks.training.experiment import Experiment, Method
from benchmarks.training.loop import Training
from benchmarks.training.results import Result
from benchmarks.training.script import Options, missing, options, report
from tests.architectures.cifar_resnet import CifarResNet


def _sgd(network: nn.Module, rate: float, decay: float) -> torch.optim.Optimizer:
    """Weight decay for kernels and matrices alone."""
    weights, others = [], []
    for name, parameter in network.named_parameters():
        is_weight = parameter.ndim > 1 and "quantizer" not in name
        (weights if is_weight else others).append(parameter)
    groups = [{"params": weights, "weight_decay": decay}, {"params": others}]
    return torch.optim.SGD(groups, rate, momentum=0.9, nesterov=True)


def _training(rate: float, decay: float = 1e-4) -> Training:
    return Training(epochs=6, optimizer=partial(_sgd, rate=rate, decay=decay))


def _method(name: str, rate: float, decay: float = 1e-4) -> Method:
    return Method(name=name, network=CifarResNet, training=_training(rate, decay), recipe=name)


METHODS = {
    method.name: method
    for method in (
        Method(name="float", network=CifarResNet, training=_training(0.01)),
        _method("W8A8", 0.005),
        _method("W4A4-lsq", 0.01),
        _method("W4A4-pact", 0.01),
        _method("W4A4-dorefa", 0.01),
        _method("W2A2-lsq", 0.02, decay=2.5e-5),
        _method("W2A2-pact", 0.02, decay=2.5e-5),
        _method("W2A2-dorefa", 0.02, decay=2.5e-5),
        _method("W1A2-dorefa", 0.02, decay=0.0),
    )
}


def experiment(chosen: Options) -> Experiment:
    """CIFAR-10 (JPEG), or a few drawn images."""
    if chosen.smoke:
        images = [drawn((3, 32, 32), count, seed) for seed, count in enumerate((64, 32))]
    else:
        images = [cifar10(chosen.data, split) for split in ("train", "test")]
    return Experiment(
        name="ResNet-20, CIFAR-10 (JPEG)", train=images[0], test=images[1],
        batch=32 if chosen.smoke else 128, crop=True, smoke=chosen.smoke,
    )  # fmt: skip


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS)
    if missing(chosen, "cifar10"):
        return
    made = experiment(chosen)

    def fine_tuned() -> nn.Module:
        return CifarResNet() if chosen.smoke else cifar.fine_tuned(chosen.data)

    def run(name: str, seed: int) -> Result:
        return made.run(replace(METHODS[name], network=fine_tuned), seed)

    report(chosen, run, "cifar.json")


if __name__ == "__main__":
    main()
