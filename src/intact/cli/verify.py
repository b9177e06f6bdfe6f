"""intact verify."""

from collections.abc import Iterator

import click

from intact.api.verify import Verification, VerifiedOutput, verify
from intact.cli.networks import open_network
from intact.cli.options import EPILOG, data_options, json_option, seed_everything, seed_option
from intact.cli.output import Json, Show, note, print_json, progress
from intact.cli.samples import Reading, Samples, open_samples
from intact.numerics.arrays import Array


@click.command(
    "verify", short_help="Compare ONNX Runtime's integers with the reference's.", epilog=EPILOG
)
@click.argument("network", metavar="NET")
@click.option("--data", required=True, metavar="DATA", help="The samples to run.")
@click.option(
    "--tolerance",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="How many codes a layer may differ by.",
)
@data_options
@seed_option
@json_option
def command(
    network: str, data: str, tolerance: int, reading: Reading, seed: int, as_json: bool
) -> int:
    """Compare the integers of the exported ONNX network in ONNX Runtime with the reference's.

    Each layer is given the reference's own codes. If any code differs by more than --tolerance, the
    exit code is 1.
    """
    reading.check(data)
    seed_everything(seed, data)
    opened = open_network(network)
    samples = open_samples(data, opened.program.inputs, reading)
    with progress() as show:
        found = verify(opened, _inputs(samples, show), tolerance=tolerance)
    if as_json:
        print_json(document(network, found))
    else:
        click.echo(str(found))
    if not found.met:
        note(f"codes differ by up to {found.largest}, more than {tolerance}")
    return 0 if found.met else 1


def _inputs(samples: Samples, show: Show) -> Iterator[tuple[Array, ...]]:
    return (batch.inputs for batch in samples.batches(show, "verifying"))


def document(network: str, found: Verification) -> dict[str, Json]:
    """What `--json` prints."""
    return {
        "network": network,
        "executor": "onnxruntime",
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
    codes = output.difference.codes
    return {
        "name": output.name,
        "sha256": output.sha256,
        "equal": None if codes is None else codes.equal,
        "largest_difference": None if codes is None else codes.largest,
        "largest_error": output.difference.largest,
        "largest_value": output.difference.scale,
    }
