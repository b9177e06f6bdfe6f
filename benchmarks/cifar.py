"""CIFAR-10 (JPEG) and a ResNet-20 fine-tuned on it.

    python benchmarks/cifar.py [--data FOLDER] [--force]

The network of $INTACT_DATA was trained on the lossless images and has 81 % of the JPEG ones right;
a few epochs on the JPEG training set bring back what they cost. The result is kept in the user's
cache folder, under the hash of everything that it depends on, and made again only when that
changes: about five minutes on one quiet core.
"""

import argparse
import hashlib
import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from examples.imagenet import MEAN, STD
from tests.architectures.cifar_resnet import CifarResNet

DATA = Path(os.environ.get("INTACT_DATA", "../shared/data"))
Log = Callable[[str], None]


@dataclass(frozen=True)
class FineTuning:
    """SGD with Nesterov momentum and a cosine from `rate` to 0; crops of 4 pixels and flips."""

    epochs: int = 2
    batch: int = 128
    rate: float = 0.02
    momentum: float = 0.9
    decay: float = 1e-4
    seed: int = 0


def to_stderr(message: str) -> None:
    """The default `Log`."""
    print(message, file=sys.stderr, flush=True)


@cache
def pixels(data: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """All images of "train" or "test", uint8 (N, 3, 32, 32), and their labels 0..9."""
    packed = np.load(data / "cifar10" / f"{split}.npz")
    jpeg, offsets = packed["jpeg"], packed["offsets"]
    images = np.empty((len(offsets) - 1, 32, 32, 3), np.uint8)
    for index, (start, stop) in enumerate(pairwise(offsets)):
        images[index] = Image.open(io.BytesIO(jpeg[start:stop].tobytes())).convert("RGB")
    return images.transpose(0, 3, 1, 2), packed["labels"].astype(np.int64)


def normalized(images: np.ndarray) -> np.ndarray:
    """As the network wants them: float32, ImageNet's mean and deviation removed."""
    shape = (3, 1, 1)
    return np.float32((images / np.float32(255) - MEAN.reshape(shape)) / STD.reshape(shape))


def original(data: Path) -> nn.Module:
    """ResNet-20 as it was trained on the lossless images."""
    module = CifarResNet()
    module.load_state_dict(load_file(data / "networks" / "cifar_resnet20.safetensors"))
    return module.eval()


def fine_tuned(
    data: Path, settings: FineTuning = FineTuning(), log: Log = to_stderr, force: bool = False
) -> nn.Module:
    """ResNet-20 fine-tuned on the JPEG training set: from the cache, or made now and kept."""
    path = _cached(data, settings)
    module = original(data)
    if force or not path.exists():
        log(f"fine-tuning ResNet-20 on CIFAR-10 (JPEG) into {path}: five minutes on a quiet core")
        _train(module, data, settings, log)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        save_file({key: x.contiguous() for key, x in module.state_dict().items()}, partial)
        partial.replace(path)  # whole or not at all
    module.load_state_dict(load_file(path))
    return module.eval()


def _cached(data: Path, settings: FineTuning) -> Path:
    """Where the network lies that these weights, images and settings give."""
    digest = hashlib.sha256(repr(astuple(settings)).encode())
    for name in ("networks/cifar_resnet20.safetensors", "cifar10/train.npz"):
        digest.update((data / name).read_bytes())
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "intact" / f"cifar_resnet20-{digest.hexdigest()[:16]}.safetensors"


def _train(module: nn.Module, data: Path, settings: FineTuning, log: Log) -> None:
    images, labels = pixels(data, "train")
    module.to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.SGD(
        module.parameters(), settings.rate, settings.momentum,
        weight_decay=settings.decay, nesterov=True,
    )  # fmt: skip
    steps = settings.epochs * (len(images) // settings.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    start, running = time.perf_counter(), 0.0
    for step, (x, y) in enumerate(_batches(images, labels, settings), 1):
        optimizer.zero_grad()
        loss = cross_entropy(module(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        running += 0.02 * (loss.item() - running) if step > 1 else loss.item()
        if step % 50 == 0:
            left = (time.perf_counter() - start) / step * (steps - step)
            log(f"step {step} of {steps}, loss {running:.3f}, {left:.0f} s left")
    module.eval()


def _batches(
    images: np.ndarray, labels: np.ndarray, settings: FineTuning
) -> Iterator[tuple[Tensor, Tensor]]:
    """Each epoch's images in a new order, shifted by up to 4 pixels, half of them mirrored."""
    draw = np.random.default_rng(settings.seed)
    padded = np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4)))
    size = settings.batch
    for _ in range(settings.epochs):
        order = draw.permutation(len(images))
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            crops = np.empty((size, *images.shape[1:]), np.uint8)
            shifts = draw.integers(0, 9, (size, 2))
            for row, (index, (top, left)) in enumerate(zip(chosen, shifts, strict=True)):
                crops[row] = padded[index, :, top : top + 32, left : left + 32]
            mirrored = draw.random(size) < 0.5
            crops[mirrored] = crops[mirrored, :, :, ::-1]
            x = torch.from_numpy(normalized(crops)).contiguous(memory_format=torch.channels_last)
            yield x, torch.from_numpy(labels[chosen])


def top1(module: nn.Module, data: Path) -> float:
    """The share of the 10,000 test images that the float network has right."""
    images, labels = pixels(data, "test")
    right = 0
    with torch.no_grad():
        for start in range(0, len(images), 500):
            x = torch.from_numpy(normalized(images[start : start + 500]))
            guess = module(x.contiguous(memory_format=torch.channels_last)).argmax(1).numpy()
            right += int((guess == labels[start : start + 500]).sum())
    return right / len(images)


def main() -> None:
    """Makes the network if it is not there, and prints its accuracy before and after."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--force", action="store_true", help="train again")
    arguments = parser.parse_args()
    if not (arguments.data / "cifar10").is_dir():
        to_stderr(f"skipped: no CIFAR-10 at {arguments.data}; use --data")
        return
    print(f"original: {top1(original(arguments.data), arguments.data):.2%}")
    made = fine_tuned(arguments.data, force=arguments.force)
    print(f"fine-tuned: {top1(made, arguments.data):.2%}")


if __name__ == "__main__":
    main()
