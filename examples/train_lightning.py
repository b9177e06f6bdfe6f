"""Quantization-aware training with Lightning: a float network, then its integers.

    pip install lightning
    python examples/train_lightning.py

The data are made up, so that the example runs in seconds anywhere.
"""

import argparse
from functools import partial

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import intact
from intact.qat import TrainableNetwork, check_setup, reestimate_batchnorm


def network() -> nn.Module:
    """A small convolutional network."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4),
    )  # fmt: skip


def pictures(count: int, seed: int) -> TensorDataset:
    """Bars, horizontal or vertical, bright or dark, in noise; four classes."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (count,), generator=generator)
    x = torch.randn(count, 1, 12, 12, generator=generator) * 0.5
    for picture, label in zip(x, labels.tolist(), strict=True):
        at = int(torch.randint(10, (1,), generator=generator))
        bar = picture[0, at : at + 2] if label % 2 else picture[0, :, at : at + 2]
        bar += 2.0 if label < 2 else -2.0
    return TensorDataset(x, labels)


class Training(lightning.LightningModule):
    """Any network with a loss: the quantized one needs nothing else."""

    def __init__(self, model: nn.Module, rate: float) -> None:
        super().__init__()
        self.model, self.rate = model, rate

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of a batch."""
        x, labels = batch
        return nn.functional.cross_entropy(self.model(x), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor]) -> None:
        """The share of right answers; of a quantized network, those of its integers."""
        x, labels = batch
        right = (self.model(x).argmax(1) == labels).float().mean()
        self.log("accuracy", right, batch_size=len(x))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam on all parameters, the quantizers' among them."""
        optimizer = torch.optim.Adam(self.parameters(), self.rate)
        if isinstance(self.model, TrainableNetwork):
            check_setup(self.model.train(), optimizer)
        return optimizer


def train(model: nn.Module, rate: float, epochs: int, data: dict[str, DataLoader]) -> float:
    """Trains, and gives the accuracy in validation."""
    trainer = lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Training(model, rate), data["train"], data["validation"])
    return float(trainer.callback_metrics["accuracy"])


def main() -> None:
    """Trains in float, then with two bits, and runs the integers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    epochs = parser.parse_args().epochs
    lightning.seed_everything(0)
    load = partial(DataLoader, batch_size=64)
    data = {
        "train": load(pictures(2048, 1), shuffle=True),
        "validation": load(pictures(512, 2)),
    }
    model = network()
    print(f"float: {train(model, 0.01, epochs, data):.1%}")

    x = next(iter(data["validation"]))[0]
    trainable = intact.prepare(model.cpu(), "W2A2-lsq", example_input=x[:1])
    print(f"W2A2:  {train(trainable, 0.005, epochs, data):.1%}")

    reestimate_batchnorm(trainable, data["train"])
    quantized = intact.convert(trainable.eval())
    engine = intact.compile(quantized)
    right = [(engine(x).argmax(1) == labels).float() for x, labels in data["validation"]]
    print(f"integers, BatchNorms estimated again: {float(torch.cat(right).mean()):.1%}")


if __name__ == "__main__":
    main()
