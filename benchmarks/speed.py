"""Latency of well-known networks in intact and in other runtimes, side by side.

    python benchmarks/speed.py [--networks resnet18 ...] [--threads 1 2] [--json FILE] [--smoke]

Each network is quantized by intact once and kept in --cache; every runtime gets the same weights:
intact the .intact file, ONNX Runtime the exported ONNX file (int8 activations, and the same with
uint8 ones, for which it has faster kernels), OpenVINO the ONNX file; both also run the float
network. Each contestant has a process of its own; they take turns. A cell is a runtime's fastest
way (--json writes all): the median in milliseconds, with the share of the measured int8 limit of
this CPU (limit.c) from the minimum; "ahead" is the fastest integer peer's median over intact's.

A dagger marks integers that are wrong: some layer, fed with the reference's codes, gives other
codes than rounding explains. Without VNNI, x86 kernels for uint8 saturate.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import intact
from intact.benchmark.entrants import PEERS, Files, PeerName, contestants, is_installed, write_files
from intact.benchmark.measure import Measured, measure
from intact.benchmark.peers import OnnxRuntime
from intact.benchmark.worker import Contestant

if TYPE_CHECKING:
    from networks import Workload

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

HERE = Path(__file__).resolve().parent
ISA = {"avx2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "INTACT_MAX_ISA": "avx2"}}
FLOAT = "float"


def column_of(label: str) -> str:
    """Each runtime has one column for all ways to run its integers; all have one for floats."""
    return FLOAT if label.endswith(f" {FLOAT}") else label.split()[0]


@dataclass(frozen=True)
class Prepared:
    """A network's files, and the contestants that it has beyond the usual."""

    workload: "Workload"
    files: Files
    extra: tuple[Contestant, ...]


@dataclass(frozen=True)
class Row:
    """One network at one batch size and number of threads."""

    network: str
    batch: int
    threads: int
    macs: int  # of the whole batch; 0 if it computes in float
    limit: float | None  # int8 multiply-accumulates a second
    measured: tuple[Measured, ...]

    def document(self) -> dict[str, Json]:
        """What --json writes."""
        return {
            "network": self.network,
            "batch": self.batch,
            "threads": self.threads,
            "macs": self.macs,
            "limit": self.limit,
            "ahead": self.ahead,
            "runtimes": [contestant_document(one) for one in self.measured],
        }

    def cell(self, column: str) -> str:
        """The fastest contestant of the column; empty if none ran."""
        ran = [m for m in self.measured if m.entry.seconds and column_of(m.name) == column]
        if not ran:
            return ""
        one = min(ran, key=lambda m: m.entry.median)
        median = one.entry.median
        text = milliseconds(median)
        if self.limit is not None and self.macs and column != FLOAT:
            text += f" ({self.macs / self.limit / one.entry.minimum:.0%})"
        text += "†" if one.is_wrong else ""
        return f"**{text}**" if median == min(m.entry.median for m in self.measured) else text

    @property
    def ahead(self) -> float | None:
        """How many times intact's median the fastest integer peer takes; None without either."""
        medians = {m.name: m.entry.median for m in self.measured if m.entry.seconds}
        own = [seconds for name, seconds in medians.items() if name == "intact"]
        peers = [s for name, s in medians.items() if column_of(name) not in ("intact", FLOAT)]
        return min(peers) / own[0] if own and peers else None


def contestant_document(measured: Measured) -> dict[str, Json]:
    """As of the command, without ratios."""
    entry, found = measured.entry, measured.agreement
    layers = None if found is None else found.layers
    return {
        "name": measured.name,
        "version": None if entry.loaded is None else entry.loaded.version,
        "median_seconds": entry.median if entry.seconds else None,
        "minimum_seconds": entry.minimum if entry.seconds else None,
        "calls": len(entry.seconds),
        "peak_bytes": None if entry.loaded is None else entry.loaded.peak_bytes,
        "failure": entry.failure,
        "right": None if found is None else found.right,
        "wrong_codes": None if layers is None else layers.wrong,
        "output_error": None if found is None else found.error,
        "agreement": None if found is None else found.top1,
    }


# --- networks ------------------------------------------------------------------------------------


def prepare(workload: "Workload", cache: Path, against: Sequence[PeerName]) -> Prepared:
    """The network's files; made if they are not in the cache."""
    folder = cache / workload.name
    done = folder / "files.json"
    if not done.exists():
        note(f"preparing {workload.name}")
        folder.mkdir(parents=True, exist_ok=True)
        files = quantized(workload, folder, against)
        paths = {key: getattr(files, key) for key in Files.__slots__}
        done.write_text(
            json.dumps({k: str(v) if isinstance(v, Path) else v for k, v in paths.items()})
        )
    stored = json.loads(done.read_text())
    files = Files(**{k: Path(v) if isinstance(v, str) else v for k, v in stored.items()})
    extra = (*dynamic(workload, files, against), *whole_activations(workload, files, against))
    return Prepared(workload, files, extra)


def quantized(workload: "Workload", folder: Path, against: Sequence[PeerName]) -> Files:
    """Quantizes the network and writes what the runtimes read."""
    module = workload.build()
    graph = intact.to_graph(module, next(workload.calibration()))
    network = intact.quantize(graph, workload.calibration(), recipe=workload.recipe)
    return write_files(network.program, folder, against, graph=graph)


def dynamic(
    workload: "Workload", files: Files, against: Sequence[PeerName]
) -> Iterator[Contestant]:
    """ONNX Runtime's own way for transformers: activations are quantized when it runs."""
    if (
        not workload.name.startswith("bert")
        or "onnxruntime" not in against
        or files.float_onnx is None
    ):
        return
    target = files.float_onnx.with_stem("dynamic")
    if not target.exists():
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(files.float_onnx, target, weight_type=QuantType.QInt8)
    yield Contestant("onnxruntime dynamic", OnnxRuntime(), target)


def whole_activations(
    workload: "Workload", files: Files, against: Sequence[PeerName]
) -> Iterator[Contestant]:
    """ONNX Runtime with int4 weights and real activations, which is what intact computes.

    Left to itself it rounds activations to int8.
    """
    if workload.recipe == "W4-g32" and "onnxruntime" in against and files.onnx is not None:
        settings = (("session.qdq_matmulnbits_accuracy_level", "1"),)
        yield Contestant("onnxruntime real x", OnnxRuntime(settings=settings), files.onnx)


# --- measuring -----------------------------------------------------------------------------------


def row(
    prepared: Prepared,
    batch: int,
    threads: int,
    rounds: int,
    against: Sequence[PeerName],
    isa: str | None,
) -> Row:
    """One row of the table."""
    workload, files = prepared.workload, prepared.files
    network = intact.load(files.native)
    inputs = tuple(tensor.numpy() for tensor in workload.inputs(batch))
    entrants = (*contestants(files, against), *prepared.extra)
    if isa is not None:  # what ONNX Runtime may use cannot be chosen
        restricted = [replace(c, environment=ISA[isa]) for c in entrants]
        entrants = tuple(c for c in restricted if not isinstance(c.peer, OnnxRuntime))
    note(f"{workload.name}, batch {batch}, {threads} threads")
    measured = measure(network.program, entrants, inputs, threads=threads, rounds=rounds)
    for one in measured:
        if one.entry.failure:
            note(f"  {one.name}: {one.entry.failure[:300]}")
    macs = network.macs * batch if files.layers is not None else 0
    limit = int8_limit(threads, isa)
    return Row(workload.name, batch, threads, macs, limit, measured)


_limits: dict[int, dict[str, float]] = {}


def int8_limit(threads: int, isa: str | None = None) -> float | None:
    """Products a second of so many threads, of the best instructions; None without a compiler."""
    if threads not in _limits:
        _limits[threads] = dict(_measured_limits(threads))
    found = _limits[threads]
    return found.get(isa) if isa is not None else max(found.values(), default=None)


def _measured_limits(threads: int) -> Iterator[tuple[str, float]]:
    compiler = shutil.which("cc")
    if compiler is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "limit")
        built = [compiler, "-O3", "-pthread", str(HERE / "limit.c"), "-o", program]
        if subprocess.run(built, check=False, capture_output=True).returncode:
            return  # another kind of CPU
        done = subprocess.run([program, str(threads)], check=True, capture_output=True, text=True)
    for line in done.stdout.splitlines():
        isa, rate = line.split()
        yield isa, 1e9 * float(rate)


# --- output --------------------------------------------------------------------------------------


def note(line: str) -> None:
    """Progress."""
    print(line, file=sys.stderr, flush=True)


def milliseconds(seconds: float) -> str:
    """Three digits."""
    return f"{1000 * seconds:.0f}" if seconds >= 0.1 else f"{1000 * seconds:.3g}"


def markdown(rows: Sequence[Row]) -> str:
    """A row for each network, a column for each runtime that ran anywhere."""
    ran = {column_of(m.name) for row in rows for m in row.measured if m.entry.seconds}
    columns = [name for name in ("intact", *PEERS, FLOAT) if name in ran]
    header = ["network", "batch", "threads", *columns, "ahead"]
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    for row in rows:
        cells = [row.network, str(row.batch), str(row.threads)]
        ahead = "" if row.ahead is None else f"{row.ahead:.2f}"
        lines.append([*cells, *(row.cell(column) for column in columns), ahead])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def footer(rows: Sequence[Row]) -> str:
    """Versions, the limits, and the mark if it was used."""
    versions = {
        one.entry.contestant.peer.name: one.entry.loaded.version
        for row in rows
        for one in row.measured
        if one.entry.loaded is not None
    }
    text = ", ".join(f"{name} {version}" for name, version in versions.items())
    for threads, found in sorted(_limits.items()):
        for isa, rate in found.items():
            text += f"; {isa}, {threads} threads: {rate / 1e9:.0f} GMAC/s"
    wrong = any(one.is_wrong for row in rows for one in row.measured)
    return text + ("\n† wrong integers" if wrong else "")


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--networks", nargs="+", help="[default: all]")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, nargs="+", help="[default: each network's own]")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--against", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--isa", choices=ISA, help="restrict those runtimes that can be")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "build" / "benchmarks")
    parser.add_argument("--json", type=Path, help="write the measurements to this file as well")
    parser.add_argument("--smoke", action="store_true", help="a minute's check on tiny networks")
    arguments = parser.parse_args()
    if arguments.smoke:
        arguments.threads, arguments.rounds = [1], 1
    return arguments


def main() -> None:
    """Prints the table."""
    arguments = parsed()
    from networks import SMOKE, WORKLOADS

    known = SMOKE if arguments.smoke else WORKLOADS
    names = arguments.networks or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"there is no network {unknown[0]}; there are {', '.join(known)}")
    against = [peer for peer in arguments.against if is_installed(peer)]
    for peer in set(arguments.against) - set(against):
        note(f"{peer} is not installed: pip install 'intact[benchmark]'")
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(temporary) if arguments.smoke else arguments.cache
        rows = [
            row(prepared, batch, threads, arguments.rounds, against, arguments.isa)
            for prepared in (prepare(known[name], cache, against) for name in names)
            for batch in arguments.batch or prepared.workload.batches
            for threads in arguments.threads
        ]
    print(markdown(rows))
    print(footer(rows))
    if arguments.json:
        text = json.dumps([row.document() for row in rows], indent=1)
        arguments.json.write_text(f"{text}\n")


if __name__ == "__main__":
    main()
