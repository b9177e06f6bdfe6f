"""How right a classifier is, and how far one network's outputs are from another's."""

import math
from dataclasses import dataclass

import numpy as np

from intact.errors import CalibrationError
from intact.numerics.arrays import F64, Array, IntArray

Z95 = 1.959963984540054  # the normal distribution's 97.5 % quantile


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927); (0, 1) without trials.

    Centre (p + z^2/2n) / (1 + z^2/n), half-width z / (1 + z^2/n) sqrt(p (1 - p) / n + z^2 / 4n^2).
    """
    if not trials:
        return 0.0, 1.0
    share, z2 = successes / trials, Z95**2 / trials
    half = Z95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials))
    centre = share + z2 / 2
    return max(0.0, (centre - half) / (1 + z2)), min(1.0, (centre + half) / (1 + z2))


def paired_difference(
    only_first: int, only_second: int, trials: int, z: float = Z95
) -> tuple[float, float]:
    """Interval of first's share minus second's on the same samples (Agresti, Min 2005).

    `only_first` counts the samples that the first alone has right. With half an observation added
    to each of the four cells, d = (b - c) / n and the half-width is z sqrt(b + c - n d^2) / n.
    """
    b, c, n = only_first + 0.5, only_second + 0.5, trials + 2
    difference = (b - c) / n
    half = z * math.sqrt(b + c - n * difference**2) / n
    return max(-1.0, difference - half), min(1.0, difference + half)


def paired_interval(first: F64, second: F64, z: float = Z95) -> tuple[float, float]:
    """Interval of first's mean score minus second's, from the scores (N,) of the same samples.

    Scores of 0 and 1 are shares: `paired_difference`. For others it is the normal distribution's,
    mean(d) -+ z sqrt(var(d) / N) with d = first - second; infinite for fewer than two samples.
    """
    differences = first - second
    if all(np.isin(scores, (0, 1)).all() for scores in (first, second)):
        only_first, only_second = int((differences > 0).sum()), int((differences < 0).sum())
        return paired_difference(only_first, only_second, len(first), z)
    if len(differences) < 2:
        return -math.inf, math.inf
    half = z * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return float(differences.mean()) - half, float(differences.mean()) + half


def predictions(outputs: Array) -> IntArray:
    """The index of each sample's largest output; of equal ones the first.

    Raises:
        CalibrationError: if the outputs are not (N, classes).
    """
    if outputs.ndim != 2:
        raise CalibrationError(
            f"top-1 needs a classifier with outputs (N, classes), not {outputs.shape}"
        )
    return np.asarray(outputs.argmax(axis=1))


def right(outputs: Array, targets: Array) -> Array:
    """Which samples' largest output is their label's, as booleans (N,).

    Raises:
        CalibrationError: if the outputs are not (N, classes), or a label is none of the classes.
    """
    chosen, classes = predictions(outputs), outputs.shape[1]
    wrong = targets[(targets < 0) | (targets >= classes)]
    if wrong.size:
        raise CalibrationError(
            f"label {wrong[0]} is out of range: the network has {classes} outputs,"
            f" so labels are 0 to {classes - 1}"
        )
    return np.asarray(chosen == targets)


@dataclass(frozen=True, slots=True)
class Top1:
    """How many of so many samples are right; tallies of batches add up."""

    samples: int = 0
    right: int = 0

    def __add__(self, other: "Top1") -> "Top1":
        """Of both sets of samples."""
        return Top1(self.samples + other.samples, self.right + other.right)

    @property
    def share(self) -> float:
        """The share of samples that are right, 0 to 1."""
        return self.right / self.samples if self.samples else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the share."""
        return wilson(self.right, self.samples)


def top1(outputs: Array, targets: Array) -> Top1:
    """The tally of one batch: outputs (N, classes), labels (N,)."""
    return Top1(len(targets), int(right(outputs, targets).sum()))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two networks on the same samples; tallies of batches add up.

    `signal` is the sum of the reference's squared outputs, `noise` of the squared differences.
    """

    samples: int = 0
    agree: int = 0  # both networks' largest output is the same one
    only_first: int = 0  # right where the reference is wrong
    only_reference: int = 0
    signal: float = 0.0
    noise: float = 0.0

    def __add__(self, other: "Comparison") -> "Comparison":
        """Of both sets of samples."""
        return Comparison(
            self.samples + other.samples,
            self.agree + other.agree,
            self.only_first + other.only_first,
            self.only_reference + other.only_reference,
            self.signal + other.signal,
            self.noise + other.noise,
        )

    @property
    def agreement(self) -> float:
        """Share of samples on which both choose the same class."""
        return self.agree / self.samples if self.samples else math.nan

    @property
    def difference(self) -> float:
        """Top-1 minus the reference's."""
        return (self.only_first - self.only_reference) / self.samples if self.samples else math.nan

    @property
    def difference_interval(self) -> tuple[float, float]:
        """95 % confidence interval of the difference, paired."""
        return paired_difference(self.only_first, self.only_reference, self.samples)

    @property
    def sqnr_db(self) -> float:
        """Signal to quantization noise ratio in dB, 10 log10(signal / noise); inf if equal."""
        return decibel(self.signal, self.noise)


def decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise): inf without noise, -inf without signal."""
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def sqnr_db(outputs: Array, reference: Array) -> float:
    """Signal to quantization noise ratio in dB of arrays of any, equal shape."""
    wide = reference.astype(np.float64)
    return decibel(float((wide**2).sum()), float(((outputs - wide) ** 2).sum()))


def compare(outputs: Array, reference: Array, targets: Array | None = None) -> Comparison:
    """The tally of one batch; without labels nothing is right."""
    if outputs.shape != reference.shape:
        raise CalibrationError(
            f"the networks' outputs differ in shape: {outputs.shape} and {reference.shape}"
        )
    wide = reference.astype(np.float64)
    signal, noise = float((wide**2).sum()), float(((outputs - wide) ** 2).sum())
    agree = int((predictions(outputs) == predictions(reference)).sum())
    if targets is None:
        return Comparison(len(outputs), agree, signal=signal, noise=noise)
    ours, theirs = right(outputs, targets), right(reference, targets)
    only_first, only_reference = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return Comparison(len(outputs), agree, only_first, only_reference, signal, noise)
