"""intact benchmark."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from intact.api.export import export
from intact.cli.networks import open_graph, open_network
from intact.cli.options import EPILOG, json_option
from intact.cli.output import Json, note, percent, print_json
from intact.errors import UnsupportedOpError

if TYPE_CHECKING:
    from intact.benchmark.entrants import PeerName
    from intact.benchmark.measure import Measured
    from intact.exec.native.engine import StepTime
    from intact.ir.int_ops import Program

_PEERS: tuple["PeerName", ...] = ("onnxruntime", "openvino", "litert")
_SLOWEST = 20  # operations that are listed


@click.command(
    "benchmark", short_help="Measure latency and memory, beside other runtimes.", epilog=EPILOG
)
@click.argument("network", metavar="NET")
@click.option(
    "--against", type=click.Choice(_PEERS), multiple=True, help="Another runtime; may be repeated."
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Samples in a call."
)
@click.option(
    "--rounds", type=click.IntRange(1), default=20, show_default=True, help="Turns of each runtime."
)
@click.option("--float", "model", metavar="MODEL", help="The float network, to time it as well.")
@click.option(
    "--tflite",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The same network for LiteRT, made elsewhere. [default: NET, exported]",
)
@json_option
def command(
    network: str,
    against: "tuple[PeerName, ...]",
    threads: int,
    batch: int,
    rounds: int,
    model: str | None,
    tflite: Path | None,
    as_json: bool,
) -> int:
    """Measure how fast NET runs in intact, and in other runtimes on the same random inputs.

    Runtimes take turns, each in a process of its own. Their integers are compared with the
    reference's, layer by layer; the exit code is 1 if intact's own are wrong.
    """
    from intact.benchmark.entrants import contestants, write_files
    from intact.benchmark.measure import measure, random_batch
    from intact.benchmark.profile import profile

    against = _available(against)
    program = open_network(network).program
    graph = None if model is None else open_graph(model)
    inputs = random_batch(program, batch)
    with tempfile.TemporaryDirectory() as folder:
        if "litert" in against and tflite is None:
            tflite = _exported(program, Path(folder))
        files = write_files(program, Path(folder), against, graph=graph, tflite=tflite)
        entrants = contestants(files, against)
        measured = measure(program, entrants, inputs, threads=threads, rounds=rounds)
    # Where the engine cannot run, its row says why.
    steps = profile(program, inputs, threads) if measured[0].agreement is not None else ()
    if as_json:
        print_json(document(network, batch, threads, measured, steps))
    else:
        _report(measured, steps)
    return int(measured[0].is_wrong)


def _available(against: "Sequence[PeerName]") -> "tuple[PeerName, ...]":
    """Without doubles.

    Raises:
        UsageError: if one is not installed.
    """
    from intact.benchmark.entrants import is_installed

    for peer in against:
        if not is_installed(peer):
            raise click.UsageError(f"{peer} is not installed: pip install 'intact[benchmark]'")
    return tuple(dict.fromkeys(against))


def _exported(program: "Program", folder: Path) -> Path | None:
    """The network's TFLite file; a note says why there is none."""
    path = folder / "network.tflite"
    try:
        export(program, path)
    except UnsupportedOpError as error:
        note(f"LiteRT is left out: {error}")
        return None
    return path


def document(
    network: str,
    batch: int,
    threads: int,
    measured: "Sequence[Measured]",
    steps: "Sequence[StepTime]",
) -> dict[str, Json]:
    """What `--json` prints."""
    fastest = min(m.entry.median for m in measured)
    return {
        "network": network,
        "batch": batch,
        "threads": threads,
        "runtimes": [_runtime(m, fastest) for m in measured],
        "profile": [
            {"name": s.name, "op": s.op, "kernel": s.kernel, "seconds": s.seconds} for s in steps
        ],
    }


def _runtime(measured: "Measured", fastest: float) -> dict[str, Json]:
    entry, found = measured.entry, measured.agreement
    layers = None if found is None else found.layers
    return {
        "name": measured.name,
        "version": None if entry.loaded is None else entry.loaded.version,
        "median_seconds": entry.median,
        "minimum_seconds": entry.minimum,
        "ratio": entry.median / fastest,
        "calls": len(entry.seconds),
        "load_seconds": None if entry.loaded is None else entry.loaded.load_seconds,
        "peak_bytes": None if entry.loaded is None else entry.loaded.peak_bytes,
        "failure": entry.failure,
        "right": None if found is None else found.right,
        "wrong_codes": None if layers is None else layers.wrong,
        "largest_difference": None if layers is None else layers.largest,
        "output_error": None if found is None else found.error,
        "agreement": None if found is None else found.top1,
    }


def _report(measured: "Sequence[Measured]", steps: "Sequence[StepTime]") -> None:
    ran = [m for m in measured if m.entry.seconds]
    fastest = min((m.entry.median for m in ran), default=1.0)
    table = Table(box=None, pad_edge=False)
    table.add_column("runtime", no_wrap=True)
    for header in ("median ms", "minimum ms", "ratio", "memory MB"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("integers")
    for one in ran:
        entry = one.entry
        peak = None if entry.loaded is None else entry.loaded.peak_bytes
        table.add_row(
            one.name,
            f"{1000 * entry.median:.3f}",
            f"{1000 * entry.minimum:.3f}",
            f"{entry.median / fastest:.2f}",
            "" if peak is None else f"{peak / 1e6:.1f}",
            _integers(one),
        )
    console = Console(markup=False, highlight=False)
    if ran:
        console.print(table)
    for one in measured:
        if one.entry.failure:
            note(f"{one.name} did not run: {one.entry.failure}")
    if steps:
        console.print()
        console.print(_profile(steps))


def _integers(measured: "Measured") -> str:
    """Whether they are the network's; of others how far the outputs are off."""
    found = measured.agreement
    assert found is not None
    if found.right is None:
        return f"outputs differ by {percent(found.error)}"
    if found.right:
        return "the reference's" if found.layers is None else "right, to rounding"
    if found.layers is None:
        return f"wrong: outputs differ by {percent(found.error)}"
    return f"wrong: {percent(found.layers.wrong)} of codes, by up to {found.layers.largest}"


def _profile(steps: "Sequence[StepTime]") -> Table:
    total = sum(step.seconds for step in steps)
    table = Table(box=None, pad_edge=False)
    for header in ("slowest operations", "operation", "kernel"):
        table.add_column(header)
    for header in ("ms", "share"):
        table.add_column(header, justify="right", no_wrap=True)
    ordered = sorted(steps, key=lambda step: step.seconds, reverse=True)
    for step in ordered[:_SLOWEST]:
        share = f"{step.seconds / total:.1%}"
        table.add_row(step.name, step.op, step.kernel, f"{1000 * step.seconds:.3f}", share)
    rest = sum(step.seconds for step in ordered[_SLOWEST:])
    if rest:
        others = f"{len(ordered) - _SLOWEST} others"
        table.add_row(others, "", "", f"{1000 * rest:.3f}", f"{rest / total:.1%}")
    return table
