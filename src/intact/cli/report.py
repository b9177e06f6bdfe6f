"""intact report."""

import math
from collections.abc import Iterator
from pathlib import Path

import click

from intact.cli.networks import open_graph, open_network
from intact.cli.options import EPILOG, data_options, json_option, seed_everything, seed_option
from intact.cli.output import check_output, note, print_json, progress
from intact.cli.samples import Reading, Samples, open_samples
from intact.report.contents import Report
from intact.report.document import document


@click.command(
    "report", short_help="Write a page about a network: accuracy, noise, ranges.", epilog=EPILOG
)
@click.argument("networks", metavar="NET...", nargs=-1, required=True)
@click.option("--model", metavar="MODEL", help="The float network, to compare with.")
@click.option("--data", metavar="DATA", help="Samples; with labels they give the top-1.")
@click.option("--benchmark", is_flag=True, help="Measure latency on this machine as well.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="PAGE")
@data_options
@seed_option
@json_option
def command(
    networks: tuple[str, ...],
    model: str | None,
    data: str | None,
    benchmark: bool,
    threads: int,
    output: Path,
    reading: Reading,
    seed: int,
    as_json: bool,
) -> int:
    """Write one self-contained HTML page about NET; others beside it give the trade-off curve.

    The page works offline. What a missing option would add is said there. Noise and histograms are
    of the first 64 samples, accuracy is of all.
    """
    from intact.report.write import write_report

    check_output(output, ".html")
    reading.check(data)
    seed_everything(seed, model, data)
    names = _names(networks)
    opened = {name: open_network(network) for name, network in zip(names, networks, strict=True)}
    network = opened.pop(names[0])
    samples = None if data is None else open_samples(data, network.program.inputs, reading)
    graph = None if model is None else open_graph(model, data)
    with progress() as show:
        report = write_report(
            network,
            output,
            model=graph,
            samples=None if samples is None else _items(samples),
            others=opened,
            name=names[0],
            benchmark=benchmark,
            threads=threads,
            progress=show,
        )
    if as_json:
        print_json(document(report))
    else:
        _summary(report, output)
    return 0


def _names(networks: tuple[str, ...]) -> list[str]:
    """File names without the suffix, or all of the path where two would be called the same.

    Raises:
        ValueError: if a network is named twice.
    """
    if len(set(networks)) < len(networks):
        raise ValueError("a network is named twice")
    stems = [Path(network).stem for network in networks]
    return stems if len(set(stems)) == len(stems) else list(networks)


def _items(samples: Samples) -> Iterator[object]:
    for batch in samples.batches():
        yield batch.inputs if batch.targets is None else (batch.inputs, batch.targets)


def _summary(report: Report, output: Path) -> None:
    click.echo(f"{output}: {report.verdict.headline}")
    for detail in report.verdict.details:
        click.echo(detail)
    _bars(report)
    for part in report.missing:
        note(f"not in the report: {part.what}; {part.how}")


def _bars(report: Report) -> None:
    """The noise of each layer, where it was measured."""
    measured = [layer for layer in report.layers if layer.sqnr_db is not None]
    if not measured:
        return
    from intact.diagnosis.noise import LayerNoise, bars

    noises = [
        LayerNoise(
            layer.title,
            layer.op,
            layer.sqnr_db or 0.0,
            math.nan if layer.own_sqnr_db is None else layer.own_sqnr_db,
        )
        for layer in measured
    ]
    click.echo(bars(noises))
