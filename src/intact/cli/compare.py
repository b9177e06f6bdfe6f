"""intact compare."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from intact.cli.networks import is_quantized, open_graph, open_network
from intact.cli.options import EPILOG, data_options, json_option, seed_everything, seed_option
from intact.cli.output import Json, kilobytes, percent, print_json, progress
from intact.cli.samples import Reading, open_samples
from intact.diagnosis.wording import counted
from intact.exec.cores import available_cores

if TYPE_CHECKING:
    from intact.api.compare import Difference, LayerChange, Network, Outputs, Size
    from intact.ir.graph import Value

_LISTED = 20  # of the layers that changed


@click.command("compare", short_help="Show what changed between two networks.", epilog=EPILOG)
@click.argument("a", metavar="NET|MODEL")
@click.argument("b", metavar="NET|MODEL")
@click.option("--data", metavar="DATA", help="Run both on these samples as well.")
@data_options
@seed_option
@json_option
def command(a: str, b: str, data: str | None, reading: Reading, seed: int, as_json: bool) -> int:
    """Show what changed from the first network to the second: layers, formats, scales, codes, size.

    With --data also how often both choose the same class, the signal to noise ratio, top-1 if there
    are labels, and the first layer whose codes differ.
    """
    from intact.api.compare import compare

    reading.check(data)
    seed_everything(seed, a, b, data)
    first, second = _opened(a, data), _opened(b, data)
    with progress() as show:
        items = None
        if data is not None:
            samples = open_samples(data, _inputs(first), reading)
            items = (
                batch.inputs if batch.targets is None else (batch.inputs, batch.targets)
                for batch in samples.batches(show, "comparing")
            )
        found = compare(first, second, items, threads=available_cores())
    if as_json:
        print_json(document(a, b, found))
    else:
        _report(a, b, found)
    return 0


def _opened(source: str, data: str | None) -> "Network":
    return open_network(source) if is_quantized(source) else open_graph(source, data)


def _inputs(network: "Network") -> "tuple[Value, ...]":
    from intact.api.network import QuantizedNetwork

    return network.program.inputs if isinstance(network, QuantizedNetwork) else network.inputs


def document(a: str, b: str, found: "Difference") -> dict[str, Json]:
    """What `--json` prints."""
    return {
        "a": {"network": a, **asdict(found.a)},
        "b": {"network": b, **asdict(found.b)},
        "removed": list(found.removed),
        "added": list(found.added),
        "same": found.same,
        "changed": [_listed(asdict(change)) for change in found.changed],
        "outputs": None if found.outputs is None else _listed(asdict(found.outputs)),
    }


def _listed(fields: "dict[str, Json | tuple[Json, ...]]") -> dict[str, Json]:
    """Pairs as lists of two."""
    return {name: list(x) if isinstance(x, tuple) else x for name, x in fields.items()}


def _report(a: str, b: str, found: "Difference") -> None:
    click.echo(f"a {a}: {_size(found.a)}")
    click.echo(f"b {b}: {_size(found.b)}")
    for word, names in (("only in a", found.removed), ("only in b", found.added)):
        if names:
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            click.echo(f"{word}: {', '.join(names[:_LISTED])}{more}")
    click.echo(f"{found.same} layers are equal, {len(found.changed)} changed")
    for change in found.changed[:_LISTED]:
        click.echo(f"  {change.name}: {', '.join(_changes(change))}")
    if len(found.changed) > _LISTED:
        click.echo(f"  and {len(found.changed) - _LISTED} more; --json lists them all")
    if found.outputs is not None:
        _outputs(found.outputs)


def _size(size: "Size") -> str:
    arena = "" if size.arena_bytes is None else f", {kilobytes(size.arena_bytes)} of activations"
    return (
        f"{size.layers} layers, {kilobytes(size.bytes)}{arena}, {size.macs:,} multiply-accumulates"
    )


def _changes(change: "LayerChange") -> list[str]:
    """What is not the same, in words."""
    words = [] if change.new_name is None else [f"now called {change.new_name}"]
    pairs = (("", change.op), ("output ", change.format), ("weight ", change.weight_format))
    words += [f"{what}{x or 'none'} to {y or 'none'}" for what, (x, y) in pairs if x != y]
    if change.scale not in (None, 1.0):
        words.append(f"scale times {_factor(change.scale)}")
    if change.zero_point:
        words.append(f"zero point {change.zero_point:+d}")
    if change.weight_scale not in (None, 1.0):
        words.append(f"weight's scale times {_factor(change.weight_scale)}")
    if change.weight_codes:
        words.append(f"{percent(change.weight_codes)} of the weight's codes")
    return words


def _factor(ratio: float) -> str:
    """Short, but never 1 for what is not 1."""
    brief = f"{ratio:.4g}"
    return f"{ratio:.9g}" if brief == "1" else brief


def _outputs(outputs: "Outputs") -> None:
    click.echo(f"{counted(outputs.samples, 'sample')}: SQNR {outputs.sqnr_db:.1f} dB")
    if outputs.agreement is not None:
        click.echo(f"same class: {percent(outputs.agreement)}")
    if outputs.top1 is not None:
        click.echo(f"top-1: {percent(outputs.top1[0])} a, {percent(outputs.top1[1])} b")
    first = outputs.first_difference
    if first is not None:
        click.echo(
            f"first layer whose codes differ: {first.layer}, {percent(first.share)} of them, by up"
            f" to {first.largest}"
        )
