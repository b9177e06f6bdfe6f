"""DoReFa-Net on a small convolutional network: bits of weights, activations and gradients.

    python benchmarks/reproduce/dorefa.py [--only METHOD ...] [--seed N ...] [--smoke]

Zhou et al. 2016 measure networks of seven layers on SVHN: float is best, W1 A2 G4 as good as or
better than W1 A1 G4, gradients of 2 bits cost much and those of 4 bits little. Here four
convolutions and a linear layer learn 20,000 images of CIFAR-10 (JPEG) from scratch; a network that
is this narrow shows the order, which digits would be too easy for. As in the paper the bits are
those of the inner layers; the first one and the last one, float there, have 8 bits here.
"""

import sys
from functools import partial
from pathlib import Path

from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.training.datasets import cifar10, drawn
from benchmarks.training.experiment import Experiment, Method, ruled
from benchmarks.training.loop import Training, adam
from benchmarks.training.script import Options, missing, options, report
from intact import Int
from intact.qat import (
    DorefaActivation,
    DorefaGradient,
    DorefaWeight,
    MinMaxWeight,
    MovingAverageActivation,
    QatRule,
)

IMAGES = 20_000


class SmallNet(nn.Module):
    """Four 3x3 convolutions, of 16 to 64 channels, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = _block(3, 16)
        self.conv2, self.bn2 = _block(16, 32)
        self.conv3, self.bn3 = _block(32, 64)
        self.conv4, self.bn4 = _block(64, 64)
        self.linear = nn.Linear(64 * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> logits (N, 10)."""
        pool = nn.functional.max_pool2d
        x = pool(self.bn1(self.conv1(x)).relu(), 2)
        x = pool(self.bn2(self.conv2(x)).relu(), 2)
        x = self.bn3(self.conv3(x)).relu()
        x = pool(self.bn4(self.conv4(x)).relu(), 2)
        return self.linear(x.flatten(1))


def _block(channels: int, new: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(channels, new, 3, padding=1, bias=False), nn.BatchNorm2d(new)


TRAINING = Training(epochs=12, optimizer=partial(adam, rate=2e-3))


def dorefa(weight: int, activation: int, gradient: int | None) -> Method:
    """Bits of the inner layers; gradients of None stay float."""
    eight = partial(MovingAverageActivation, format=Int(8))
    neurons = partial(DorefaActivation, format=Int(activation, signed=False))
    backward = None if gradient is None else partial(DorefaGradient, bits=gradient)
    return Method(
        name=f"DoReFa W{weight} A{activation} G{gradient or 32}",
        network=SmallNet,
        training=TRAINING,
        prepare=ruled(
            QatRule(match="x", activation=eight),
            QatRule(match="conv1", weight=MinMaxWeight, activation=neurons),
            QatRule(match="linear", weight=MinMaxWeight, activation=eight),
            QatRule(
                weight=partial(DorefaWeight, bits=weight), activation=neurons, gradient=backward
            ),
        ),
    )


BITS = ((1, 2, None), (1, 2, 4), (1, 1, 4), (1, 2, 2))
METHODS = {
    method.name: method
    for method in (
        Method(name="float", network=SmallNet, training=TRAINING),
        *(dorefa(*bits) for bits in BITS),
    )
}


def experiment(chosen: Options) -> Experiment:
    """CIFAR-10's images, or a few drawn ones."""
    if chosen.smoke:
        train, test = (drawn((3, 32, 32), count, seed) for seed, count in enumerate((200, 50)))
    else:
        train, test = (cifar10(chosen.data, split) for split in ("train", "test"))
    return Experiment(
        name="4 convolutions, CIFAR-10 (JPEG)", train=train.first(IMAGES), test=test, batch=100,
        smoke=chosen.smoke,
    )  # fmt: skip


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS)
    if missing(chosen, "cifar10"):
        return
    made = experiment(chosen)
    report(chosen, lambda name, seed: made.run(METHODS[name], seed), "dorefa.json")


if __name__ == "__main__":
    main()
