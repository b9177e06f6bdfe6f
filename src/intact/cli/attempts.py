"""What `intact quantize` says of validation: every attempt, and what was kept."""

import click

from intact.api.network import Attempt, Validation
from intact.cli.output import Json, kilobytes, note, percent


def validation_document(validation: Validation) -> dict[str, Json]:
    """For `--json`."""
    return {
        "metric": "top1",
        "float": validation.float_metric,
        "quantized": validation.quantized_metric,
        "drop": validation.drop,
        "drop_interval": _interval(validation.interval),
        "max_drop": validation.max_drop,
        "met": validation.met,
        "certain": validation.certain,
        "out_of_time": validation.out_of_time,
        "kept": validation.kept,
        "attempts": [_attempt(attempt) for attempt in validation.attempts],
    }


def _attempt(attempt: Attempt) -> dict[str, Json]:
    return {
        "recipe": attempt.recipe,
        "top1": attempt.metric,
        "drop_interval": _interval(attempt.interval),
        "samples": attempt.samples,
        "whole": attempt.whole,
        "bytes": attempt.bytes,
        "cures": list(attempt.cures),
        "seconds": attempt.seconds,
    }


def _interval(interval: tuple[float, float] | None) -> Json:
    return None if interval is None else list(interval)


def show_validation(validation: Validation) -> None:
    """For people: the attempts on stderr, the result on stdout."""
    if len(validation.attempts) > 1:
        for line in _table(validation):
            note(line)
    kept = validation.attempts[validation.kept]
    for words in kept.cures:
        click.echo(f"done: {words}")
    click.echo(
        f"top-1 {percent(validation.float_metric)} in float,"
        f" {percent(validation.quantized_metric)} quantized"
        f" ({_lost(kept, validation)} points lost, 95 % interval)"
    )
    budget = percent(validation.max_drop or 0)
    if validation.out_of_time:
        note("time ran out; the same command with a larger --time goes on from here")
    if not validation.met:
        note(f"the budget of {budget} was missed; saved the best")
    if not validation.certain:
        note(f"{kept.samples} samples cannot tell on which side of {budget} the loss is")


def _table(validation: Validation) -> list[str]:
    """A line for each attempt; the one that was kept is marked."""
    rows = [("", "tried", "top-1", "points lost, 95 %", "size", "time")]
    for number, attempt in enumerate(validation.attempts):
        rows.append(
            (
                ">" if number == validation.kept else "",
                attempt.recipe,
                percent(attempt.metric) + ("" if attempt.whole else "*"),
                _lost(attempt, validation),
                kilobytes(attempt.bytes),
                f"{attempt.seconds:.1f} s",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if not all(attempt.whole for attempt in validation.attempts):
        lines.append("* given up after some samples: surely beyond the budget")
    return lines


def _lost(attempt: Attempt, validation: Validation) -> str:
    drop = 100 * (validation.float_metric - attempt.metric)
    if attempt.interval is None:
        return f"{drop:.2f}"
    low, high = attempt.interval
    return f"{drop:.2f} ({100 * low:.2f} .. {100 * high:.2f})"
