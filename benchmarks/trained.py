"""Trained networks with calibration samples, validation samples and scores: `TASKS`.

What runs over real networks takes them from here. Their data lie under $INTACT_DATA; where some are
absent `Task.missing()` says which.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from benchmarks import cifar
from examples import deeplab, imagenet
from intact.metrics import compare, right

DATA = Path(os.environ.get("INTACT_DATA", "../shared/data"))
CIFAR_CALIBRATION = 300  # the first of the training images, which are shuffled
Engine = Callable[[np.ndarray], np.ndarray]
Difference: TypeAlias = tuple[float, float, float]  # and its 95 % interval
_PIXEL_MEASURES = {"pixel_accuracy": deeplab.pixel_accuracy, "mean_iou": deeplab.mean_iou}


class Scoring(Protocol):
    """What counts as right."""

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """What is kept of a batch's outputs; what follows takes the outputs themselves, too."""

    def scores(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """How right each sample is, 0 to 1: (N,)."""

    def metric(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Named numbers for all samples, 0 to 1."""

    def differences(
        self, outputs: np.ndarray, reference: np.ndarray, targets: np.ndarray
    ) -> dict[str, Difference]:
        """Each of `metric`'s numbers minus the reference's on the same samples."""

    def agreement(self, outputs: np.ndarray, reference: np.ndarray) -> float:
        """The share of decisions, right or wrong, that are the reference's."""


class Top1:
    """A classifier's largest logit is the label's."""

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """The logits (N, classes)."""
        return outputs

    def scores(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """1 or 0 for each sample."""
        return right(outputs, targets).astype(np.float64)

    def metric(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The mean score."""
        return {"top1": float(self.scores(outputs, targets).mean())}

    def differences(
        self, outputs: np.ndarray, reference: np.ndarray, targets: np.ndarray
    ) -> dict[str, Difference]:
        """With the interval of Agresti and Min (2005)."""
        tally = compare(outputs, reference, targets)
        return {"top1": (tally.difference, *tally.difference_interval)}

    def agreement(self, outputs: np.ndarray, reference: np.ndarray) -> float:
        """Of samples."""
        return compare(outputs, reference).agreement


class Pixels:
    """Each labelled pixel's class, of 21."""

    def answers(self, outputs: np.ndarray) -> np.ndarray:
        """The class of each pixel (N, H, W), of logits (N, 21, H, W)."""
        return deeplab.classes(outputs)

    def scores(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """The share of each photograph's labelled pixels that are right."""
        confusions = deeplab.confusions(self.answers(outputs), targets)
        return np.array([deeplab.pixel_accuracy(confusion) for confusion in confusions])

    def metric(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Over the pixels of all photographs together."""
        confusion = deeplab.confusions(self.answers(outputs), targets).sum(0)
        return {name: measure(confusion) for name, measure in _PIXEL_MEASURES.items()}

    def differences(
        self, outputs: np.ndarray, reference: np.ndarray, targets: np.ndarray
    ) -> dict[str, Difference]:
        """With the percentiles of 1000 draws of as many photographs (bootstrap)."""
        ours, theirs = (deeplab.confusions(self.answers(x), targets) for x in (outputs, reference))
        count = len(targets)
        drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), 1000)
        found = {}
        for name, measure in _PIXEL_MEASURES.items():
            differences = [
                measure(np.tensordot(times, ours, 1)) - measure(np.tensordot(times, theirs, 1))
                for times in drawn
            ]
            low, high = np.percentile(differences, [2.5, 97.5])
            found[name] = (measure(ours.sum(0)) - measure(theirs.sum(0)), float(low), float(high))
        return found

    def agreement(self, outputs: np.ndarray, reference: np.ndarray) -> float:
        """Of pixels."""
        return float((self.answers(outputs) == self.answers(reference)).mean())


@dataclass(frozen=True)
class Task:
    """One trained network, its samples and its scores."""

    name: str
    needs: tuple[str, ...]  # files and folders of `data`
    network: Callable[[Path], nn.Module]
    calibrating: Callable[[Path], Iterable[Tensor]]
    validating: Callable[[Path, int | None], tuple[np.ndarray, np.ndarray]]
    scoring: Scoring
    batch: int = 10  # samples to run at once
    data: Path = DATA

    def missing(self) -> str | None:
        """What is absent, in words; None if all is there."""
        absent = [name for name in self.needs if not (self.data / name).exists()]
        if not absent:
            return None
        return f"{self.name}: no {', '.join(absent)} at {self.data}; set INTACT_DATA"

    def load(self) -> tuple[nn.Module, Tensor]:
        """The network in evaluation mode, and an example of its input."""
        return self.network(self.data), torch.from_numpy(self.validation(1)[0])

    def calibration(self) -> list[Tensor]:
        """Batches (N, 3, H, W) of samples that `validation` does not have."""
        return list(self.calibrating(self.data))

    def validation(self, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (N, 3, H, W) and their labels (N, ...): all, or the first `limit`."""
        return self.validating(self.data, limit)

    def run(self, engine: Engine, images: np.ndarray) -> np.ndarray:
        """The answers to all images."""
        starts = range(0, len(images), self.batch)
        return np.concatenate(
            [self.scoring.answers(engine(images[i : i + self.batch])) for i in starts]
        )

    def scores(self, outputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """How right each sample is, 0 to 1: (N,)."""
        return self.scoring.scores(outputs, targets)

    def metric(self, outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """Named numbers for all samples, 0 to 1: top1, or pixel_accuracy and mean_iou."""
        return self.scoring.metric(outputs, targets)

    def differences(
        self, outputs: np.ndarray, reference: np.ndarray, targets: np.ndarray
    ) -> dict[str, Difference]:
        """Each of `metric`'s numbers minus the reference's on the same samples, paired."""
        return self.scoring.differences(outputs, reference, targets)

    def agreement(self, outputs: np.ndarray, reference: np.ndarray) -> float:
        """The share of samples (of pixels) whose class is the reference's, right or wrong."""
        return self.scoring.agreement(outputs, reference)


def float_engine(module: nn.Module) -> Engine:
    """A network as a function of arrays."""
    module = module.to(memory_format=torch.channels_last)  # torch's fastest

    def engine(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            x = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
            return module(x).contiguous().numpy()

    return engine


def _cifar_calibration(data: Path) -> Iterator[Tensor]:
    images = cifar.pixels(data, "train")[0][:CIFAR_CALIBRATION]
    return iter(torch.from_numpy(cifar.normalized(images)).split(50))


def _cifar_validation(data: Path, limit: int | None) -> tuple[np.ndarray, np.ndarray]:
    images, labels = cifar.pixels(data, "test")
    return cifar.normalized(images[:limit]), labels[:limit]


def _imagenet(name: str, network: str, file: str) -> Task:
    return Task(
        name,
        (f"networks/{file}", "imagenet/calibration", "imagenet/validation"),
        partial(imagenet.load_network, network),
        partial(imagenet.calibration, network=network),
        lambda data, limit: imagenet.validation(data, network, limit),
        Top1(),
    )


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _imagenet("mobilenet_v1", "mobilenet_v1_0.75", "mobilenet_v1_0.75.safetensors"),
        _imagenet("mobilenet_v2", "mobilenet_v2", "mobilenet_v2_folded.safetensors"),
        Task(
            "cifar_resnet20",
            ("networks/cifar_resnet20.safetensors", "cifar10/train.npz", "cifar10/test.npz"),
            cifar.fine_tuned,
            _cifar_calibration,
            _cifar_validation,
            Top1(),
            batch=100,
        ),
        Task(
            "deeplab_v3",
            (
                "networks/deeplabv3_mobilenet_v2.safetensors", "imagenet/calibration",
                "coco/images", "coco/masks",
            ),
            deeplab.load_network,
            deeplab.calibration,
            deeplab.validation,
            Pixels(),
            batch=2,
        ),
    )
}  # fmt: skip
