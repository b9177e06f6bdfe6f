"""Images, a network, and the methods that it is trained by."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

import intact
from benchmarks.training.datasets import Images, cache_folder, cifar10, mnist, splits
from benchmarks.training.integers import in_integers, share_right, simulated
from benchmarks.training.loop import Batches, Objective, Trained, Training, train
from benchmarks.training.results import Result, described, result
from intact.qat import DistillationLoss, FrozenTeacher, QatRecipe, TrainableNetwork

CURVE = 2000  # test images that score an epoch; all of them score the result


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to train the network."""

    name: str
    network: Callable[[], nn.Module]
    training: Training
    recipe: str | QatRecipe | None = None  # None: the network stays float
    start: "Method | None" = None  # whose float weights training begins with; None: drawn ones


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Labelled images that networks learn."""

    name: str
    train: Images
    test: Images
    batch: int
    crop: bool = False  # shift and mirror the training images
    smoke: bool = False  # one epoch, and nothing is kept

    def run(self, method: Method, seed: int) -> Result:
        """Trains, or goes on with what an interrupted run has left, and executes the integers."""
        network, trained = self.trained(method, seed)
        batches = list(self.test.in_order())
        quantized = isinstance(network, TrainableNetwork)
        integers = in_integers(network, batches, share_right) if quantized else None
        score = share_right(network, batches) if integers is None else integers.score
        settings = replace(method.training, seed=seed)
        return result(self.name, method.name, settings, trained, score, integers)

    def trained(self, method: Method, seed: int) -> tuple[nn.Module, Trained]:
        """The network as training leaves it."""
        torch.manual_seed(seed)
        network = method.network() if method.start is None else self.trained(method.start, seed)[0]
        if method.recipe is not None:
            network = intact.prepare(network, method.recipe, example_input=self.example)
        _channels_last(network)
        settings = replace(method.training, seed=seed)
        if self.smoke:
            settings = replace(settings, epochs=1)
        print(f"{self.name}: {method.name}, seed {seed}", file=sys.stderr, flush=True)
        what = (self.name, method, seed, len(self.train), self.batch, self.crop)
        few = list(self.test.first(CURVE).in_order())
        return network, train(
            network,
            self._batches(),
            settings,
            lambda network: share_right(simulated(network), few),
            checkpoint=None if self.smoke else checkpoint_of(network, *what),
        )

    @property
    def example(self) -> Tensor:
        """A batch of one."""
        return self.test.normalized(self.test.pixels[:1])

    def _batches(self) -> Batches:
        draw = partial(self.train.shuffled, self.batch, crop=self.crop)
        return Batches(len(self.train) // self.batch, draw)


def checkpoint_of(network: nn.Module, *what: object) -> Path:
    """Where a training lies: the same settings of a network of the same form find it again."""
    form = [(name, tuple(tensor.shape)) for name, tensor in network.state_dict().items()]
    digest = hashlib.sha256(repr((described(what), form)).encode()).hexdigest()[:16]
    return cache_folder() / "training" / f"{digest}.pt"


def taught(teacher: FrozenTeacher, loss: DistillationLoss) -> Objective:
    """The loss of a student."""

    def objective(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        return loss(network(x), teacher(x), y)

    return objective


def _channels_last(network: nn.Module) -> None:
    """Puts kernels in memory as convolutions read them fastest; `Module.to` fails for 5 axes."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def digits(name: str, data: Path, batch: int, *, smoke: bool) -> Experiment:
    """MNIST's images, or a few drawn ones."""
    train, test = splits(partial(mnist, data), (1, 28, 28), (256, 64), smoke=smoke)
    return Experiment(name=f"{name}, MNIST", train=train, test=test, batch=batch, smoke=smoke)


def small_cifar(data: Path, images: int, *, smoke: bool, crop: bool = False) -> Experiment:
    """The first images of CIFAR-10 (JPEG) for training, all test images; or a few drawn ones."""
    train, test = splits(partial(cifar10, data), (3, 32, 32), (200, 50), smoke=smoke)
    name = f"small convolutional, {images:,} {'cropped ' if crop else ''}of CIFAR-10 (JPEG)"
    return Experiment(
        name=name, train=train.first(images), test=test, batch=100, crop=crop, smoke=smoke
    )
