"""The networks that benchmarks run, at full size: their weights, inputs and calibration.

Weights are the trained ones of `$INTACT_DATA/networks` where they fit; otherwise random, with true
batch statistics, so that activations keep a sane range through any depth.
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.architectures.bert import Bert
from tests.architectures.cifar_resnet import CifarResNet
from tests.architectures.examples import images, vectors
from tests.architectures.mobilenet_v1 import MobileNetV1
from tests.architectures.mobilenet_v2 import MobileNetV2
from tests.architectures.resnet import resnet18, resnet50
from tests.architectures.seeding import Example, seeded

CALIBRATION_BATCHES = 8
DATA = Path(os.environ.get("INTACT_DATA", "../shared/data"))
_PICTURE = images(3, 224, 224)


@dataclass(frozen=True)
class Workload:
    """One network, quantized by `recipe`, and the batch sizes at which it is timed."""

    name: str
    build: Callable[[], nn.Module]
    example: Example  # inputs of two samples
    recipe: str
    batches: tuple[int, ...]

    def calibration(self) -> Iterator[tuple[Tensor, ...]]:
        """Batches of two samples."""
        generator = torch.Generator().manual_seed(2)
        for _ in range(CALIBRATION_BATCHES):
            yield self.example(generator)

    def inputs(self, batch: int) -> tuple[Tensor, ...]:
        """A batch that calibration has not seen."""
        generator = torch.Generator().manual_seed(3)
        draws = [self.example(generator) for _ in range((batch + 1) // 2)]
        return tuple(torch.cat(parts)[:batch].contiguous() for parts in zip(*draws, strict=True))


def _random(
    name: str, build: Callable[[], nn.Module], example: Example, *batches: int, recipe: str = "W8A8"
) -> Workload:
    return Workload(name, partial(seeded, build, example), example, recipe, batches or (1,))


def _cifar_resnet20() -> nn.Module:
    if not (DATA / "networks" / "cifar_resnet20.safetensors").exists():
        return seeded(CifarResNet, images(3, 32, 32))
    from benchmarks.cifar import original

    return original(DATA)


def _mobilenet_v2() -> nn.Module:
    if not (DATA / "networks" / "mobilenet_v2_folded.safetensors").exists():
        return seeded(MobileNetV2, _PICTURE)
    from examples.imagenet import load_network

    return load_network("mobilenet_v2", DATA)


def _matvec(columns: int, rows: int, recipe: str = "W4-g32") -> Workload:
    """One token through a linear layer of 4-bit weights, as a decoder of text does it."""
    build = partial(nn.Linear, columns, rows, bias=False)
    return _random(f"matvec_{columns}x{rows}", build, vectors(1, columns), recipe=recipe)


def _encoder(**sizes: int) -> nn.Module:
    return Bert(**sizes).encoder


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        _random("resnet18", resnet18, _PICTURE, 1, 16),
        _random("resnet50", resnet50, _PICTURE, 1, 16),
        _random("mobilenet_v1", MobileNetV1, _PICTURE, 1, 16),
        Workload("mobilenet_v2", _mobilenet_v2, _PICTURE, "W8A8", (1, 16)),
        Workload("cifar_resnet20", _cifar_resnet20, images(3, 32, 32), "W8A8", (1,)),
        _random("bert_base", _encoder, vectors(128, 768)),
        _matvec(4096, 4096),
        _matvec(4096, 11008),
    )
}

_TINY_BERT = partial(_encoder, vocabulary=10, max_tokens=16, width=32, heads=2, depth=1)

SMOKE: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        _random("cifar_resnet20", CifarResNet, images(3, 32, 32), 2),
        _random("bert_tiny", _TINY_BERT, vectors(16, 32)),
        _matvec(64, 96),
    )
}
