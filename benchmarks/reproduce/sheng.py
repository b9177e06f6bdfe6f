"""A quantization-friendly separable convolution (Sheng et al. 2018), trained on CIFAR-10 (JPEG).

    python benchmarks/reproduce/sheng.py [--images N] [--epochs N] [--test N] [--smoke]
        [--json benchmarks/results/sheng.json]

A small MobileNetV1 is trained from the same start four times: as it is; without batch norm and
ReLU6 between depthwise and pointwise convolutions; with ReLU for all other ReLU6 as well; and with
a penalty on depthwise weights as well. Some channels are dead from the start, as training with
ReLU6 leaves them in larger networks (10 of the first 24 of MobileNetV1-0.75): what varies least is
folded with the largest factor. Each network is evaluated in float and in integers with one scale
for each tensor; the original also with its dead channels repaired.

`worst dB` is the smallest signal to noise of a depthwise layer alone.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
import intact
from benchmarks import cifar
from intact.capture.export import capture
from intact.capture.module import CapturedModule, from_graph
from intact.capture.penalty import depthwise_penalty
from intact.diagnosis.noise import layer_noise
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.metrics import top1
from intact.numerics.formats import Int
from intact.numerics.granularity import PerTensor
from intact.observers import MinMax
from intact.passes.inference import for_inference
from intact.passes.separable import is_depthwise, separable
from intact.ptq import DeadChannelRepair, Nearest, Preparation, PtqRule, Recipe

DATA = Path(os.environ.get("INTACT_DATA", "../shared/data"))
BLOCKS = ((16, 32, 2), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 128, 2), (128, 128, 1))
DEAD = 2  # channels of each pointwise convolution
CALIBRATION = 128  # training images


class Net(nn.Module):
    """MobileNetV1 with six blocks for images of 32x32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        self.depthwise = nn.ModuleList(
            nn.Conv2d(i, i, 3, s, 1, groups=i, bias=False) for i, _, s in BLOCKS
        )
        self.depthwise_bn = nn.ModuleList(nn.BatchNorm2d(i) for i, _, _ in BLOCKS)
        self.pointwise = nn.ModuleList(nn.Conv2d(i, o, 1, bias=False) for i, o, _ in BLOCKS)
        self.pointwise_bn = nn.ModuleList(nn.BatchNorm2d(o) for _, o, _ in BLOCKS)
        self.classifier = nn.Linear(128, 10)
        for norm in (self.stem_bn, *self.pointwise_bn[:-1]):
            nn.init.constant_(
                norm.bias[:DEAD], -1
            )  # with a gain of 0 the ReLU lets nothing through
            nn.init.zeros_(norm.weight[:DEAD])

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 10) of images (N, 3, 32, 32)."""
        relu6 = functional.relu6
        x = relu6(self.stem_bn(self.stem(x)))
        layers = (self.depthwise, self.depthwise_bn, self.pointwise, self.pointwise_bn)
        for depthwise, depthwise_bn, pointwise, pointwise_bn in zip(*layers, strict=True):
            x = relu6(depthwise_bn(depthwise(x)))
            x = relu6(pointwise_bn(pointwise(x)))
        return self.classifier(x.mean((2, 3)))


@dataclass(frozen=True)
class Variant:
    """One training."""

    name: str
    rewritten: bool = False
    relu: bool = False
    penalty: float = 0.0

    def start(self) -> Graph[FloatOp]:
        """The network before its training, the same weights for all."""
        torch.manual_seed(0)
        graph = capture(Net().eval(), torch.zeros(1, 3, 32, 32))
        return separable(graph, keep_relu6=not self.relu) if self.rewritten else graph


VARIANTS = (
    Variant("original"),
    Variant("no BN, no ReLU6", rewritten=True),
    Variant("+ ReLU", rewritten=True, relu=True),
    Variant("+ L2 penalty", rewritten=True, relu=True, penalty=5e-4),
)


@dataclass(frozen=True)
class Training:
    """SGD with Nesterov momentum and a cosine from `rate` to 0; flips.

    Depthwise weights do not decay.
    """

    images: int = 10000
    epochs: int = 6
    batch: int = 64
    rate: float = 0.1
    decay: float = 1e-4


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    float_top1: float
    int8_top1: float
    worst_depthwise_db: float


@dataclass(frozen=True)
class Split:
    """Images (N, 3, 32, 32), normalized, and labels."""

    x: np.ndarray
    y: np.ndarray

    @staticmethod
    def read(split: str, count: int) -> "Split":
        """The first `count` of "train" or "test"."""
        pixels, labels = cifar.pixels(DATA, split)
        return Split(cifar.normalized(pixels[:count]), labels[:count])

    @staticmethod
    def drawn(count: int) -> "Split":
        """Noise, to see that everything runs."""
        rng = np.random.default_rng(0)
        x = rng.normal(size=(count, 3, 32, 32)).astype(np.float32)
        return Split(x, rng.integers(0, 10, count))


def trained(variant: Variant, data: Split, settings: Training) -> Graph[FloatOp]:
    """The variant's network after its training."""
    graph = variant.start()
    module = from_graph(graph).train()
    steps = settings.epochs * (len(data.x) // settings.batch)
    optimizer = torch.optim.SGD(
        _groups(module, graph, settings.decay), settings.rate, 0.9, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    start = time.perf_counter()
    for step, (x, y) in enumerate(_batches(data, settings)):
        optimizer.zero_grad()
        loss = functional.cross_entropy(module(x), y)
        if variant.penalty:
            loss = loss + variant.penalty * depthwise_penalty(module, graph)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            seconds = time.perf_counter() - start
            print(f"{variant.name}: {step}/{steps} {loss.item():.3f} {seconds:.0f} s",
                  file=sys.stderr, flush=True)  # fmt: skip
    return module.eval().to_graph()


def _groups(module: CapturedModule, graph: Graph[FloatOp], decay: float) -> list[dict]:
    depthwise = {node.inputs[1].name for node in graph.nodes if is_depthwise(node)}
    free = [module.constant(name) for name in sorted(depthwise)]
    others = [p for p in module.parameters() if not any(p is weight for weight in free)]
    return [{"params": others, "weight_decay": decay}, {"params": free, "weight_decay": 0.0}]


def _batches(data: Split, settings: Training) -> Iterator[tuple[Tensor, Tensor]]:
    rng = np.random.default_rng(1)
    for _ in range(settings.epochs):
        order = rng.permutation(len(data.x))
        for first in range(0, len(order) - settings.batch + 1, settings.batch):
            chosen = order[first : first + settings.batch]
            x = data.x[chosen]
            flipped = rng.random(len(x)) < 0.5
            x[flipped] = x[flipped][..., ::-1]
            yield torch.from_numpy(x), torch.from_numpy(data.y[chosen])


def measured(
    name: str,
    graph: Graph[FloatOp],
    train: Split,
    test: Split,
    before: tuple[Preparation, ...] = (),
) -> Row:
    """Accuracy in float and in integers, and the noisiest depthwise layer."""
    samples = [torch.from_numpy(train.x[:CALIBRATION])]
    rule = PtqRule(weight=Nearest(Int(8, narrow=True), PerTensor()), activation=MinMax(Int(8)))
    network = intact.quantize(graph, samples, recipe=Recipe(rules=(rule,), before=before))
    reference = graph
    for prepare in before:
        reference = prepare(reference, samples, lambda *_: None)
    reference = for_inference(reference)
    noises = {n.name: n for n in layer_noise(reference, network.program, [samples[0][:32]])}
    depthwise = _written(reference)
    worst = min(noises[n].own_sqnr_db for n in depthwise)
    engines = (intact.compile(graph), intact.compile(network))
    share = [top1(engine(test.x), test.y).share for engine in engines]
    return Row(name, share[0], share[1], worst)


def _written(graph: Graph[FloatOp]) -> list[str]:
    """What each depthwise layer writes, its fused activation included."""
    readers = graph.consumers()
    found = []
    for node in graph.nodes:
        if is_depthwise(node):
            (reader,) = readers[node.name]
            clamps = type(reader.op).__name__ in ("Relu", "Clamp")
            found.append(reader.name if clamps else node.name)
    return found


def main() -> None:
    """Trains, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=Training.images, help="to train on")
    parser.add_argument("--epochs", type=int, default=Training.epochs)
    parser.add_argument("--test", type=int, default=2000, help="images to evaluate on")
    parser.add_argument("--smoke", action="store_true", help="noise, and a few steps of training")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    settings = Training(images=arguments.images, epochs=arguments.epochs)
    if arguments.smoke:
        settings = Training(images=CALIBRATION, epochs=1)
        train, test = Split.drawn(CALIBRATION), Split.drawn(64)
    elif (DATA / "cifar10").is_dir():
        train, test = Split.read("train", settings.images), Split.read("test", arguments.test)
    else:
        print(f"skipped: no cifar10 at {DATA}; set INTACT_DATA", file=sys.stderr)
        return
    rows: list[Row] = []
    for variant in VARIANTS:
        graph = trained(variant, train, settings)
        rows.append(measured(variant.name, graph, train, test))
        if not variant.rewritten:
            repaired = (DeadChannelRepair(),)
            rows.append(measured("original, repaired", graph, train, test, repaired))
        print(rows[-1], file=sys.stderr)
    show(rows)
    if arguments.json:
        results = {"training": asdict(settings), "test_images": len(test.x)}
        results["rows"] = [asdict(row) for row in rows]
        arguments.json.parent.mkdir(exist_ok=True)
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


def show(rows: list[Row]) -> None:
    """The table."""
    table = Table(title="MobileNetV1 of six blocks, CIFAR-10 (JPEG), int8 per tensor")
    for column in ("network", "float", "int8", "worst dB"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for row in rows:
        table.add_row(
            row.name,
            f"{row.float_top1:.1%}",
            f"{row.int8_top1:.1%}",
            f"{row.worst_depthwise_db:.1f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
