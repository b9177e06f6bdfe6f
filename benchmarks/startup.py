"""From a fresh process to the first output: imports, loading, compiling, the first run.

    python benchmarks/startup.py [NET.intact] [--executor native] [--processes 20] [--smoke]

Without a network, MobileNetV2 (224 pixels, random weights, W8A8) is quantized first. Times are
measured inside of the process, from the first import of NumPy; the interpreter's own start is not
theirs. Prints the median and the fastest of the processes.
"""

import argparse
import json
import statistics
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
PHASES = ("numpy", "intact", "load", "compile", "first run")
CHILD = """
import json, sys, time
times = [time.perf_counter()]
import numpy
times.append(time.perf_counter())
import intact
from intact.api import engine, network
if sys.argv[2] == "native":
    import intact.exec.native
times.append(time.perf_counter())
loaded = intact.load(sys.argv[1])
times.append(time.perf_counter())
run = intact.compile(loaded, executor=sys.argv[2])
inputs = [
    numpy.zeros([1 if dim < 0 else dim for dim in value.shape], value.dtype.storage)
    for value in run.inputs
]
times.append(time.perf_counter())
run(*inputs)
times.append(time.perf_counter())
print(json.dumps(times))
"""


def phases(network: Path, executor: str) -> list[float]:
    """Seconds of each phase in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(network), executor],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    times = json.loads(done.stdout)
    return [after - before for before, after in pairwise(times)]


def make_network(path: Path, pixels: int) -> None:
    """MobileNetV2 with random weights."""
    import torch

    import intact

    sys.path.insert(0, str(ROOT))
    from tests.architectures.examples import images
    from tests.architectures.mobilenet_v2 import MobileNetV2
    from tests.architectures.seeding import seeded

    example = images(3, pixels, pixels)
    samples = example(torch.Generator().manual_seed(0))
    made = intact.quantize(seeded(MobileNetV2, example), [samples], example_input=samples)
    made.save(path)


def main() -> None:
    """Prints a row for each phase."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("network", nargs="?", type=Path)
    parser.add_argument("--executor", default="native")
    parser.add_argument("--processes", type=int, default=20)
    parser.add_argument("--smoke", action="store_true", help="small images, two processes")
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        network = arguments.network
        if network is None:
            network = Path(folder) / "mobilenet_v2.intact"
            make_network(network, 32 if arguments.smoke else 224)
        count = 2 if arguments.smoke else arguments.processes
        rows = [phases(network, arguments.executor) for _ in range(count)]
    show([*(list(column) for column in zip(*rows, strict=True)), [sum(row) for row in rows]])


def show(columns: list[list[float]]) -> None:
    """The table."""
    table = Table("phase", title="milliseconds")
    table.add_column("median", justify="right")
    table.add_column("fastest", justify="right")
    for name, seconds in zip((*PHASES, "total"), columns, strict=True):
        table.add_row(name, *(f"{1e3 * f(seconds):.1f}" for f in (statistics.median, min)))
    Console().print(table)


if __name__ == "__main__":
    main()
