"""intact doctor."""

from collections.abc import Sequence
from dataclasses import fields, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from intact.api.layers import layers
from intact.cli.networks import open_graph, open_network
from intact.cli.options import (
    EPILOG,
    data_options,
    json_option,
    seed_everything,
    seed_option,
)
from intact.cli.output import Json, Show, check_output, note, percent, print_json, progress
from intact.cli.samples import Reading, Samples, open_samples
from intact.diagnosis.wording import counted
from intact.ir.graph import Graph
from intact.metrics import Top1

if TYPE_CHECKING:
    from intact.api.doctor import Cured, Diagnosis
    from intact.api.network import QuantizedNetwork
    from intact.diagnosis.causes import Cause
    from intact.diagnosis.findings import Finding
    from intact.ir.float_ops import FloatOp
    from intact.ptq import Recipe

_NEAREST = "quantize again with samples like these"


@click.command(
    "doctor", short_help="Find the layers that cost accuracy, why, and cures.", epilog=EPILOG
)
@click.argument("model")
@click.argument("network", metavar="NET")
@click.option("--data", required=True, metavar="DATA", help="Samples like those in use.")
@click.option("--fix", is_flag=True, help="Quantize again with the cures; needs -o.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="NET", help="For --fix.")
@click.option(
    "--recipe",
    metavar="NAME|FUNCTION",
    help="That made NET. [default: the one that its certificate names]",
)
@click.option("--layers", "all_layers", is_flag=True, help="Show the noise of every layer.")
@data_options
@seed_option
@json_option
def command(
    model: str,
    network: str,
    data: str,
    fix: bool,
    output: Path | None,
    recipe: str | None,
    all_layers: bool,
    reading: Reading,
    seed: int,
    as_json: bool,
) -> int:
    """Find the layers of NET that lose what MODEL computes, say why, and what cures them.

    16 samples are looked at; with labels, top-1 is measured on all. --fix quantizes MODEL again
    with the cures, calibrated on DATA, and saves the result. The exit code is 1 if layers at fault
    remain.
    """
    from intact.cli.quantize import chosen_recipe

    if fix != (output is not None):
        raise click.UsageError("--fix and -o NET, where its result is saved, need each other")
    if output is not None:
        check_output(output, ".intact")
    reading.check(data)
    seed_everything(seed, model, data, recipe)
    chosen = None if recipe is None else chosen_recipe(recipe, calibrated=True)
    net, graph = open_network(network), open_graph(model, data)
    samples = open_samples(data, graph.inputs, reading)
    with progress() as show:
        made = _treated(graph, net, samples, chosen, show, fix=fix)
        scores = _scores(graph, net, made, samples, show, fix=fix)
    if output is not None:
        made.network.save(output)
    if as_json:
        print_json(document(model, network, made, scores, output))
    else:
        _report(network, made, scores, output, all_layers=all_layers)
    return 1 if made.after.findings else 0


def _treated(
    graph: "Graph[FloatOp]",
    network: "QuantizedNetwork",
    samples: Samples,
    recipe: "str | Recipe | None",
    show: Show,
    *,
    fix: bool,
) -> "Cured":
    from intact.api.doctor import Cured, cure, diagnose

    if fix:
        return cure(graph, network, samples, recipe=recipe, progress=show)
    found = diagnose(graph, network, samples, recipe=recipe, progress=show)
    return Cured(network, found, found)


def _scores(
    graph: "Graph[FloatOp]",
    network: "QuantizedNetwork",
    made: "Cured",
    samples: Samples,
    show: Show,
    *,
    fix: bool,
) -> dict[str, Top1]:
    """Top-1 by network; empty without labels, or if this is no classifier."""
    from intact.api.engine import compile as compile_engine
    from intact.api.float_engine import float_engine
    from intact.metrics import top1

    if len(graph.outputs[0].shape) != 2:
        return {}
    engines = {"float": float_engine(graph), "quantized": compile_engine(network)}
    if fix:
        engines["cured"] = compile_engine(made.network)
    scores = dict.fromkeys(engines, Top1())
    for batch in samples.batches(show, "measuring top-1"):
        if batch.targets is None:
            return {}
        for name, engine in engines.items():
            scores[name] += top1(engine.arrays(batch.inputs)[0], batch.targets)
    return scores


def document(
    model: str, network: str, made: "Cured", scores: dict[str, Top1], output: Path | None
) -> dict[str, Json]:
    """What `--json` prints."""
    found = made.before
    return {
        "model": model,
        "network": network,
        "samples": found.samples,
        "recipe": found.recipe_name,
        "sqnr_db": found.sqnr_db,
        "expected_sqnr_db": found.expected_sqnr_db,
        "healthy": not found.findings,
        "findings": [_finding(finding) for finding in found.findings],
        "warnings": [str(warning) for warning in found.warnings],
        "layers": [
            {
                "name": layer.name,
                "op": layer.op,
                "sqnr_db": layer.sqnr_db,
                "own_sqnr_db": layer.own_sqnr_db,
            }
            for layer in found.layers
        ],
        "top1": {name: tally.share for name, tally in scores.items()},
        "fixed": None
        if output is None
        else {
            "output": str(output),
            "sqnr_db": made.after.sqnr_db,
            "healthy": not made.after.findings,
            "findings": [_finding(finding) for finding in made.after.findings],
        },
    }


def _finding(finding: "Finding") -> dict[str, Json]:
    cure = finding.cure
    return {
        "layer": finding.layer,
        "title": finding.title,
        "op": finding.op,
        "cause": finding.cause.name,
        "words": str(finding.cause),
        "evidence": _evidence(finding.cause),
        "own_sqnr_db": finding.own_sqnr_db,
        "output_sqnr_db": finding.output_sqnr_db,
        "share": finding.share,
        "cure": "recalibrated" if cure is None else cure.name,
        "cure_words": _NEAREST if cure is None else cure.words,
        "cure_price": "nothing" if cure is None else cure.price,
        "gain_db": finding.gain_db,
    }


def _evidence(cause: "Cause") -> dict[str, Json]:
    found = {field.name: getattr(cause, field.name) for field in fields(cause)}
    return {name: x.value if isinstance(x, Enum) else x for name, x in found.items()}


def _report(
    network: str,
    made: "Cured",
    scores: dict[str, Top1],
    output: Path | None,
    *,
    all_layers: bool,
) -> None:
    found = made.before
    samples = counted(found.samples, "sample")
    click.echo(
        f"{network}: SQNR of the outputs {found.sqnr_db:.1f} dB on {samples}"
        f"{_top1(scores, ('float', 'quantized'))}"
    )
    if found.recipe_name is None:
        note(
            "nobody knows the recipe that made this network: cures start from W8A8;"
            " --recipe says another"
        )
    _findings(found)
    for warning in found.warnings:
        click.echo(f"beware: {warning}")
    if all_layers:
        from intact.diagnosis.noise import bars

        titles = {layer.name: layer.title for layer in layers(made.network.program)}
        named = [replace(layer, name=titles.get(layer.name, layer.name)) for layer in found.layers]
        click.echo(bars(named))
    if output is not None:
        click.echo(
            f"{output}: SQNR of the outputs {made.after.sqnr_db:.1f} dB{_top1(scores, ('cured',))}"
        )
        for finding in made.after.findings:
            click.echo(f"still at fault: {finding.title}: {finding.cause.title}")


def _top1(scores: dict[str, Top1], names: Sequence[str]) -> str:
    """What was measured of these networks."""
    found = [f"{percent(scores[name].share)} {name}" for name in names if name in scores]
    return f"; top-1 {', '.join(found)}" if found else ""


def _findings(found: "Diagnosis") -> None:
    if not found.findings:
        worst = min(found.layers, key=lambda layer: layer.own_sqnr_db)
        click.echo(
            "nothing found: no layer alone takes the outputs below 20 dB; the noisiest by itself is"
            f" {worst.name} with {worst.own_sqnr_db:.1f} dB"
        )
        return
    table = Table("", "layer", "cause", box=None, pad_edge=False)
    for header in ("share of noise", "alone", "cured"):
        table.add_column(header, justify="right", no_wrap=True)
    for number, finding in enumerate(found.findings, 1):
        cured = "" if finding.cured_db is None else f"{finding.cured_db:.1f} dB"
        table.add_row(
            str(number),
            finding.title,
            finding.cause.title,
            f"{finding.share:.0%}",
            f"{finding.output_sqnr_db:.1f} dB",
            cured,
        )
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = 10_000
    console.print(table)
    click.echo("alone: SQNR of the outputs if only this layer is quantized; cured: after its cure")
    for number, finding in enumerate(found.findings, 1):
        cure = finding.cure
        remedy = _NEAREST if cure is None else f"{cure.words} (costs {cure.price})"
        click.echo(f"{number}. {finding.layer}: {finding.cause}. Cure: {remedy}.")
    click.echo(f"SQNR of the outputs with all cures: about {found.expected_sqnr_db:.1f} dB")
