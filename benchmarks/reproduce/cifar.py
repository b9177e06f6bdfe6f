"""ResNet-20 on CIFAR-10 (JPEG), trained with 8 bits, and with 4, 2 and 1 by LSQ, PACT and DoReFa.

    python benchmarks/reproduce/cifar.py [--only METHOD ...] [--seed N ...] [--smoke]

All methods go on from one float network, fine-tuned on the same images (benchmarks/cifar.py): for
four epochs, which float has, too, for comparison, with 2 bits for eight and with binary weights for
ten. The latter two are trained by Adam, which in so few epochs comes much further than SGD; one of
2 bits has the float network as its teacher (Polino et al. 2018). The first and the last layer have
8 bits, and so have sums of the residual stream. What counts are the integers in the native engine.
On the lossless images LSQ's authors and others report 91 to 92 % of such networks in float, and
losses of about 0, 0.3 and 2 points with 8, 4 and 2 bits.
"""

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks import cifar
from benchmarks.training.datasets import cifar10, splits
from benchmarks.training.experiment import Experiment, Method, taught
from benchmarks.training.loop import Training, adam, classify, sgd
from benchmarks.training.results import Result
from benchmarks.training.script import Options, missing, options, report
from intact.qat import FrozenTeacher, SoftTargets, penalty
from tests.architectures.cifar_resnet import CifarResNet


def regularized(network: nn.Module, x: Tensor, y: Tensor, *, times: float) -> Tensor:
    """Cross entropy, and PACT's regularization of its clips so many times."""
    return classify(network, x, y) + times * penalty(network)


# The paper's 2e-4 pulls clips down in 200 epochs; in a few it must be more.
PULLED = partial(regularized, times=10.0)
TWO_BITS = Training(epochs=8, optimizer=partial(adam, rate=3e-3))
# Two bits want clips that are a few times smaller than the largest number, where they begin.
CLIPPED = replace(
    TWO_BITS, objective=PULLED, optimizer=partial(adam, rate=3e-3, own={".alpha": 3e-2})
)
BINARY = replace(TWO_BITS, epochs=10)


def _many(rate: float) -> Training:
    return Training(epochs=4, optimizer=partial(sgd, rate=rate, decay=1e-4))


def _method(recipe: str, training: Training) -> Method:
    return Method(name=recipe, network=CifarResNet, training=training, recipe=recipe)


FLOAT = Method(name="float", network=CifarResNet, training=_many(0.01))
DISTILLED = Method(
    name="W2A2-lsq, distilled", network=CifarResNet, training=TWO_BITS, recipe="W2A2-lsq"
)
METHODS = {
    method.name: method
    for method in (
        FLOAT,
        _method("W8A8", _many(0.005)),
        _method("W4A4-lsq", _many(0.01)),
        _method("W4A4-pact", replace(_many(0.01), objective=PULLED)),
        _method("W4A4-dorefa", _many(0.01)),
        _method("W2A2-lsq", TWO_BITS),
        DISTILLED,
        _method("W2A2-pact", CLIPPED),
        _method("W2A2-dorefa", TWO_BITS),
        _method("W1A2-dorefa", BINARY),
    )
}


def experiment(chosen: Options) -> Experiment:
    """CIFAR-10 (JPEG), or a few drawn images."""
    read = partial(cifar10, chosen.data)
    train, test = splits(read, (3, 32, 32), (64, 32), smoke=chosen.smoke)
    return Experiment(
        name="ResNet-20, CIFAR-10 (JPEG)", train=train, test=test,
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
        method = replace(METHODS[name], network=fine_tuned)
        if METHODS[name] is DISTILLED:
            teacher = FrozenTeacher(made.trained(replace(FLOAT, network=fine_tuned), seed)[0])
            objective = taught(teacher, SoftTargets())
            method = replace(method, training=replace(TWO_BITS, objective=objective))
        return made.run(method, seed)

    report(chosen, run, "cifar.json")


if __name__ == "__main__":
    main()
