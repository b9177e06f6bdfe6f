"""MNIST, CIFAR-10 (JPEG) and Penn Treebank as tensors, in batches that a seed repeats.

The data lie under $INTACT_DATA. What `drawn` gives needs none: images and text with something to
learn in them, for runs that only show that a script works.
"""

import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks import cifar
from examples.imagenet import MEAN, STD

Batch = tuple[Tensor, Tensor]
MARGIN = 4  # pixels of black around an image that is cropped


@dataclass(frozen=True)
class Images:
    """Labelled images; the network gets (pixels / 255 - mean) / deviation."""

    pixels: Tensor  # uint8 (N, C, H, W)
    labels: Tensor  # int64 (N,)
    mean: tuple[float, ...]  # of each channel
    deviation: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Images":
        """The first images alone."""
        return replace(self, pixels=self.pixels[:count], labels=self.labels[:count])

    def normalized(self, pixels: Tensor) -> Tensor:
        """As the network wants them; channels last in memory, which trains faster."""
        mean, deviation = (torch.tensor(x).view(-1, 1, 1) for x in (self.mean, self.deviation))
        images = (pixels / 255 - mean) / deviation
        return images.contiguous(memory_format=torch.channels_last)

    def in_order(self, size: int = 500) -> Iterator[Batch]:
        """All of them, for evaluation."""
        for pixels, labels in zip(self.pixels.split(size), self.labels.split(size), strict=True):
            yield self.normalized(pixels), labels

    def shuffled(self, size: int, generator: torch.Generator, *, crop: bool) -> Iterator[Batch]:
        """One epoch in a new order without a last, smaller batch.

        Args:
            size: Images of a batch.
            generator: Draws the order and the crops.
            crop: Shift each image by up to 4 pixels, and mirror half of them.
        """
        order = torch.randperm(len(self), generator=generator)
        for chosen in order[: len(order) // size * size].split(size):
            pixels = self.pixels[chosen]
            yield (
                self.normalized(_cropped(pixels, generator) if crop else pixels),
                self.labels[chosen],
            )


def _cropped(pixels: Tensor, generator: torch.Generator) -> Tensor:
    count, channels, height, width = pixels.shape
    padded = torch.nn.functional.pad(pixels, (MARGIN,) * 4)
    top, left = torch.randint(2 * MARGIN + 1, (2, count, 1), generator=generator)
    rows, columns = top + torch.arange(height), left + torch.arange(width)
    mirrored = torch.rand(count, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    image, channel = torch.arange(count).view(-1, 1, 1, 1), torch.arange(channels).view(1, -1, 1, 1)
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


def mnist(data: Path, split: str) -> Images:
    """The 60,000 images of "train" or the 10,000 of "test", (N, 1, 28, 28)."""
    prefix = {"train": "train", "test": "t10k"}[split]
    pixels = _idx(data / "mnist" / f"{prefix}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = _idx(data / "mnist" / f"{prefix}-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return Images(torch.from_numpy(pixels), torch.from_numpy(labels), (0.1307,), (0.3081,))


def _idx(path: Path, header: int) -> np.ndarray:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header).copy()


def cifar10(data: Path, split: str) -> Images:
    """The 50,000 images of "train" or the 10,000 of "test", decoded once and kept in the cache."""
    source = data / "cifar10" / f"{split}.npz"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    path = cache_folder() / f"cifar10_jpeg-{split}-{digest}.npz"
    if not path.exists():
        pixels, labels = cifar.pixels(data, split)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}.npz")
        np.savez(partial, pixels=pixels, labels=labels)
        partial.replace(path)  # whole or not at all
    kept = np.load(path)
    mean, deviation = (tuple(float(value) for value in x.ravel()) for x in (MEAN, STD))
    return Images(
        torch.from_numpy(kept["pixels"]), torch.from_numpy(kept["labels"]), mean, deviation
    )


def cache_folder() -> Path:
    """Where what was made lies, in the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "intact"


def drawn(shape: tuple[int, int, int], count: int, seed: int, classes: int = 10) -> Images:
    """Ten faint patterns in noise, alike for every seed."""
    patterns = torch.rand(classes, *shape, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed + 1)
    labels = torch.randint(classes, (count,), generator=generator)
    noise = torch.rand(count, *shape, generator=generator)
    pixels = (127 * (patterns[labels] + noise)).to(torch.uint8)
    return Images(pixels, labels, (0.5,) * shape[0], (0.25,) * shape[0])


def splits(
    read: Callable[[str], Images], shape: tuple[int, int, int], few: tuple[int, int], *, smoke: bool
) -> list[Images]:
    """Training and test images: all that `read` finds by their names, or `few` drawn ones."""
    if smoke:
        return [drawn(shape, count, seed) for seed, count in enumerate(few)]
    return [read(split) for split in ("train", "test")]


@dataclass(frozen=True)
class Text:
    """Penn Treebank's three splits as tokens 0..vocabulary-1."""

    train: Tensor  # int64 (N,)
    valid: Tensor
    test: Tensor
    vocabulary: int


def penn_treebank(data: Path) -> Text:
    """Words in the order of their first appearance in "train", with an end of each sentence."""
    words = {
        split: gzip.decompress((data / "ptb" / f"ptb.{split}.txt.gz").read_bytes())
        .decode()
        .replace("\n", " <eos> ")
        .split()
        for split in ("train", "valid", "test")
    }
    number = {word: index for index, word in enumerate(dict.fromkeys(words["train"]))}
    tokens = {split: torch.tensor([number[word] for word in words[split]]) for split in words}
    return Text(tokens["train"], tokens["valid"], tokens["test"], len(number))


def drawn_text(count: int, vocabulary: int = 20) -> Text:
    """Text in which a word is mostly followed by the next one."""
    steps = torch.randint(0, 3, (3, count), generator=torch.Generator().manual_seed(0))
    train, valid, test = steps.clamp(min=1).cumsum(1) % vocabulary
    return Text(train, valid, test, vocabulary)


def windows(tokens: Tensor, streams: int, length: int) -> Iterator[Batch]:
    """A text read in parallel from several places: tokens (streams, length), and those that follow.

    Each batch goes on where the one before it ended; a last, shorter one is left out.
    """
    steps = (len(tokens) - 1) // streams
    ends = steps // length * length
    x, y = (tokens[i : i + streams * steps].view(streams, steps) for i in (0, 1))
    for start in range(0, ends, length):
        yield x[:, start : start + length], y[:, start : start + length]
