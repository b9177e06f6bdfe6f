"""TFLite files of others: their codes here and in LiteRT, and what they take as C.

    python benchmarks/tflite_files.py [--data FOLDER] [--samples 2000] [--smoke]

The int8 networks of MLPerf Tiny, on the native engine and in LiteRT's reference kernels, on real
samples where there are some, else on random codes. Flash is that of the exported C, with code for a
Cortex-M4; the arena is what TensorFlow Lite Micro's interpreter takes on this computer. Then a
trained CIFAR ResNet-20, exported, in LiteRT's default kernels (XNNPACK). Prints Markdown.
"""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from torch import from_numpy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from networks import WORKLOADS

import intact
from intact.api.c_sources import export_c
from intact.exec import native
from intact.ir.boundary import code_boundary
from intact.numerics.arrays import Codes
from intact.verification import litert
from intact.verification.tflm import MicroFile, read_arena
from tests.mlperf_tiny import keywords, photographs, pixels

DATA = Path(os.environ.get("INTACT_DATA", "../shared/data"))


@dataclass(frozen=True, slots=True)
class File:
    """A network of MLPerf Tiny, and codes for its input."""

    name: str
    samples: Callable[[Path, int], Codes]


def spoken(data: Path, count: int) -> Codes:
    """The benchmark's own samples, in the network's codes."""
    return keywords(data)[0][:count]


def random_codes(data: Path, count: int) -> Codes:
    """Codes of the whole range."""
    del data
    return np.random.default_rng(0).integers(-128, 128, (count, 640), dtype=np.int8)


FILES = (
    File("kws_int8.tflite", spoken),
    File("cifar_resnet8_int8.tflite", photographs),
    File("autoencoder_int8.tflite", random_codes),
)


def row(file: File, data: Path, count: int) -> list[str]:
    """Differences and bytes."""
    path = data / "networks" / "tflite" / file.name
    codes = file.samples(data, count)
    network = intact.load(path)
    cut = code_boundary(network.program)
    (source,), (target,) = cut.program.inputs, cut.program.outputs
    made = native.load(cut.program)({source.name: codes})[target.name]
    run = litert.load_file(path.read_bytes())
    (port,), (result,) = cut.inputs, cut.outputs
    expected = np.concatenate([run({port.user.name: x[None]})[result.user.name] for x in codes])
    difference = np.abs(made.astype(int) - expected)
    micro = MicroFile(path.read_bytes(), (source.name,), (target.name,))
    arena = read_arena(micro.run([{source.name: codes[:1]}])[1]).total
    with TemporaryDirectory() as folder:
        costs = export_c(network, Path(folder) / "c")
    return [
        file.name,
        f"{len(codes):,}",
        f"{np.count_nonzero(difference)} of {difference.size:,}",
        str(difference.max()),
        f"{path.stat().st_size:,}",
        f"{costs.flash:,}",
        f"{arena:,}",
        f"{costs.ram:,}",
    ]


def xnnpack(data: Path, count: int) -> str:
    """How many codes of a trained network are the reference's in LiteRT's default kernels."""
    mean, deviation = (
        np.array(n, np.float32) for n in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    images = ((pixels(data, count) / np.float32(255) - mean) / deviation).transpose(0, 3, 1, 2)
    x = from_numpy(np.ascontiguousarray(images, np.float32))
    network = intact.quantize(
        WORKLOADS["cifar_resnet20"].build(), [(x[:64],)], example_input=(x[:1],)
    )
    (found,) = intact.verify(network, [x], executors=["litert-xnnpack"]).agreements
    return f"cifar_resnet20, {count} photographs, {found}"


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--samples", type=int, default=2000, help="of each network, at most")
    parser.add_argument("--smoke", action="store_true", help="a few samples")
    arguments = parser.parse_args()
    if not (arguments.data / "networks" / "tflite").is_dir():
        print(f"skipped: no networks in {arguments.data}; give --data", file=sys.stderr)
        return 0
    count = 20 if arguments.smoke else arguments.samples
    head = (
        "file",
        "samples",
        "other codes",
        "by",
        "bytes",
        "flash as C",
        "arena in TFLM",
        "RAM as C",
    )
    for line in (head, ("---", *["--:"] * 7), *(row(f, arguments.data, count) for f in FILES)):
        print(f"| {' | '.join(line)} |")
    print(f"\n{xnnpack(arguments.data, min(count, 500))}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
