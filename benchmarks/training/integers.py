"""What was trained, executed: scores of the integers, and how many are those of the training."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import intact
from benchmarks.training.datasets import Batch
from intact.qat import TrainableNetwork

Function = Callable[[Tensor], Tensor]
Score = Callable[[Function, Iterable[Batch]], float]


@dataclass(frozen=True)
class Agreement:
    """With the converted network, on the same samples."""

    codes: float  # share of the outputs that are equal
    top1: float  # share of the samples whose largest output is the same


@dataclass(frozen=True)
class Integers:
    """The converted network in the native engine."""

    score: float
    evaluated: Agreement  # the training network in evaluation mode
    simulated: Agreement  # its float simulation


def share_right(run: Function, batches: Iterable[Batch]) -> float:
    """Top-1 of a function that gives logits."""
    right = count = 0
    with torch.no_grad():
        for x, y in batches:
            right += int((run(x).argmax(1) == y).sum())
            count += len(y)
    return right / count


def perplexity(run: Function, batches: Iterable[Batch]) -> float:
    """Exponential of the mean cross entropy of logits (N, T, words) and the next words (N, T)."""
    total = count = 0.0
    with torch.no_grad():
        for x, y in batches:
            total += cross_entropy(run(x).flatten(0, 1), y.flatten(), reduction="sum").item()
            count += y.numel()
    return math.exp(total / count)


def simulated(network: nn.Module) -> Function:
    """The network in floating point: the simulation of one that is quantized."""
    return network.simulate if isinstance(network, TrainableNetwork) else network


@torch.no_grad()
def in_integers(network: TrainableNetwork, batches: Sequence[Batch], score: Score) -> Integers:
    """Converts the network and runs it on all samples."""
    engine = intact.compile(intact.convert(network.eval()), threads=torch.get_num_threads())
    agreements = [
        (_agreement(network(x), outputs), _agreement(network.simulate(x), outputs))
        for x, outputs in ((x, engine(x)) for x, _ in batches)
    ]
    sizes = [len(x) for x, _ in batches]
    evaluated, simulation = (_mean(found, sizes) for found in zip(*agreements, strict=True))
    return Integers(score(engine, batches), evaluated, simulation)


def _agreement(first: Tensor, second: Tensor) -> Agreement:
    same = (first.argmax(-1) == second.argmax(-1)).double().mean()
    return Agreement((first == second).double().mean().item(), same.item())


def _mean(found: Sequence[Agreement], sizes: Sequence[int]) -> Agreement:
    return Agreement(
        float(np.average([x.codes for x in found], weights=sizes)),
        float(np.average([x.top1 for x in found], weights=sizes)),
    )
