"""ImageNet networks on real photographs: every recipe, executed in integers.

    python examples/imagenet.py --data FOLDER [--network mobilenet_v2] [--recipe W8A8 ...]

FOLDER holds `networks/*.safetensors` and `imagenet/{calibration,validation}` (300 photographs to
calibrate, 650 labelled ones to evaluate); INTACT_DATA names it too. For each recipe the script
prints size, top-1, the paired difference to float with its 95 % confidence interval, the agreement
of the predicted class with float and the SQNR of the logits.
"""

import argparse
import csv
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor, nn

import intact
from intact.metrics import compare, top1
from intact.ptq import FromBatchNorm
from intact.recipes import RECIPES

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
# expansion, channels, blocks, stride of MobileNetV2's stages (Sandler et al. 2018, table 2)
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


class MobileNetV2(nn.Module):
    """MobileNetV2 1.0 with batch norm folded: conv00 .. conv51 in execution order."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[tuple[list[str], bool]] = []
        self._conv(3, 32, 3, stride=2)
        channels = 32
        for expansion, out, count, first_stride in STAGES:
            for index in range(count):
                stride = first_stride if index == 0 else 1
                self._block(channels, out, expansion, stride)
                channels = out
        self._conv(channels, 1280, 1)
        self.classifier = nn.Linear(1280, 1000)

    def _conv(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> str:
        name = f"conv{sum(n.startswith('conv') for n, _ in self.named_children()):02d}"
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        self.add_module(name, conv)
        return name

    def _block(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        hidden = inputs * expansion
        names = [self._conv(inputs, hidden, 1)] if expansion != 1 else []
        names.append(self._conv(hidden, hidden, 3, stride, groups=hidden))
        names.append(self._conv(hidden, outputs, 1))
        self.blocks.append((names, stride == 1 and inputs == outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1000) of images (N, 3, 224, 224), ImageNet mean and deviation removed."""
        relu6 = nn.functional.relu6
        x = relu6(self.conv00(x))
        for names, residual in self.blocks:
            y = x
            for name in names[:-1]:
                y = relu6(getattr(self, name)(y))
            y = getattr(self, names[-1])(y)
            x = x + y if residual else y
        x = relu6(self.conv51(x))
        return self.classifier(x.mean((2, 3)))


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, each with batch norm and ReLU6."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        padding = 0 if stride == 2 else 1
        self.stride = stride
        self.depthwise = nn.Conv2d(inputs, inputs, 3, stride, padding, groups=inputs, bias=False)
        self.depthwise_bn = nn.BatchNorm2d(inputs, eps=1e-3)
        self.pointwise = nn.Conv2d(inputs, outputs, 1, bias=False)
        self.pointwise_bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        if self.stride == 2:
            x = nn.functional.pad(x, (0, 1, 0, 1))
        x = nn.functional.relu6(self.depthwise_bn(self.depthwise(x)))
        return nn.functional.relu6(self.pointwise_bn(self.pointwise(x)))


class MobileNetV1(nn.Module):
    """MobileNetV1 with width 0.75 (Howard et al. 2017), batch norm not folded."""

    def __init__(self) -> None:
        super().__init__()
        widths = (48, 96, 96, 192, 192, 384, 384, 384, 384, 384, 384, 768, 768)
        self.stem = nn.ModuleDict(
            {"conv": nn.Conv2d(3, 24, 3, 2, bias=False), "bn": nn.BatchNorm2d(24, eps=1e-3)}
        )
        inputs = (24, *widths[:-1])
        strides = [2 if index in (1, 3, 5, 11) else 1 for index in range(13)]
        self.blocks = nn.Sequential(
            *(Separable(i, o, s) for i, o, s in zip(inputs, widths, strides, strict=True))
        )
        self.classifier = nn.Linear(768, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1000) of images (N, 3, 224, 224) in -1..1."""
        x = self.stem["bn"](self.stem["conv"](nn.functional.pad(x, (0, 1, 0, 1))))
        x = self.blocks(nn.functional.relu6(x))
        return self.classifier(x.mean((2, 3)))


def load_network(name: str, data: Path) -> nn.Module:
    """The named network with its ImageNet weights, in evaluation mode."""
    if name == "mobilenet_v2":
        weights = load_file(data / "networks" / "mobilenet_v2_folded.safetensors")
        scale = weights.pop("classifier.weight_scale")
        weights["classifier.weight"] = weights.pop("classifier.weight_int8").float() * scale
        model: nn.Module = MobileNetV2()
    else:
        weights = load_file(data / "networks" / "mobilenet_v1_0.75.safetensors")
        model = MobileNetV1()
    missing, unexpected = model.load_state_dict(weights, strict=False)
    unknown = [key for key in missing if not key.endswith("num_batches_tracked")]
    assert not [*unknown, *unexpected], (unknown, unexpected)
    return model.eval()


def photograph(path: Path, network: str) -> np.ndarray:
    """One photograph as the network wants it: (3, 224, 224), the centre."""
    image = Image.open(path).convert("RGB")
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    pixels = (pixels / 255 - MEAN) / STD if network == "mobilenet_v2" else pixels / 127.5 - 1
    return pixels.transpose(2, 0, 1)


def calibration(data: Path, network: str, batch: int = 10) -> Iterator[Tensor]:
    """The calibration photographs in batches."""
    paths = sorted((data / "imagenet" / "calibration").glob("*.[jJ]*"))
    for start in range(0, len(paths), batch):
        chunk = [photograph(path, network) for path in paths[start : start + batch]]
        yield torch.from_numpy(np.stack(chunk))


def validation(data: Path, network: str, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The validation photographs (N, 3, 224, 224), all or the first, and their labels (N,)."""
    folder = data / "imagenet" / "validation"
    with (folder / "labels.csv").open() as file:
        rows = [(row["file"], int(row["label"])) for row in csv.DictReader(file)][:limit]
    images = np.stack([photograph(folder / name, network) for name, _ in rows])
    return images, np.array([label for _, label in rows])


def run(engine: object, images: np.ndarray, batch: int = 10) -> np.ndarray:
    """Logits of all images."""
    parts = [engine(images[start : start + batch]) for start in range(0, len(images), batch)]
    return np.concatenate(parts)


def main() -> None:
    """Prints the table for one network."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("INTACT_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument(
        "--network", choices=["mobilenet_v2", "mobilenet_v1_0.75"], default="mobilenet_v2"
    )
    parser.add_argument("--recipe", nargs="+", choices=RECIPES, help="by default all that fit")
    parser.add_argument("--limit", type=int, help="use only so many validation photographs")
    parser.add_argument("--json", type=Path, help="write the rows to this file as well")
    arguments = parser.parse_args()
    if not (arguments.data / "imagenet").is_dir():
        print(f"skipped: no photographs at {arguments.data}; use --data", file=sys.stderr)
        return
    recipes = arguments.recipe or fitting(arguments.network)
    rows = measure(arguments.data, arguments.network, recipes, arguments.limit)
    show(arguments.network, rows)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def fitting(network: str) -> list[str]:
    """All recipes, but none that asks BatchNorm where it is folded."""
    if network != "mobilenet_v2":
        return list(RECIPES)
    return [name for name, r in RECIPES.items() if not isinstance(r.observe, FromBatchNorm)]


def measure(data: Path, network: str, recipes: list[str], limit: int | None) -> list[dict]:
    """One row for float and one for each recipe."""
    model = load_network(network, data)
    images, labels = validation(data, network, limit)
    with torch.no_grad():
        reference = run(lambda x: model(torch.from_numpy(x)).numpy(), images)
    size = sum(p.numel() * 4 for p in model.parameters())
    rows = [{"recipe": "float32", "bytes": size, "top1": top1(reference, labels).share}]
    example = torch.from_numpy(images[:1])
    for recipe in recipes:
        start = time.perf_counter()
        network_ = intact.quantize(
            model, calibration(data, network), example_input=example, recipe=recipe
        )
        quantized = time.perf_counter() - start
        start = time.perf_counter()
        logits = run(intact.compile(network_, executor="reference"), images)
        evaluated = time.perf_counter() - start
        tally = compare(logits, reference, labels)
        rows.append({
            "recipe": recipe,
            "bytes": network_.bytes,
            "top1": top1(logits, labels).share,
            "difference": tally.difference,
            "interval": tally.difference_interval,
            "agreement": tally.agreement,
            "sqnr": tally.sqnr_db,
            "quantize_seconds": quantized,
            "evaluate_seconds": evaluated,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        })  # fmt: skip
        print(json.dumps(rows[-1]), file=sys.stderr)
    return rows


def show(network: str, rows: list[dict]) -> None:
    """The table."""
    table = Table(title=network)
    for column in (
        "recipe",
        "MB",
        "top-1",
        "points to float (95 %)",
        "agreement",
        "SQNR dB",
        "s",
        "s eval",
    ):
        table.add_column(column, justify="left" if column == "recipe" else "right")
    for row in rows:
        cells = [row["recipe"], f"{row['bytes'] / 1e6:.2f}", f"{row['top1']:.1%}"]
        if "difference" in row:
            cells += [
                "{:+.2f} ({:+.2f} .. {:+.2f})".format(
                    *(100 * x for x in (row["difference"], *row["interval"]))
                ),
                f"{row['agreement']:.1%}",
                f"{row['sqnr']:.1f}",
                f"{row['quantize_seconds']:.0f}",
                f"{row['evaluate_seconds']:.0f}",
            ]
        table.add_row(*cells)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
