"""intact quantize."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from intact.api.layers import constant_bytes
from intact.api.network import QuantizedNetwork
from intact.cli.attempts import show_validation, validation_document
from intact.cli.distilled import Distilled, Wanted, distill, wanted
from intact.cli.networks import open_graph
from intact.cli.options import (
    EPILOG,
    data_options,
    duration,
    json_option,
    seed_everything,
    seed_option,
    share,
)
from intact.cli.output import (
    Json,
    check_output,
    kilobytes,
    note,
    print_json,
    progress,
)
from intact.cli.samples import Reading, Samples, open_samples
from intact.data.user_code import is_function, load_function
from intact.errors import FormatError
from intact.ir.certificate import check_seed
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph

if TYPE_CHECKING:
    from intact.ptq import Recipe

Chosen: TypeAlias = "str | Recipe"

# \b: as it stands. The recipes themselves are not imported to show help, as torch takes seconds.
_RECIPES = """\b
Recipes: W8A8, W8A8-per-tensor, W8A8-data-free, W8A8-data-free-per-tensor,
W8A16, W4A8, W4A8-adaround, dynamic-int8, float16, bfloat16, W8, W4-g32,
W4-g32-gptq."""

_LISTED = 10  # of the layers that stay float


@click.command("quantize", epilog=f"{_RECIPES}\n\n{EPILOG}")
@click.argument("model")
@click.option(
    "--calibration",
    metavar="DATA|distilled[:N]",
    help="A few hundred samples like those in use; distilled: made of what batch norms remember.",
)
@click.option(
    "--recipe",
    default="W8A8",
    show_default=True,
    metavar="NAME|FUNCTION",
    help="A recipe's name, or file.py:function, which returns an intact.Recipe or rules.",
)
@click.option(
    "--input-range",
    nargs=2,
    type=float,
    metavar="LOW HIGH",
    help="Of the network's inputs, for recipes and calibration without samples.",
)
@click.option("--validate", "labelled", metavar="DATA", help="Labelled samples to measure top-1.")
@click.option("--max-drop", type=share, help="The most top-1 that may be lost: 0.5% or 0.005.")
@click.option(
    "--time", "time_limit", type=duration, help="With --max-drop: stop after 10m, 90s or 1.5h."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="NET")
@data_options
@seed_option
@json_option
def command(
    model: str,
    calibration: str | None,
    recipe: str,
    input_range: tuple[float, float] | None,
    labelled: str | None,
    max_drop: float | None,
    time_limit: float | None,
    output: Path,
    reading: Reading,
    seed: int,
    as_json: bool,
) -> int:
    """Quantize MODEL and save it as a .intact file.

    --limit is about the calibration samples; to validate, all are used.

    With --max-drop, cures are tried if the recipe loses more, the cheapest first: for all layers
    scales per channel, better ranges and corrected biases, then for the layers that cause the loss
    more bits, and float at last. The first network within the budget is saved; if none is, the
    best one, and the exit code is 1. The best so far is saved as soon as it is found; after an
    interruption the same command goes on from NET.journal.
    """
    check_output(output, ".intact")
    if max_drop is not None and labelled is None:
        raise click.UsageError("--max-drop needs --validate DATA, which measures what drops")
    if time_limit is not None and max_drop is None:
        raise click.UsageError("--time is about a search: it needs --max-drop")
    reading.check(calibration, labelled)
    check_seed(seed)
    seed_everything(seed, model, calibration, labelled, recipe)
    made = wanted(calibration, input_range)
    chosen = chosen_recipe(
        recipe, input_range if made is None else None, calibrated=calibration is not None
    )
    if made is not None:
        _check_reads_samples(chosen)
    graph = open_graph(model, calibration if made is None else None)
    samples = _calibration(calibration, made, graph, reading, seed)
    judges = None if labelled is None else _judges(labelled, graph, reading)
    budget = None if max_drop is None else Budget(max_drop, time_limit, output)
    network = _quantized(graph, samples, chosen, judges, budget, seed)
    network.save(output)
    if as_json:
        print_json(document(network, graph, output))
    else:
        _report(network, graph, output)
    return 0 if network.validation is None or network.validation.met else 1


def chosen_recipe(
    text: str, input_range: tuple[float, float] | None = None, *, calibrated: bool
) -> Chosen:
    """The recipe, looked at before the network is read, which may take long."""
    from intact.recipes import recipe

    found = _written(text) if is_function(text) else recipe(text)
    if input_range is not None:
        return _with_input_range(found, input_range, found.name if is_function(text) else text)
    if found.needs_samples and not calibrated:
        raise click.UsageError("this recipe reads samples: it needs --calibration DATA")
    return found if is_function(text) else text


def _check_reads_samples(chosen: Chosen) -> None:
    """Samples that nobody reads need not be made."""
    from intact.recipes import recipe

    found = recipe(chosen) if isinstance(chosen, str) else chosen
    if not found.needs_samples:
        raise click.UsageError("this recipe reads no samples: leave out --calibration distilled")


def _with_input_range(recipe: "Recipe", input_range: tuple[float, float], name: str) -> "Recipe":
    from intact.ptq import FromBatchNorm

    if not isinstance(recipe.observe, FromBatchNorm):
        raise click.UsageError(
            "--input-range is for recipes that work without samples, such as W8A8-data-free, and"
            " for --calibration distilled"
        )
    return replace(recipe, observe=replace(recipe.observe, input_range=input_range), name=name)


def _written(text: str) -> "Recipe":
    """The recipe that the user's function returns."""
    from intact.ptq import Recipe
    from intact.rules import Rule

    found, name = load_function(text)(), Path(text).name
    if isinstance(found, Recipe):
        return replace(found, name=name)
    rules = tuple(found) if isinstance(found, Iterable) else ()
    if not rules or not all(isinstance(rule, Rule) for rule in rules):
        raise FormatError(f"{text} returned no intact.Recipe or list of rules (intact.PtqRule)")
    return Recipe(rules=rules, name=name)


def _calibration(
    source: str | None, made: Wanted | None, graph: Graph[FloatOp], reading: Reading, seed: int
) -> Samples | Distilled | None:
    if made is not None:
        return distill(graph, made, seed)
    return None if source is None else open_samples(source, graph.inputs, reading)


def _judges(source: str, graph: Graph[FloatOp], reading: Reading) -> Samples:
    judges = open_samples(source, graph.inputs, replace(reading, limit=None))
    judges.check_classes(graph.outputs[0].shape[-1])
    return judges


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may lose, and how long it may take."""

    max_drop: float
    time_limit: float | None
    output: Path

    @property
    def journal(self) -> Path:
        """From which the same command goes on."""
        return self.output.with_name(self.output.name + ".journal")


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Samples as `ScoredSamples` reads them."""

    samples: Samples

    def __iter__(self) -> Iterator[tuple[object, object]]:
        return ((batch.inputs, batch.targets) for batch in self.samples.labelled())


def _quantized(
    graph: Graph[FloatOp],
    samples: Samples | Distilled | None,
    recipe: Chosen,
    judges: Samples | None,
    budget: Budget | None,
    seed: int,
) -> QuantizedNetwork:
    from intact.api.quantize import quantize
    from intact.api.scoring import ScoredSamples

    if budget is not None and budget.journal.exists():
        note(f"{budget.journal}: goes on with it if it is of the same network, data and options")
    with progress() as show:

        def told(what: str, done: int, total: int | None = None) -> None:
            source = judges if what.startswith("validating") else samples
            known = source.count if source is not None and " at fault" not in what else None
            show(what, done, total or known)

        return quantize(
            graph,
            () if samples is None else samples,
            recipe=recipe,
            validate=None if judges is None else ScoredSamples(_Labelled(judges)),
            max_drop=None if budget is None else budget.max_drop,
            time_limit=None if budget is None else budget.time_limit,
            journal=None if budget is None else budget.journal,
            progress=told,
            seed=seed,
        )


def document(network: QuantizedNetwork, graph: Graph[FloatOp], output: Path) -> dict[str, Json]:
    """What `--json` prints."""
    validation = network.validation
    return {
        "output": str(output),
        "recipe": network.recipe,
        "bytes": network.bytes,
        "float_bytes": constant_bytes(graph),
        "macs": network.macs,
        "arena_bytes": network.arena_bytes,
        "stays_float": dict(network.stays_float),
        "validation": None if validation is None else validation_document(validation),
    }


def _report(network: QuantizedNetwork, graph: Graph[FloatOp], output: Path) -> None:
    sizes = f"{kilobytes(constant_bytes(graph))} to {kilobytes(network.bytes)}"
    click.echo(f"{output}: {network.recipe}, {sizes}")
    for name, why in list(network.stays_float.items())[:_LISTED]:
        click.echo(f'stays float: "{name}": {why}')
    if len(network.stays_float) > _LISTED:
        click.echo(f"and {len(network.stays_float) - _LISTED} more; --json lists them all")
    if network.validation is not None:
        show_validation(network.validation)
