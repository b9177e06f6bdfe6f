"""Quantization-aware training with the Trainer of Hugging Face, and a teacher.

    pip install transformers accelerate
    python examples/train_transformers.py

The float network teaches its own copy of two bits. The data are made up, so that the example runs
in seconds anywhere.
"""

import argparse
import tempfile

import numpy as np
import torch
from torch import Tensor, nn
from transformers import EvalPrediction, Trainer, TrainingArguments

import intact
from intact.qat import Distilled, FrozenTeacher, SoftTargets, reestimate_batchnorm

CLASSES, LENGTH = 4, 32


class Network(nn.Module):
    """A small network over sequences of numbers; with labels it gives its loss, too."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(LENGTH, 64), nn.BatchNorm1d(64), nn.ReLU(),
            nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, CLASSES),
        )  # fmt: skip

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> tuple[Tensor, ...] | Tensor:
        """Logits, behind the loss where there are labels."""
        logits: Tensor = self.layers(inputs)
        if labels is None:
            return logits
        return nn.functional.cross_entropy(logits, labels), logits


def waves(count: int, seed: int) -> list[dict[str, Tensor]]:
    """Sine waves of four frequencies in noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    phase = torch.rand(count, 1, generator=generator) * 6.28
    time = torch.arange(LENGTH) * 0.3
    x = torch.sin(time * (labels[:, None] + 1) / 2 + phase)
    x += 0.3 * torch.randn(count, LENGTH, generator=generator)
    return [{"inputs": a, "labels": b} for a, b in zip(x, labels, strict=True)]


def accuracy(found: EvalPrediction) -> dict[str, float]:
    """The share of right answers."""
    return {"accuracy": float(np.mean(np.asarray(found.predictions).argmax(1) == found.label_ids))}


def train(model: nn.Module, rate: float, epochs: int, seed: int = 0) -> float:
    """Trains, and gives the accuracy on other data."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, num_train_epochs=epochs, learning_rate=rate, seed=seed, use_cpu=True,
            per_device_train_batch_size=64, per_device_eval_batch_size=256,
            save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True,
            label_names=["labels"],
        )  # fmt: skip
        trainer = Trainer(
            model, arguments, train_dataset=waves(2048, 1), eval_dataset=waves(512, 2),
            compute_metrics=accuracy,
        )  # fmt: skip
        trainer.train()
        return float(trainer.evaluate()["eval_accuracy"])


def main() -> None:
    """Trains in float, then with two bits and the float network as teacher."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    epochs = parser.parse_args().epochs
    torch.manual_seed(0)
    network = Network()
    print(f"float: {train(network, 0.01, epochs):.1%}")

    x = torch.stack([sample["inputs"] for sample in waves(256, 1)])
    student = intact.prepare(network.layers, "W2A2-lsq", example_input=x[:2])
    pair = Distilled(student, FrozenTeacher(network.layers), SoftTargets(temperature=2.0))
    print(f"W2A2, taught: {train(pair, 0.005, epochs):.1%}")

    reestimate_batchnorm(student, x.split(64))
    engine = intact.compile(intact.convert(student.eval()))
    samples = waves(512, 2)
    answers = engine(torch.stack([sample["inputs"] for sample in samples])).argmax(1)
    right = [int(a) == int(sample["labels"]) for a, sample in zip(answers, samples, strict=True)]
    print(f"integers, BatchNorms estimated again: {np.mean(right):.1%}")


if __name__ == "__main__":
    main()
