"""What was trained, executed: scores of the integers, and how many are those of the simulation."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import intact
from benchmarks.training.datasets import Batch, Images
from intact.qat import TrainableNetwork

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Integers:
    """The converted network in the native engine, beside the float simulation."""

    score: float
    equal_codes: float  # share of the outputs
    equal_top1: float  # share of the samples whose largest output is the same


def share_right(run: Function, batches: Iterable[Batch]) -> float:
    """Top-1 of a function that gives logits."""
    right = count = 0
    with torch.no_grad():
        for x, y in batches:
            right += int((run(x).argmax(1) == y).sum())
            count += len(y)
    return right / count


def top1(images: Images) -> Callable[[nn.Module], float]:
    """The score of a network on images."""
    return lambda network: share_right(network, images.in_order())


def in_integers(network: TrainableNetwork, images: Images) -> Integers:
    """Converts the network and runs it on all images."""
    engine = intact.compile(intact.convert(network), threads=torch.get_num_threads())
    right = same = codes = outputs = 0
    with torch.no_grad():
        for x, y in images.in_order():
            ours, simulated = engine(x), network.eval()(x)
            assert isinstance(ours, Tensor)
            right += int((ours.argmax(1) == y).sum())
            same += int((ours.argmax(1) == simulated.argmax(1)).sum())
            codes += int((ours == simulated).sum())
            outputs += ours.numel()
    count = len(images)
    return Integers(right / count, codes / outputs, same / count)
