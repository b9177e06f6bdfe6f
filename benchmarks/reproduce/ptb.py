"""A language model of Penn Treebank: an LSTM of 200 units with weights and activations of few bits.

    python benchmarks/reproduce/ptb.py [--only METHOD ...] [--seed N ...] [--smoke]

Hubara et al. 2016 (QNN) report 97 perplexity float, 100 with W4A4 and 220 with W2A3 of an LSTM of
300 units. Here one of 200 reads windows of 35 words, each from a state of zeros; the quantized
networks go on from the float one for an epoch. The LSTM's weights have the weights' bits, and what
it reads, the hidden state too, has the activations' bits; the embedding, the last layer, the gates
and the cell's state have 8. Perplexity is that of the test text in the native engine.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
import intact
from benchmarks.training.datasets import Text, drawn_text, penn_treebank, windows
from benchmarks.training.experiment import Method, checkpoint_of
from benchmarks.training.integers import in_integers, perplexity, simulated
from benchmarks.training.loop import Batches, Trained, Training, adam, train
from benchmarks.training.results import Result, result
from benchmarks.training.script import missing, options, report
from intact import Int
from intact.qat import (
    LsqActivation,
    LsqWeight,
    MinMaxWeight,
    MovingAverageActivation,
    QatRecipe,
    QatRule,
    TrainableNetwork,
)

UNITS, STREAMS, LENGTH = 200, 20, 35
CURVE = 10  # windows of the validation text that score an epoch
NAME = "LSTM 200, Penn Treebank"


class LanguageModel(nn.Module):
    """Words (N, T) -> logits of the words that follow (N, T, words)."""

    def __init__(self, words: int, units: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, units)
        self.lstm = nn.LSTM(units, units, batch_first=True)
        self.decoder = nn.Linear(units, words)

    def forward(self, words: Tensor) -> Tensor:
        """The state is zero at first."""
        logits: Tensor = self.decoder(self.lstm(self.embedding(words))[0])
        return logits


def next_words(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The cross entropy of logits and words."""
    return cross_entropy(network(x).flatten(0, 1), y.flatten())


TRAINING = Training(
    epochs=4, optimizer=partial(adam, rate=3e-3), gradient_norm=5.0, objective=next_words
)


ENDS = [
    QatRule(
        match=name,
        weight=MinMaxWeight,
        activation=MovingAverageActivation,
        input=MovingAverageActivation,
    )
    for name in ("embedding", "decoder")
]


def few_bits(start: Method, weights: int, activations: int) -> Method:
    """LSQ, from the float network on."""
    weight = partial(LsqWeight, format=Int(weights, narrow=weights > 2))
    rule = QatRule(
        weight=weight,
        activation=MovingAverageActivation,
        input=partial(LsqActivation, format=Int(activations)),
    )
    return Method(
        name=f"W{weights}A{activations} LSQ",
        network=start.network,
        training=replace(
            TRAINING, epochs=1, optimizer=partial(adam, rate=5e-4, own={".step": 2e-5})
        ),
        recipe=QatRecipe(rules=(*ENDS, rule)),
        start=start,
    )


def methods(words: int, units: int) -> dict[str, Method]:
    """By their names."""
    start = Method(name="float", network=partial(LanguageModel, words, units), training=TRAINING)
    found = (start, few_bits(start, 4, 4), few_bits(start, 2, 3))
    return {method.name: method for method in found}


METHODS = methods(10_000, UNITS)


@dataclass(frozen=True)
class Reading:
    """A text that networks learn."""

    text: Text
    smoke: bool

    def run(self, method: Method, seed: int) -> Result:
        """Trains, or goes on with what an interrupted run has left, and executes the integers."""
        network, trained = self.trained(method, seed)
        batches = list(windows(self.text.test, STREAMS, LENGTH))
        quantized = isinstance(network, TrainableNetwork)
        integers = in_integers(network, batches, perplexity) if quantized else None
        score = perplexity(network, batches) if integers is None else integers.score
        settings = replace(method.training, seed=seed)
        return result(NAME, method.name, settings, trained, score, integers, "perplexity")

    def trained(self, method: Method, seed: int) -> tuple[nn.Module, Trained]:
        """The network as training leaves it."""
        torch.manual_seed(seed)
        network = method.network() if method.start is None else self.trained(method.start, seed)[0]
        if method.recipe is not None:
            example = self.text.train[: 2 * LENGTH].view(2, LENGTH)
            network = intact.prepare(network, method.recipe, example_input=example)
        settings = replace(method.training, seed=seed, **({"epochs": 1} if self.smoke else {}))
        print(f"{NAME}: {method.name}, seed {seed}", file=sys.stderr, flush=True)
        few = list(windows(self.text.valid, STREAMS, LENGTH))[:CURVE]
        return network, train(
            network,
            self._batches(),
            settings,
            lambda network: perplexity(simulated(network), few),
            checkpoint=None if self.smoke else checkpoint_of(network, NAME, method, seed),
        )

    def _batches(self) -> Batches:
        steps = (len(self.text.train) - 1) // STREAMS // LENGTH
        return Batches(steps, lambda _: windows(self.text.train, STREAMS, LENGTH))


def main() -> None:
    """Trains and prints the table."""
    chosen = options(__doc__, METHODS)
    if missing(chosen, "ptb"):
        return
    if chosen.smoke:
        text = drawn_text(1500)
        reading, known = Reading(text, smoke=True), methods(text.vocabulary, 8)
    else:
        reading, known = Reading(penn_treebank(chosen.data), smoke=False), METHODS
    report(chosen, lambda name, seed: reading.run(known[name], seed), "ptb.json")


if __name__ == "__main__":
    main()
