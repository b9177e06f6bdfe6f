"""Scikit-learn's handwritten digits: 1797 pictures of 8x8, which come with the library.

The split is fixed: stratified by class with seed 0, 75 % (1347) to train and 25 % (450) to test.
Writers are not kept apart (the library does not name them): new writers may be harder.
"""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

_SPLIT_SEED = 0


class Digits(NamedTuple):
    """`images` float32 (N, 1, 8, 8) in [0, 1], and `labels` int64 (N,) in 0..9."""

    images: Tensor
    labels: Tensor


def load_train() -> Digits:
    """The 1347 digits to train on."""
    return _split()[0]


def load_test() -> Digits:
    """The 450 digits that training never sees."""
    return _split()[1]


def load_calibration(count: int = 256) -> Tensor:
    """The first `count` training images (the split has shuffled them), without labels."""
    return load_train().images[:count]


def _split() -> tuple[Digits, Digits]:
    source = load_digits()
    chosen = train_test_split(
        source.images,
        source.target,
        test_size=0.25,
        random_state=_SPLIT_SEED,
        stratify=source.target,
    )
    train_images, test_images, train_labels, test_labels = chosen
    return _digits(train_images, train_labels), _digits(test_images, test_labels)


def _digits(images: np.ndarray, labels: np.ndarray) -> Digits:
    scaled = torch.as_tensor(images, dtype=torch.float32).unsqueeze(1) / 16
    return Digits(scaled, torch.as_tensor(labels, dtype=torch.int64))
