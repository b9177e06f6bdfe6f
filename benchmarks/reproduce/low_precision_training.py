"""Time of a training step whose forward and backward products are integers.

    python benchmarks/reproduce/low_precision_training.py [--threads N] [--rounds N] [--smoke]

DoReFa-Net (Zhou et al. 2016) and QNN (Hubara et al. 2016) expect cheaper training of gradients of
few bits. Here their networks take steps of SGD with products of real numbers in float32, of whole
numbers in float32, and of 8-bit integers; the last two give the same numbers. The peer is the same
network in torch, float32, without quantizers. All take turns in one process, so that noise of the
machine hits all alike; ratios are those of medians.

The second table has the products of one layer alone, their operands ready, without what quantizers
cost: torch's float32 against the engine's integers.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
import intact
from benchmarks.training.networks import SmallNet
from intact import Int
from intact.exec.native.library import native
from intact.qat import (
    Arithmetic,
    DorefaActivation,
    DorefaGradient,
    DorefaWeight,
    LinearActivation,
    LinearGradient,
    LinearWeight,
    QatRecipe,
    QatRule,
    TrainableNetwork,
)

QNN = QatRule(weight=LinearWeight, activation=LinearActivation, gradient=LinearGradient)
DOREFA = QatRule(
    weight=DorefaWeight,
    activation=partial(DorefaActivation, format=Int(2, signed=False)),
    gradient=DorefaGradient,
)
METHODS = {"QNN W4 A4 G6": QNN, "DoReFa W1 A2 G4": DOREFA}
PEER = "torch float32"


def mlp(width: int) -> nn.Module:
    """Three layers for images of digits."""
    return nn.Sequential(
        nn.Linear(784, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )


def stepper(network: nn.Module, x: Tensor) -> Callable[[], None]:
    """One step of training."""
    labels = torch.arange(len(x)) % 10
    optimizer = torch.optim.SGD(network.train().parameters(), 1e-3)

    def step() -> None:
        optimizer.zero_grad()
        cross_entropy(network(x), labels).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def medians(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each; they take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for round_number in range(rounds + 2):
        for name, call in contestants.items():
            start = time.perf_counter()
            call()
            if round_number > 1:  # the first ones allocate
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in seconds.items()}


def show(title: str, found: Mapping[str, float]) -> None:
    """A row for each contestant."""
    print(f"\n{title}")
    for name, seconds in found.items():
        print(f"  {name:28} {seconds * 1e3:9.3f} ms   {seconds / found[PEER]:6.2f} of the peer")


def steps_of(name: str, network: nn.Module, x: Tensor, rounds: int) -> None:
    """Times a network in all ways of training."""
    for method, rule in METHODS.items():
        made: dict[str, TrainableNetwork] = {
            arithmetic.value: intact.prepare(
                network, QatRecipe(rules=[rule], arithmetic=arithmetic), example_input=x[:1]
            )
            for arithmetic in Arithmetic
        }
        calls = {PEER: stepper(network, x)}
        calls |= {key: stepper(prepared, x) for key, prepared in made.items()}
        show(f"{name}, {method}", medians(calls, rounds))
        for product in made[Arithmetic.INTEGERS.value].float_products():
            print(f"  float: {product.layer}, {product.product.value}: {product.reason}")


def products_of(rows: int, depth: int, columns: int, rounds: int) -> None:
    """Times y = x w^T, dx = g w and dw = g^T x of a linear layer."""
    rng = np.random.default_rng(0)
    engine = native.Products(torch.get_num_threads(), native.best_isa())
    shapes = {"x": (rows, depth), "w": (columns, depth), "g": (rows, columns)}
    codes = {name: rng.integers(-31, 32, shape).astype(np.int8) for name, shape in shapes.items()}
    real = {name: torch.from_numpy(array.astype(np.float32)) for name, array in codes.items()}
    for title, a, b, flip_a, flip_b in (
        ("y = x w^T", "x", "w", False, True),
        ("dx = g w", "g", "w", False, False),
        ("dw = g^T x", "g", "x", True, False),
    ):
        left = real[a].t() if flip_a else real[a]
        right = real[b].t() if flip_b else real[b]
        sums = np.empty((len(left), right.shape[1]), np.int32)
        integers = partial(engine.multiply, codes[a], 0, flip_a, codes[b], 0, flip_b, sums)
        calls = {PEER: partial(torch.matmul, left, right), "integers": integers}
        show(f"{title}, {rows} rows, {depth} to {columns}", medians(calls, rounds))


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--smoke", action="store_true", help="tiny networks, seconds")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    torch.manual_seed(0)
    rounds = 1 if chosen.smoke else chosen.rounds
    batch, width, channels = (8, 16, 4) if chosen.smoke else (256, 2048, 32)
    print(f"{chosen.threads} threads, kernels up to {native.best_isa().name}")
    steps_of(f"MLP of {width}, batch {batch}", mlp(width), torch.randn(batch, 784), rounds)
    images = torch.randn(batch // 2, 3, 32, 32)
    network = SmallNet(channels)
    steps_of(f"SmallNet of {channels}, batch {len(images)}", network, images, rounds)
    products_of(batch, width, width, rounds)


if __name__ == "__main__":
    main()
