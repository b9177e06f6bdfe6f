"""Samples in a folder of images, decoded as they are read (needs Pillow: `intact[images]`).

A subfolder for each class, numbered in sorted order; or images side by side with `labels.csv`
(lines of file,label); or images alone, without labels.
"""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from intact.data.batch import Batch, fit_inputs
from intact.errors import CalibrationError, FormatError
from intact.ir.graph import Value
from intact.numerics.arrays import F32

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How an image becomes an input: (pixel / 255 - mean) / std after resizing and a centre crop.

    `mean` and `std` have one entry, or one a channel; None: ImageNet's for three channels, 0 and 1
    for one. mean 0.5 and std 0.5 is pixel / 127.5 - 1. `short_side` is the image's shorter side
    after resizing; None: 8/7 of the network's larger side (256 for 224), 0: no resizing.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    short_side: int | None = None

    def __post_init__(self) -> None:
        if self.mean is not None and not all(map(math.isfinite, self.mean)):
            raise ValueError(f"mean must be finite, not {self.mean}")
        if self.std is not None and not all(0 < s < math.inf for s in self.std):
            raise ValueError(f"std must be positive, not {self.std}")
        if self.short_side is not None and self.short_side < 0:
            raise ValueError(f"the short side must be positive or 0, not {self.short_side}")


@dataclass(frozen=True, slots=True)
class ImageData:
    """Files, their labels, and how to make an input of each."""

    files: tuple[Path, ...]
    labels: tuple[int, ...] | None
    classes: int | None
    declared: Value
    options: ImageOptions

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.files)

    def batches(self, size: int) -> Iterator[Batch]:
        """All images, `size` at a time; only these are in memory.

        Raises:
            FormatError: if a file is no image.
            CalibrationError: if an image is smaller than the network's input and is not resized.
        """
        for start in range(0, len(self.files), size):
            part = slice(start, start + size)
            pixels = np.stack(
                [read_image(f, self.declared, self.options) for f in self.files[part]]
            )
            targets = None if self.labels is None else np.asarray(self.labels[part], np.int64)
            inputs = fit_inputs([pixels], [self.declared], str(self.files[start].parent))
            yield Batch(inputs, targets)


def open_images(folder: Path, declared: tuple[Value, ...], options: ImageOptions) -> ImageData:
    """The images of a folder, listed but not read.

    Raises:
        CalibrationError: if there are no images, or the network does not take images.
        ImportError: without Pillow.
        FormatError: if `labels.csv` names files that do not exist, or labels that are no numbers.
    """
    _require_pillow()
    if len(declared) != 1 or _pixels(declared[0]) is None:
        shapes = ", ".join(f"{value.name} {value.shape[1:]}" for value in declared)
        raise CalibrationError(
            f"{folder}: images need a network with one input (N, 1 or 3, H, W) or (N, H, W, 1 or"
            f" 3), not {shapes}; use an .npz file or file.py:function"
        )
    value = declared[0]
    _per_channel(options, _size(value)[0])  # complains before the first image is read
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    if (folder / "labels.csv").is_file():
        files, numbers = _read_labels(folder / "labels.csv")
        return ImageData(files, numbers, None, value, options)
    by_class = [(f, i) for i, sub in enumerate(subfolders) for f in _images(sub)]
    if by_class:
        paths, indices = zip(*by_class, strict=True)
        return ImageData(paths, indices, len(subfolders), value, options)
    flat = tuple(_images(folder))
    if not flat:
        raise CalibrationError(f"{folder}: there are no images (looked for {_known_suffixes()})")
    return ImageData(flat, None, None, value, options)


def _pixels(declared: Value) -> tuple[int, int, int, bool] | None:
    """(channels, height, width, whether channels are last) of an input that takes images."""
    match declared.shape:
        case (_, 1 | 3 as channels, height, width):
            return channels, height, width, False
        case (_, height, width, 1 | 3 as channels):
            return channels, height, width, True
        case _:
            return None


def _size(declared: Value) -> tuple[int, int, int, bool]:
    pixels = _pixels(declared)
    assert pixels is not None  # open_images has looked
    return pixels


def _require_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise ImportError("reading images needs Pillow: pip install 'intact[images]'") from error


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def _known_suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))


def _read_labels(table: Path) -> tuple[tuple[Path, ...], tuple[int, ...]]:
    files: list[Path] = []
    numbers: list[int] = []
    with table.open(newline="", encoding="utf-8") as stream:
        for line, row in enumerate(csv.reader(stream), 1):
            if not row or (line == 1 and [cell.strip() for cell in row] == ["file", "label"]):
                continue
            if len(row) != 2 or not row[1].strip().isdecimal():
                raise FormatError(f"{table}, line {line}: expected file,label, got {','.join(row)}")
            files.append(table.parent / row[0].strip())
            numbers.append(int(row[1]))
            if not files[-1].is_file():
                raise FormatError(f"{table}, line {line}: there is no file {files[-1]}")
    if not files:
        raise CalibrationError(f"{table}: there are no images")
    return tuple(files), tuple(numbers)


def read_image(path: Path, declared: Value, options: ImageOptions) -> F32:
    """One image as an input, (C, H, W) or (H, W, C).

    Raises:
        FormatError: if the file is no image.
        CalibrationError: if it is too small and is not resized.
    """
    from PIL import Image, UnidentifiedImageError

    channels, height, width, last = _size(declared)
    try:
        with Image.open(path) as source:
            image = _of_bytes(source, path).convert("RGB" if channels == 3 else "L")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError) as error:
        raise FormatError(f"{path} cannot be read as an image: {error}") from error
    cropped = _crop(_resize(image, height, width, options.short_side), height, width, path)
    pixels = np.asarray(cropped, np.float32).reshape(height, width, channels).transpose(2, 0, 1)
    mean, std = _per_channel(options, channels)
    scaled = (pixels / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(1, 2, 0) if last else scaled)


def _of_bytes(image: "Image", path: Path) -> "Image":
    """Pixels of 16 bits in 8, which Pillow would cut off at 255 rather than scale."""
    from PIL import Image

    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    pixels = np.asarray(image)
    if image.mode == "F" or pixels.min() < 0 or pixels.max() > 65535:
        raise FormatError(f"{path}: its pixels are not of 8 or 16 bits; convert it to these")
    return Image.fromarray(np.rint(pixels / 257).astype(np.uint8))


def _resize(image: "Image", height: int, width: int, short_side: int | None) -> "Image":
    from PIL import Image

    target = round(max(height, width) * 8 / 7) if short_side is None else short_side
    if target in (0, min(image.size)):
        return image
    factor = target / min(image.size)
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.BILINEAR)


def _crop(image: "Image", height: int, width: int, path: Path) -> "Image":
    if image.width < width or image.height < height:
        raise CalibrationError(
            f"{path}: {image.width}x{image.height} pixels is less than the network's"
            f" {width}x{height}; choose a larger short side"
        )
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def _per_channel(options: ImageOptions, channels: int) -> tuple[F32, F32]:
    """`mean` and `std` of shape (C, 1, 1) or (1, 1, 1)."""
    mean = options.mean or (IMAGENET_MEAN if channels == 3 else (0.0,))
    std = options.std or (IMAGENET_STD if channels == 3 else (1.0,))
    for name, numbers in (("mean", mean), ("std", std)):
        if len(numbers) not in (1, channels):
            raise ValueError(f"{name} has {len(numbers)} entries for {channels} channels")
    shaped = [np.asarray(numbers, np.float32).reshape(-1, 1, 1) for numbers in (mean, std)]
    return shaped[0], shaped[1]
