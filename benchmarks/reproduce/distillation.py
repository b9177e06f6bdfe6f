"""Distillation: a student of 2-bit weights with and without a wider float teacher.

    python benchmarks/reproduce/distillation.py [--only METHOD ...] [--seed N ...] [--smoke]

The teacher has twice the student's channels and its training images are shifted and
mirrored. Students begin with their float weights (Apprentice's scheme C) and are trained alike, on
the labels alone or with Hinton's loss of Polino et al. 2018, temperature 2 and share 0.7, or with
Apprentice's; with 3 seeds.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.training.experiment import Experiment, Method, small_cifar, taught
from benchmarks.training.loop import Training, adam
from benchmarks.training.networks import SmallNet
from benchmarks.training.results import Result
from benchmarks.training.script import missing, options, report
from intact import Int
from intact.qat import (
    Apprentice,
    DistillationLoss,
    FrozenTeacher,
    LsqActivation,
    LsqWeight,
    QatRecipe,
    QatRule,
    SoftTargets,
)

IMAGES = 10_000
FLOAT_TRAINING = Training(epochs=10, optimizer=partial(adam, rate=2e-3))
FLOAT = Method(name="float", network=SmallNet, training=FLOAT_TRAINING)
TEACHER = Method(
    name="float teacher",
    network=partial(SmallNet, 32),
    training=replace(FLOAT_TRAINING, epochs=15),
)
EIGHT = partial(LsqActivation, format=Int(8))
PLAIN = Method(
    name="W2A4 LSQ, labels alone",
    network=SmallNet,
    training=Training(epochs=5, optimizer=partial(adam, rate=1e-3)),
    recipe=QatRecipe(
        rules=(
            QatRule(match="x", activation=EIGHT),
            QatRule(
                match="conv1",
                weight=partial(LsqWeight, format=Int(8, narrow=True)),
                activation=partial(LsqActivation, format=Int(4)),
            ),
            QatRule(
                match="linear",
                weight=partial(LsqWeight, format=Int(8, narrow=True)),
                activation=EIGHT,
            ),
            QatRule(
                weight=partial(LsqWeight, format=Int(2, narrow=True)),
                activation=partial(LsqActivation, format=Int(4)),
            ),
        )
    ),
    start=FLOAT,
)
LOSSES: dict[str, DistillationLoss] = {
    "W2A4 LSQ, distilled": SoftTargets(),
    "W2A4 LSQ, Apprentice": Apprentice(),
}
TAUGHT = [replace(PLAIN, name=name) for name in LOSSES]
METHODS = {method.name: method for method in (TEACHER, FLOAT, PLAIN, *TAUGHT)}


def run(made: Experiment, name: str, seed: int) -> Result:
    """A training; the teacher is the same for all seeds."""
    method = METHODS[name]
    augmented = replace(made, crop=True)
    if method is TEACHER:
        return augmented.run(method, 0)
    if name not in LOSSES:
        return made.run(method, seed)
    teacher = FrozenTeacher(augmented.trained(TEACHER, 0)[0])
    training = replace(method.training, objective=taught(teacher, LOSSES[name]))
    return made.run(replace(method, training=training), seed)


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS, seeds=(0, 1, 2))
    if missing(chosen, "cifar10"):
        return
    made = small_cifar(chosen.data, IMAGES, smoke=chosen.smoke)
    report(chosen, lambda name, seed: run(made, name, seed), "distillation.json")


if __name__ == "__main__":
    main()
