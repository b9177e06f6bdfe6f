"""Binary weights and neurons on MNIST: the BNN of three hidden layers.

    python benchmarks/reproduce/bnn.py [--only METHOD ...] [--seed N ...] [--smoke]

Courbariaux, Hubara et al. 2016: no convolutions, no scales, each layer followed by a BatchNorm,
square hinge loss, weights clipped to [-1, 1], learning rates by Glorot's factor that fall
exponentially, dropout. The paper has 4096 neurons a layer, 1000 epochs and half of the neurons
dropped (0.96 % error with Theano), this 1024, 20 and a fifth. The images come with 8 bits. What
counts are the integers in the native engine.
"""

import sys
from functools import partial
from pathlib import Path

from torch import Tensor, nn
from torch.nn.functional import one_hot
from torch.optim import Adam, Optimizer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.training.experiment import Method, digits
from benchmarks.training.loop import Exponential, Training, adam
from benchmarks.training.script import missing, options, report
from intact import Int
from intact.qat import (
    BinaryWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
    SignActivation,
    TrainableNetwork,
    binary_groups,
    clip_after_steps,
)

HIDDEN = (1024, 1024, 1024)
DROPPED = 0.2  # of the pixels and of each hidden layer's neurons


def perceptron(activation: type[nn.Module]) -> nn.Module:
    """Three hidden layers, each with a BatchNorm behind it, the last one, too."""
    layers: list[nn.Module] = [nn.Flatten(), nn.Dropout(DROPPED)]
    before = 784
    for neurons in HIDDEN:
        linear = nn.Linear(before, neurons, bias=False)
        norm = nn.BatchNorm1d(neurons, eps=1e-4)
        layers += [linear, norm, activation(), nn.Dropout(DROPPED)]
        before = neurons
    return nn.Sequential(*layers, nn.Linear(before, 10, bias=False), nn.BatchNorm1d(10, eps=1e-4))


def square_hinge(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Of targets -1 and +1."""
    targets = 2 * one_hot(y, 10) - 1
    return (1 - targets * network(x)).relu().square().mean()


def binary_adam(network: nn.Module, *, rate: float) -> Optimizer:
    """Adam that clips binary weights, with their own rates."""
    assert isinstance(network, TrainableNetwork)
    optimizer = Adam(binary_groups(network, lr=rate), lr=rate)
    clip_after_steps(network, optimizer)
    return optimizer


FLOAT = Method(
    name="float",
    network=partial(perceptron, nn.ReLU),
    training=Training(epochs=5, optimizer=partial(adam, rate=1e-3), objective=square_hinge),
)
CODES = partial(MovingAverageActivation, format=Int(8))
BNN = Method(
    name="BNN W1A1",
    network=partial(perceptron, nn.Identity),  # the quantizers are the activations
    training=Training(
        epochs=20,
        optimizer=partial(binary_adam, rate=3e-3),
        schedule=Exponential(1e-3),
        objective=square_hinge,
    ),
    recipe=QatRecipe(
        rules=(
            QatRule(match="input", activation=CODES),
            QatRule(match="14", weight=BinaryWeight, activation=CODES),
            QatRule(weight=BinaryWeight, activation=SignActivation),
        )
    ),
)
METHODS = {method.name: method for method in (FLOAT, BNN)}


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS)
    if missing(chosen, "mnist"):
        return
    made = digits("perceptron 3 x 1024", chosen.data, batch=100, smoke=chosen.smoke)
    report(chosen, lambda name, seed: made.run(METHODS[name], seed), "bnn.json")


if __name__ == "__main__":
    main()
