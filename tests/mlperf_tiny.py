"""Real samples for the networks of MLPerf Tiny, in the networks' own codes."""

import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image

from intact.numerics.arrays import Codes


def keywords(data: Path) -> tuple[Codes, Codes]:
    """The samples of keyword spotting (n, 49, 10, 1), int8, and their classes."""
    with np.load(data / "keyword-spotting" / "kws01_int8_mfcc.npz") as file:
        return file["x"].reshape(-1, 49, 10, 1), file["y"]


def pixels(data: Path, count: int) -> Codes:
    """CIFAR-10 test images (count, 32, 32, 3), uint8."""
    with np.load(data / "cifar10" / "test.npz") as file:
        jpeg, offsets = file["jpeg"], file["offsets"]
        pairs = itertools.pairwise(offsets[: count + 1])
        return np.stack([np.asarray(Image.open(io.BytesIO(jpeg[a:b].tobytes()))) for a, b in pairs])


def photographs(data: Path, count: int) -> Codes:
    """The same as ResNet-8 takes them, int8."""
    return (pixels(data, count).astype(np.int16) - 128).astype(np.int8)
