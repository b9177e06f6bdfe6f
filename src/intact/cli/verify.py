"""intact verify."""

from collections.abc import Iterator

import click

from intact.api.verify import (
    DEFAULT,
    EXECUTORS,
    Verification,
    VerifiedName,
    VerifiedOutput,
    verify,
)
from intact.cli.networks import open_network
from intact.cli.options import EPILOG, data_options, json_option, seed_everything, seed_option
from intact.cli.output import Json, Show, note, print_json, progress
from intact.cli.samples import Reading, Samples, open_samples
from intact.numerics.arrays import Array


@click.command(
    "verify", short_help="Compare executors' integers with the reference's.", epilog=EPILOG
)
@click.argument("network", metavar="NET")
@click.option("--data", required=True, metavar="DATA", help="The samples to run.")
@click.option(
    "executors",
    "--executor",
    type=click.Choice(EXECUTORS),
    multiple=True,
    default=DEFAULT,
    help=f"May be given twice.  [default: {', '.join(DEFAULT)}]",
)
@click.option(
    "--tolerance",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="How many codes a layer may differ by in ONNX Runtime.",
)
@data_options
@seed_option
@json_option
def command(
    network: str,
    data: str,
    executors: tuple[VerifiedName, ...],
    tolerance: int,
    reading: Reading,
    seed: int,
    as_json: bool,
) -> int:
    """Compare the integers of other executors with the reference's.

    The native executor must compute the reference's codes. ONNX Runtime runs the exported ONNX
    network; each of its layers is given the reference's own codes, and none may differ by more than
    --tolerance. Else the exit code is 1.
    """
    reading.check(data)
    seed_everything(seed, data)
    opened = open_network(network)
    samples = open_samples(data, opened.program.inputs, reading)
    with progress() as show:
        found = verify(opened, _inputs(samples, show), executors=executors, tolerance=tolerance)
    if as_json:
        print_json(document(network, found))
    else:
        click.echo(str(found))
    if found.largest > tolerance:
        note(f"codes in ONNX Runtime differ by up to {found.largest}, more than {tolerance}")
    if not found.exact:
        note("the native executor's codes are not the reference's; please report it")
    return 0 if found.met else 1


def _inputs(samples: Samples, show: Show) -> Iterator[tuple[Array, ...]]:
    return (batch.inputs for batch in samples.batches(show, "verifying"))


def document(network: str, found: Verification) -> dict[str, Json]:
    """What `--json` prints."""
    return {
        "network": network,
        "executor": "onnxruntime" if "onnxruntime" in found.executors else None,
        "executors": list(found.executors),
        "samples": found.samples,
        "codes": found.codes,
        "equal": found.equal,
        "largest_difference": found.largest,
        "tolerance": found.tolerance,
        "met": found.met,
        "layers": [
            {"name": layer.name, "equal": layer.equal, "largest_difference": layer.largest}
            for layer in found.layers
        ],
        "outputs": [_output(output) for output in found.outputs],
    }


def _output(output: VerifiedOutput) -> dict[str, Json]:
    native, real = output.native, output.difference
    codes = None if real is None else real.codes
    return {
        "name": output.name,
        "sha256": output.sha256,
        "native_equal": None if native is None else native.equal,
        "native_largest_difference": None if native is None else native.largest,
        "equal": None if codes is None else codes.equal,
        "largest_difference": None if codes is None else codes.largest,
        "largest_error": None if real is None else real.largest,
        "largest_value": None if real is None else real.scale,
    }
