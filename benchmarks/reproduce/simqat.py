"""LeNet on MNIST with fake quantization (SimQAT): 8 bits, ranges by moving averages.

    python benchmarks/reproduce/simqat.py [--only METHOD ...] [--seed N ...] [--smoke]

The float network is trained first; the quantized one goes on from it, and another one is quantized
from the start. What counts are the integers in the native engine. Golden Stick reports 98.82 %
float and 98.94 % quantized of a LeNet that is trained for 10 epochs.
"""

import sys
from functools import partial
from pathlib import Path

from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks.training.experiment import Method, digits
from benchmarks.training.loop import Training, adam
from benchmarks.training.script import missing, options, report
from intact import Int
from intact.qat import MinMaxWeight, MovingAverageActivation, QatRecipe, QatRule


class LeNet(nn.Module):
    """LeNet-5 with ReLU and maxima (Golden Stick's): 5x5 convolutions of 6 and 16 channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> logits (N, 10)."""
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2)
        return self.fc3(self.fc2(self.fc1(x.flatten(1)).relu()).relu())


RULE = QatRule(
    weight=partial(MinMaxWeight, format=Int(8, narrow=True)),
    activation=partial(MovingAverageActivation, format=Int(8)),
)
TRAINING = Training(epochs=10, optimizer=partial(adam, rate=1e-3))
FLOAT = Method(name="float", network=LeNet, training=TRAINING)
FINE_TUNED = Method(
    name="SimQAT W8A8, fine-tuned",
    network=LeNet,
    training=Training(epochs=3, optimizer=partial(adam, rate=1e-4)),
    recipe=QatRecipe(rules=(RULE,)),
    start=FLOAT,
)
SCRATCH = Method(
    name="SimQAT W8A8, from scratch",
    network=LeNet,
    training=TRAINING,
    recipe=QatRecipe(rules=(RULE,)),
)
METHODS = {method.name: method for method in (FLOAT, FINE_TUNED, SCRATCH)}


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS)
    if missing(chosen, "mnist"):
        return
    made = digits("LeNet", chosen.data, batch=32, smoke=chosen.smoke)
    report(chosen, lambda name, seed: made.run(METHODS[name], seed), "simqat.json")


if __name__ == "__main__":
    main()
