"""DeepLabV3 on photographs: every pixel's class, in floats and in integers.

    python examples/deeplab.py --data FOLDER [--recipe W8A8 ...] [--limit N]

FOLDER holds `networks/deeplabv3_mobilenet_v2.safetensors`, `coco/{images,masks}` to evaluate and
`imagenet/calibration` to calibrate; INTACT_DATA names it too. For each recipe the script prints
pixel accuracy and mean intersection over union of the 21 classes of Pascal VOC.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate, relu, relu6

import intact
from intact.recipes import RECIPES

SIZE = 513
CLASSES = 21
UNLABELLED = 255
CALIBRATION = 64  # ImageNet photographs, of which there are 300: a network of 9 GMAC each
# COCO's id of each of the classes 1 .. 20 of Pascal VOC; class 0 is all else.
COCO_IDS = (5, 2, 16, 9, 44, 6, 3, 17, 62, 21, 67, 18, 19, 4, 1, 64, 20, 63, 7, 72)
# expansion, channels, blocks, stride, dilation of the first block and of the others
STAGES = (
    (1, 16, 1, 1, 1, 1), (6, 24, 2, 2, 1, 1), (6, 32, 3, 2, 1, 1), (6, 64, 4, 1, 1, 2),
    (6, 96, 3, 1, 2, 2), (6, 160, 3, 1, 2, 4), (6, 320, 1, 1, 4, 4),
)  # fmt: skip


class DeepLabV3(nn.Module):
    """DeepLabV3 (Chen et al. 2017) on MobileNetV2 at output stride 8, batch norm folded.

    conv00 .. conv50 are the backbone in execution order; the head has the 1x1 branch and the image
    pooling only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.blocks: list[tuple[list[str], bool]] = []
        self._conv(3, 32, 3, stride=2)
        channels = 32
        for expansion, out, count, stride, first_dilation, dilation in STAGES:
            self._block(channels, out, expansion, stride, first_dilation)
            for _ in range(count - 1):
                self._block(out, out, expansion, 1, dilation)
            channels = out
        self.aspp0 = nn.Conv2d(320, 256, 1)
        self.image_pooling = nn.Conv2d(320, 256, 1)
        self.concat_projection = nn.Conv2d(512, 256, 1)
        self.logits = nn.Conv2d(256, CLASSES, 1)

    def _conv(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1,
        groups: int = 1,
    ) -> str:  # fmt: skip
        name = f"conv{sum(n.startswith('conv') for n, _ in self.named_children()):02d}"
        padding = kernel // 2 * dilation
        conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups)
        self.add_module(name, conv)
        return name

    def _block(self, inputs: int, outputs: int, expansion: int, stride: int, dilation: int) -> None:
        hidden = inputs * expansion
        names = [self._conv(inputs, hidden, 1)] if expansion != 1 else []
        depthwise = self._conv(hidden, hidden, 3, stride=stride, dilation=dilation, groups=hidden)
        names += [depthwise, self._conv(hidden, outputs, 1)]
        self.blocks.append((names, stride == 1 and inputs == outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 21, 513, 513) of images (N, 3, 513, 513) in -1..1."""
        size = x.shape[2:]
        x = relu6(self.conv00(x))
        for names, residual in self.blocks:
            y = x
            for name in names[:-1]:
                y = relu6(getattr(self, name)(y))
            y = getattr(self, names[-1])(y)
            x = x + y if residual else y
        pooled = relu(self.image_pooling(adaptive_avg_pool2d(x, 1)))
        pooled = pooled.expand(-1, -1, x.shape[2], x.shape[3])
        joined = torch.cat([pooled, relu(self.aspp0(x))], dim=1)
        logits = self.logits(relu(self.concat_projection(joined)))
        return interpolate(logits, size=size, mode="bilinear", align_corners=True)


def load_network(data: Path) -> nn.Module:
    """DeepLabV3 with its Pascal VOC weights, in evaluation mode."""
    weights = load_file(data / "networks" / "deeplabv3_mobilenet_v2.safetensors")
    head = {"51": "aspp0", "52": "image_pooling", "53": "concat_projection", "54": "logits"}
    named = {}
    for key, tensor in weights.items():
        number, _, kind = key.partition(".")
        named[f"{head.get(number, f'conv{number}')}.{kind}"] = tensor
    model = DeepLabV3()
    model.load_state_dict(named)
    return model.eval()


def scaled(image: Image.Image, resampling: Image.Resampling) -> Image.Image:
    """The image with its longer side as long as the network's input."""
    ratio = SIZE / max(image.size)
    return image.resize((round(image.width * ratio), round(image.height * ratio)), resampling)


def photograph(path: Path) -> np.ndarray:
    """One photograph as the network wants it: (3, 513, 513), zeros right of and below it."""
    pixels = np.asarray(scaled(Image.open(path).convert("RGB"), Image.Resampling.BILINEAR))
    padded = np.zeros((SIZE, SIZE, 3), np.float32)
    padded[: pixels.shape[0], : pixels.shape[1]] = pixels / np.float32(127.5) - 1
    return padded.transpose(2, 0, 1)


def mask(path: Path) -> np.ndarray:
    """One photograph's classes as uint8 (513, 513); UNLABELLED where there is none."""
    ids = np.asarray(scaled(Image.open(path), Image.Resampling.NEAREST))
    table = np.zeros(256, np.uint8)
    table[list(COCO_IDS)] = np.arange(1, CLASSES)
    table[0] = UNLABELLED
    padded = np.full((SIZE, SIZE), UNLABELLED, np.uint8)
    padded[: ids.shape[0], : ids.shape[1]] = table[ids]
    return padded


def calibration(data: Path, samples: int = CALIBRATION) -> Iterator[Tensor]:
    """ImageNet photographs, one a batch: none of COCO's, which all serve to evaluate."""
    paths = sorted((data / "imagenet" / "calibration").glob("*.[jJ]*"))
    for path in paths[:: max(1, len(paths) // samples)][:samples]:
        yield torch.from_numpy(photograph(path)[None])


def validation(data: Path, limit: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """COCO's photographs (N, 3, 513, 513), all or the first, and their masks (N, 513, 513)."""
    paths = sorted((data / "coco" / "masks").glob("*.png"))[:limit]
    images = [photograph(data / "coco" / "images" / f"{path.stem}.jpg") for path in paths]
    return np.stack(images), np.stack([mask(path) for path in paths])


def classes(logits: np.ndarray) -> np.ndarray:
    """Each pixel's class as uint8 (N, H, W); given classes, the same."""
    return logits if logits.ndim == 3 else logits.argmax(1).astype(np.uint8)


def confusions(guesses: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """How many of each photograph's labelled pixels of one class are taken for another.

    (N, 21, 21): true class, guessed class.
    """
    counts = np.empty((len(masks), CLASSES, CLASSES), np.int64)
    for row, (guess, truth) in enumerate(zip(guesses, masks, strict=True)):
        labelled = truth != UNLABELLED
        pairs = truth[labelled].astype(np.int64) * CLASSES + guess[labelled]
        counts[row] = np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    return counts


def pixel_accuracy(confusion: np.ndarray) -> float:
    """The share of labelled pixels that are right."""
    return float(np.trace(confusion) / confusion.sum())


def mean_iou(confusion: np.ndarray) -> float:
    """Intersection over union of true and guessed pixels, mean of the classes that occur."""
    both, true, guessed = np.diag(confusion), confusion.sum(1), confusion.sum(0)
    occur = true > 0
    return float((both[occur] / (true + guessed - both)[occur]).mean())


def segment(engine: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """The class of each pixel of all images, one image after the other."""
    return np.concatenate([classes(engine(images[i : i + 1])) for i in range(len(images))])


def main() -> None:
    """Prints a row for float and one for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    default = os.environ.get("INTACT_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--recipe", nargs="+", choices=RECIPES, default=["W8A8"])
    parser.add_argument("--limit", type=int, help="use only so many photographs")
    parser.add_argument("--samples", type=int, default=CALIBRATION, help="to calibrate")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if not (arguments.data / "coco").is_dir():
        print(f"skipped: no photographs at {arguments.data}; use --data", file=sys.stderr)
        return
    samples = list(calibration(arguments.data, arguments.samples))
    rows = measure(arguments.data, arguments.recipe, samples, arguments.limit, arguments.threads)
    table = Table(title="DeepLabV3")
    for column in ("recipe", "MB", "pixel accuracy", "mean IoU", "s", "ms a photograph"):
        table.add_column(column, justify="left" if column == "recipe" else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=100).print(table)


def measure(
    data: Path, recipes: list[str], samples: list[Tensor], limit: int | None, threads: int
) -> list[list[str]]:
    """The table's rows."""
    model = load_network(data)
    images, masks = validation(data, limit)

    def row(
        name: str, size: int, engine: Callable[[np.ndarray], np.ndarray], seconds: float
    ) -> list[str]:
        start = time.perf_counter()
        confusion = confusions(segment(engine, images), masks).sum(0)
        each = 1000 * (time.perf_counter() - start) / len(images)
        measures = pixel_accuracy(confusion), mean_iou(confusion)
        return [
            name, f"{size / 1e6:.2f}", *(f"{x:.2%}" for x in measures),
            f"{seconds:.0f}", f"{each:.0f}",
        ]  # fmt: skip

    with torch.no_grad():
        size = sum(p.numel() * 4 for p in model.parameters())
        rows = [row("float32", size, lambda x: model(torch.from_numpy(x)).numpy(), 0)]
    for recipe in recipes:
        start = time.perf_counter()
        network = intact.quantize(
            model, samples, example_input=torch.from_numpy(images[:1]), recipe=recipe
        )
        seconds = time.perf_counter() - start
        for name, why in network.stays_float.items():
            print(f"{recipe}: {name} stays float: {why}", file=sys.stderr)
        with intact.compile(network, threads=threads) as engine:
            rows.append(row(recipe, network.bytes, engine, seconds))
    return rows


if __name__ == "__main__":
    main()
