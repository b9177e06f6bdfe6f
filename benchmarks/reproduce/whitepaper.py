"""The whitepaper's findings about training: rounding, BatchNorm, and where training begins.

    python benchmarks/reproduce/whitepaper.py [--only METHOD ...] [--seed N ...] [--smoke]

Krishnamoorthi 2018 finds that rounding to the nearest trains as well as stochastic rounding or
better, that BatchNorm folded with correction and then frozen is better than naive folding, whose
weights jitter with each batch's statistics, and that a float network trained on is better than one
quantized from the start. Here all of it with weights and activations of 4 bits, on a small network
and 10,000 images, with 3 seeds. The images are shifted and mirrored: as they are they would be
learned by heart, where any noise helps. Ten epochs float and three quantized stand against thirteen
quantized.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.training.experiment import Method, small_cifar
from benchmarks.training.loop import Training, adam
from benchmarks.training.networks import SmallNet
from benchmarks.training.script import missing, options, report
from intact import Int
from intact.qat import (
    BatchNormTraining,
    Fold,
    MinMaxWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
)

IMAGES = 10_000
FLOAT = Method(
    name="float",
    network=SmallNet,
    training=Training(epochs=10, optimizer=partial(adam, rate=2e-3)),
)
FINE_TUNING = Training(epochs=3, optimizer=partial(adam, rate=5e-4))
FROM_SCRATCH = replace(FLOAT.training, epochs=FLOAT.training.epochs + FINE_TUNING.epochs)
UNFOLDED = BatchNormTraining()
CORRECTED = BatchNormTraining(fold=Fold.TWO_CONV, freeze_after=2 * IMAGES // 100)
NAIVE = BatchNormTraining(fold=Fold.BATCH)


def method(
    name: str,
    batchnorm: BatchNormTraining = UNFOLDED,
    *,
    stochastic: bool = False,
    scratch: bool = False,
) -> Method:
    """4 bits; the input and the output have 8."""
    eight = partial(MovingAverageActivation, format=Int(8))
    neurons = partial(MovingAverageActivation, format=Int(4), stochastic=stochastic)
    weight = partial(MinMaxWeight, format=Int(4, narrow=True), stochastic=stochastic)
    return Method(
        name=f"W4A4, {name}",
        network=SmallNet,
        training=FROM_SCRATCH if scratch else FINE_TUNING,
        recipe=QatRecipe(
            rules=(
                QatRule(match="x", activation=eight),
                QatRule(match="linear", weight=weight, activation=eight),
                QatRule(weight=weight, activation=neurons),
            ),
            batchnorm=batchnorm,
        ),
        start=None if scratch else FLOAT,
    )


METHODS = {
    each.name: each
    for each in (
        FLOAT,
        method("fine-tuned"),
        method("stochastic rounding", stochastic=True),
        method("folding with correction, frozen", CORRECTED),
        method("naive folding", NAIVE),
        method("from scratch", scratch=True),
    )
}


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS, seeds=(0, 1, 2))
    if missing(chosen, "cifar10"):
        return
    made = small_cifar(chosen.data, IMAGES, smoke=chosen.smoke, crop=True)
    report(chosen, lambda name, seed: made.run(METHODS[name], seed), "whitepaper.json")


if __name__ == "__main__":
    main()
