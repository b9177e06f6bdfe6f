"""A plain training loop: an optimizer, a schedule, a curve, and a file to go on from.

What an epoch draws depends on the seed and the epoch's number alone, and the file is written after
each epoch with the state of the network, of the optimizer and of torch's generator: a run that was
interrupted gives the same weights as one that was not.
"""

import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim import Optimizer

Log: TypeAlias = Callable[[str], None]
Objective: TypeAlias = Callable[[nn.Module, Tensor, Tensor], Tensor]
Schedule: TypeAlias = Callable[[float], float]
Hook: TypeAlias = Callable[[nn.Module, int], None]
EVERY = 10.0  # seconds between two lines about progress


@dataclass(frozen=True)
class Batches:
    """What one epoch goes through."""

    steps: int
    draw: Callable[[torch.Generator], Iterable[tuple[Tensor, Tensor]]]


def cosine(progress: float) -> float:
    """From 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Exponential:
    """From 1 to `last`, each step by the same factor."""

    last: float

    def __call__(self, progress: float) -> float:
        """The factor of the rates."""
        return float(self.last**progress)


def constant(progress: float) -> float:  # noqa: ARG001  # a schedule like the others
    """Always 1."""
    return 1.0


def classify(network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The cross entropy of logits and labels."""
    return cross_entropy(network(x), y)


def nothing(network: nn.Module, number: int) -> None:
    """A hook that does nothing."""


def adam(
    network: nn.Module, *, rate: float, own: Mapping[str, float] = MappingProxyType({})
) -> Optimizer:
    """Adam without weight decay; parameters whose names have an ending of `own` have its rate.

    Adam moves each number by about its rate, however small its gradient: quantizers' steps, which
    are much smaller than 1, want a lower one than weights.
    """
    parts: dict[float, list[nn.Parameter]] = {rate: []}
    for name, parameter in network.named_parameters():
        found = next((each for ending, each in own.items() if name.endswith(ending)), rate)
        parts.setdefault(found, []).append(parameter)
    return torch.optim.Adam([{"params": part, "lr": each} for each, part in parts.items()], rate)


def sgd(network: nn.Module, *, rate: float, decay: float = 0.0) -> Optimizer:
    """SGD with Nesterov momentum 0.9; kernels and matrices alone decay, and no quantizer."""
    weights, others = [], []
    for name, parameter in network.named_parameters():
        decays = parameter.ndim > 1 and "quantizer" not in name
        (weights if decays else others).append(parameter)
    groups = [{"params": weights, "weight_decay": decay}, {"params": others}]
    return torch.optim.SGD(groups, rate, 0.9, nesterov=True)


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained."""

    epochs: int
    optimizer: Callable[[nn.Module], Optimizer]  # of the network's parameters
    schedule: Schedule = cosine  # what rates are multiplied by, of the share of steps done
    gradient_norm: float = math.inf  # gradients of a larger norm are scaled to it
    seed: int = 0
    objective: Objective = classify
    before_epoch: Hook = nothing  # called with the network and the epoch's number
    after_step: Hook = nothing  # called with the network and the step's number


@dataclass(frozen=True)
class Point:
    """An epoch of the curve."""

    loss: float  # mean over the epoch's batches, as they were trained
    score: float  # after the epoch


@dataclass(frozen=True)
class Trained:
    """What training took and showed."""

    curve: list[Point]
    seconds: float


def train(
    network: nn.Module,
    batches: Batches,
    settings: Training,
    validate: Callable[[nn.Module], float],
    *,
    checkpoint: Path | None = None,
    log: Log = lambda line: print(line, file=sys.stderr, flush=True),
) -> Trained:
    """Trains in place.

    Args:
        network: The network; it is left in evaluation mode.
        batches: The inputs and targets of one epoch, drawn by the generator.
        settings: How to.
        validate: The score of the network in evaluation mode.
        checkpoint: Written after each epoch; if it is there, training goes on from it.
        log: Gets lines about progress.
    """
    optimizer = settings.optimizer(network)
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    curve: list[Point] = []
    seconds = 0.0
    if checkpoint is not None and checkpoint.exists():
        curve, seconds = _restored(checkpoint, network, optimizer)
    else:
        torch.manual_seed(settings.seed)  # of dropout
    for epoch in range(len(curve), settings.epochs):
        start = time.perf_counter()
        settings.before_epoch(network, epoch)
        loss = _epoch(network.train(), optimizer, batches, settings, epoch, log)
        network.eval()
        with torch.no_grad():
            curve.append(Point(loss, validate(network)))
        seconds += time.perf_counter() - start
        log(f"epoch {epoch + 1} of {settings.epochs}: loss {loss:.4f}, score {curve[-1].score:.4f}")
        if checkpoint is not None:
            _keep(checkpoint, network, optimizer, curve, seconds)
    network.eval()
    return Trained(curve, seconds)


def _epoch(
    network: nn.Module, optimizer: Optimizer, batches: Batches, settings: Training,
    epoch: int, log: Log,
) -> float:  # fmt: skip
    """One epoch; its mean loss."""
    generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
    total, told = 0.0, time.perf_counter()
    for index, (x, y) in enumerate(batches.draw(generator)):
        step = epoch * batches.steps + index
        factor = settings.schedule(step / (settings.epochs * batches.steps))
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor
        optimizer.zero_grad()
        loss = settings.objective(network, x, y)
        loss.backward()  # type: ignore[no-untyped-call]
        if math.isfinite(settings.gradient_norm):
            nn.utils.clip_grad_norm_(network.parameters(), settings.gradient_norm)
        optimizer.step()
        settings.after_step(network, step)
        total += loss.item()
        if time.perf_counter() - told > EVERY:
            told = time.perf_counter()
            log(f"  step {index + 1} of {batches.steps}, loss {total / (index + 1):.4f}")
    return total / max(1, batches.steps)


def _restored(path: Path, network: nn.Module, optimizer: Optimizer) -> tuple[list[Point], float]:
    """The curve and the seconds so far."""
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["generator"])
    return [Point(**point) for point in state["curve"]], state["seconds"]


def _keep(
    path: Path, network: nn.Module, optimizer: Optimizer, curve: list[Point], seconds: float
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    state = {
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "generator": torch.get_rng_state(),
        "curve": [asdict(point) for point in curve],
        "seconds": seconds,
    }
    torch.save(state, partial)
    partial.replace(path)  # whole or not at all
