"""What was trained, executed: scores of the integers, and how many are those of the training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import intact
from benchmarks.training.datasets import Batch, Images
from intact.qat import TrainableNetwork

Function = Callable[[Tensor], Tensor]


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


def top1(images: Images) -> Callable[[nn.Module], float]:
    """The score of a network on images; of quantized ones it is that of the float simulation."""

    def score(network: nn.Module) -> float:
        simulated = network.simulate if isinstance(network, TrainableNetwork) else network
        return share_right(simulated, images.in_order())

    return score


@torch.no_grad()
def in_integers(network: TrainableNetwork, images: Images) -> Integers:
    """Converts the network and runs it on all images."""
    engine = intact.compile(intact.convert(network.eval()), threads=torch.get_num_threads())
    outputs, evaluated, simulated = (
        torch.cat([run(x) for x, _ in images.in_order()])
        for run in (engine, network, network.simulate)
    )
    score = (outputs.argmax(1) == images.labels).float().mean().item()
    return Integers(score, _agreement(evaluated, outputs), _agreement(simulated, outputs))


def _agreement(first: Tensor, second: Tensor) -> Agreement:
    same = (first.argmax(1) == second.argmax(1)).double().mean()
    return Agreement((first == second).double().mean().item(), same.item())
