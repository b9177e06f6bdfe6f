"""SLB: a network whose weights are searched for among 2, 4 or 16 levels.

    python benchmarks/reproduce/slb.py [--only METHOD ...] [--seed N ...] [--smoke]

Yang et al. 2020 as Golden Stick has it: the temperature rises from a fifth of the epochs on, and
after three fifths each weight is the level of its largest logit. There a ResNet-18 on CIFAR-10 has
94.25 % float and 95.18, 95.12 and 95.23 % with 4, 2 and 1 bits. Here a small network learns 10,000
images from scratch; its first convolution, and its linear layer as there, have 8 bits, and so have
the activations. Golden Stick's factor of the temperature, 1.2, is that of 100 epochs; here it is
1.2**(100 / epochs), so that the temperature rises as far.
"""

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.training.experiment import Method, small_cifar
from benchmarks.training.loop import Training, adam
from benchmarks.training.networks import SmallNet
from benchmarks.training.script import missing, options, report
from intact.qat import (
    MinMaxWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
    SlbSchedule,
    SlbWeight,
    set_epoch,
)

IMAGES = 10_000
EPOCHS = 15


def slb(bits: int, epochs: int) -> Method:
    """Weights of so many bits."""
    schedule = SlbSchedule(epoch_size=epochs, t_factor=1.2 ** (100 / epochs))
    weight = partial(SlbWeight, bits=bits, schedule=schedule)
    return Method(
        name=f"SLB W{bits} A8",
        network=SmallNet,
        training=Training(
            epochs=epochs,
            optimizer=partial(adam, rate=2e-3, own={".logits": 2e-2}),
            before_epoch=set_epoch,
        ),
        recipe=QatRecipe(
            rules=(
                QatRule(match="x", activation=MovingAverageActivation),
                QatRule(match="conv[234]", weight=weight, activation=MovingAverageActivation),
                QatRule(weight=MinMaxWeight, activation=MovingAverageActivation),
            )
        ),
    )


def methods(epochs: int) -> dict[str, Method]:
    """All methods by name."""
    trained = Training(epochs=epochs, optimizer=partial(adam, rate=2e-3))
    plain = Method(name="float", network=SmallNet, training=trained)
    return {method.name: method for method in (plain, *(slb(bits, epochs) for bits in (4, 2, 1)))}


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, methods(EPOCHS))
    if missing(chosen, "cifar10"):
        return
    made = small_cifar(chosen.data, IMAGES, smoke=chosen.smoke)
    found = methods(1 if chosen.smoke else EPOCHS)  # a search is converted when it has ended
    report(chosen, lambda name, seed: made.run(found[name], seed), "slb.json")


if __name__ == "__main__":
    main()
