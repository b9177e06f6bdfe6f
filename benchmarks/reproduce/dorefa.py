"""DoReFa-Net on a small convolutional network: bits of weights, activations and gradients.

    python benchmarks/reproduce/dorefa.py [--only METHOD ...] [--seed N ...] [--smoke]

Zhou et al. 2016 measure networks of seven layers on SVHN: float is best, W1 A2 G4 as good as or
better than W1 A1 G4, gradients of 2 bits cost much and those of 4 bits little. Here four
convolutions and a linear layer learn 10,000 images of CIFAR-10 (JPEG) from scratch; a network that
is this narrow shows the order, which digits would be too easy for. As in the paper the bits are
those of the inner layers; the first one and the last one, float there, have 8 bits here.
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.training.experiment import Method, small_cifar
from benchmarks.training.loop import Training, adam
from benchmarks.training.networks import SmallNet
from benchmarks.training.script import missing, options, report
from intact import Int
from intact.qat import (
    DorefaActivation,
    DorefaGradient,
    DorefaWeight,
    MinMaxWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
)

IMAGES = 10_000


TRAINING = Training(epochs=10, optimizer=partial(adam, rate=2e-3))


def dorefa(weight: int, activation: int, gradient: int | None) -> Method:
    """Bits of the inner layers; gradients of None stay float."""
    eight = partial(MovingAverageActivation, format=Int(8))
    neurons = partial(DorefaActivation, format=Int(activation, signed=False))
    backward = None if gradient is None else partial(DorefaGradient, bits=gradient)
    return Method(
        name=f"DoReFa W{weight} A{activation} G{gradient or 32}",
        network=SmallNet,
        training=TRAINING,
        recipe=QatRecipe(
            rules=(
                QatRule(match="x", activation=eight),
                QatRule(match="conv1", weight=MinMaxWeight, activation=neurons),
                QatRule(match="linear", weight=MinMaxWeight, activation=eight),
                QatRule(
                    weight=partial(DorefaWeight, bits=weight), activation=neurons, gradient=backward
                ),
            )
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


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS)
    if missing(chosen, "cifar10"):
        return
    made = small_cifar(chosen.data, IMAGES, smoke=chosen.smoke)
    report(chosen, lambda name, seed: made.run(METHODS[name], seed), "dorefa.json")


if __name__ == "__main__":
    main()
