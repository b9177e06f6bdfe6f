"""intact evaluate."""

from dataclasses import dataclass

import click

from intact.api.engine import DEFAULT
from intact.cli.networks import EXECUTORS, ExecutorName, Running, start
from intact.cli.options import EPILOG, data_options, json_option, seed_everything, seed_option
from intact.cli.output import Json, percent, print_json, progress
from intact.cli.samples import Reading, Samples, open_samples
from intact.diagnosis.wording import counted
from intact.errors import CalibrationError
from intact.metrics import Comparison, Top1, compare, top1


@dataclass(frozen=True, slots=True)
class Result:
    """What was measured; None where there are no labels or nothing to compare with."""

    samples: int
    network: Top1 | None
    reference: Top1 | None
    comparison: Comparison | None


@click.command(
    "evaluate", short_help="Measure top-1 accuracy, or compare two networks.", epilog=EPILOG
)
@click.argument("network", metavar="NET|MODEL")
@click.option("--data", required=True, metavar="DATA", help="The samples to measure on.")
@click.option(
    "--executor",
    type=click.Choice(EXECUTORS),
    help=f"[default: {DEFAULT} for a NET, float for a MODEL]",
)
@click.option("--threads", type=click.IntRange(1), help="Of native. [default: one a core]")
@click.option("--against", metavar="NET|MODEL", help="Compare with this on the same samples.")
@data_options
@seed_option
@json_option
def command(
    network: str,
    data: str,
    executor: ExecutorName | None,
    threads: int | None,
    against: str | None,
    reading: Reading,
    seed: int,
    as_json: bool,
) -> int:
    """Measure top-1 accuracy with its 95 % confidence interval.

    With --against also the paired difference, how often both choose the same class, and the signal
    to quantization noise ratio of the first output. Without labels only the last two.
    """
    reading.check(data)
    seed_everything(seed, network, data, against)
    running = start(network, executor, data, threads)
    other = None if against is None else start(against, None, data)
    samples = open_samples(data, running.engine.inputs, reading)
    result = measure(running, other, samples)
    if as_json:
        print_json(document(running, other, result))
    else:
        _report(running, other, result)
    return 0


def measure(running: Running, other: Running | None, samples: Samples) -> Result:
    """Runs all samples through one network or two."""
    result = Result(0, None, None, None)
    with progress() as show:
        for batch in samples.batches(show, "evaluating"):
            outputs = running.engine.arrays(batch.inputs)[0]
            samples.check_classes(outputs.shape[-1])
            own = None if batch.targets is None else top1(outputs, batch.targets)
            theirs, comparison = None, None
            if other is not None:
                reference = other.engine.arrays(batch.inputs)[0]
                comparison = compare(outputs, reference, batch.targets)
                theirs = None if batch.targets is None else top1(reference, batch.targets)
            elif own is None:
                raise CalibrationError(
                    f"{samples.source} has no labels; give some, or compare with --against"
                )
            result = _sum(result, Result(len(batch), own, theirs, comparison))
    return result


def _sum(a: Result, b: Result) -> Result:
    return Result(
        a.samples + b.samples,
        b.network if a.network is None or b.network is None else a.network + b.network,
        b.reference if a.reference is None or b.reference is None else a.reference + b.reference,
        b.comparison
        if a.comparison is None or b.comparison is None
        else a.comparison + b.comparison,
    )


def document(running: Running, other: Running | None, result: Result) -> dict[str, Json]:
    """What `--json` prints."""
    return {
        "network": running.source,
        "executor": running.executor,
        "samples": result.samples,
        **_top1(result.network),
        "against": None if other is None else _against(other, result),
    }


def _top1(tally: Top1 | None) -> dict[str, Json]:
    if tally is None:
        return {"top1": None, "top1_interval": None}
    return {"top1": tally.share, "top1_interval": list(tally.interval)}


def _against(other: Running, result: Result) -> dict[str, Json]:
    comparison = result.comparison
    assert comparison is not None
    labelled = result.reference is not None
    return {
        "network": other.source,
        "executor": other.executor,
        **_top1(result.reference),
        "difference": comparison.difference if labelled else None,
        "difference_interval": list(comparison.difference_interval) if labelled else None,
        "agreement": comparison.agreement,
        "sqnr_db": comparison.sqnr_db,
    }


def _report(running: Running, other: Running | None, result: Result) -> None:
    click.echo(f"{counted(result.samples, 'sample')}, 95 % confidence intervals")
    _line(running, result.network)
    if other is None or result.comparison is None:
        return
    _line(other, result.reference)
    comparison = result.comparison
    if result.reference is not None:
        low, high = comparison.difference_interval
        click.echo(
            f"difference: {100 * comparison.difference:+.2f} points"
            f" ({100 * low:+.2f} to {100 * high:+.2f})"
        )
    click.echo(f"same class: {percent(comparison.agreement)}; SQNR {comparison.sqnr_db:.1f} dB")


def _line(running: Running, tally: Top1 | None) -> None:
    if tally is not None:
        low, high = tally.interval
        click.echo(
            f"top-1 {percent(tally.share)} ({percent(low)} to {percent(high)}):"
            f" {running.source}, {running.executor}"
        )
