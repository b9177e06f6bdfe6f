"""intact verify."""

from collections.abc import Iterator
from pathlib import Path

import click

from intact.api.replay import Replay, verify_certificate
from intact.api.verification import Verification, VerifiedOutput
from intact.api.verify import EXECUTORS, VerifiedName, verify
from intact.cli.certificate import certificate_document
from intact.cli.networks import open_network
from intact.cli.options import EPILOG, data_options, json_option, seed_everything, seed_option
from intact.cli.output import Json, Show, note, print_json, progress
from intact.cli.samples import Reading, Samples, open_samples
from intact.numerics.arrays import Array
from intact.verification import Agreement, Comparison, Equality, Executor, OutputDifference
from intact.verification.own_file import OwnFile


@click.command(
    "verify", short_help="Compare executors' integers with the reference's.", epilog=EPILOG
)
@click.argument("network", metavar="NET")
@click.option("--data", metavar="DATA", help="The samples to run.")
@click.option("--certificate", is_flag=True, help="Run the test vectors that NET carries instead.")
@click.option(
    "executors",
    "--executor",
    type=click.Choice(EXECUTORS),
    multiple=True,
    help="May be given several times.  [default: all exact ones that are installed]",
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
    data: str | None,
    certificate: bool,
    executors: tuple[VerifiedName, ...],
    tolerance: int,
    reading: Reading,
    seed: int,
    as_json: bool,
) -> int:
    """Compare the integers of other executors with the reference's.

    Exact executors must compute the reference's codes, or the exit code is 1 and the first layer
    that differs is named: native, with the kernels of each instruction set that this CPU has, with
    one thread and with all cores; c, the exported C, compiled on the spot; litert and tflm, the
    exported TFLite file in LiteRT's reference kernels and in TensorFlow Lite Micro. The reference
    and some of these take seconds for a large image: --limit.

    litert-xnnpack, LiteRT as it runs by default, is counted. onnxruntime runs the exported ONNX
    file; each of its layers is given the reference's own codes, and none may differ by more than
    --tolerance, or the exit code is 1.

    With --certificate, the test vectors with which NET was saved run on the reference, which must
    give the certified codes, and on the executors.
    """
    if certificate == (data is not None):
        raise click.UsageError("verify needs --data DATA, or --certificate")
    reading.check(data)
    seed_everything(seed, data)
    opened = open_network(network)
    if data is None:
        replay = verify_certificate(opened, executors=executors or None, tolerance=tolerance)
        return _show(replay, {"network": network, **replay_document(replay)}, as_json)
    samples = open_samples(data, opened.program.inputs, reading)
    with progress() as show:
        inputs = _inputs(samples, show)
        found = verify(
            opened,
            inputs,
            executors=executors or None,
            beside=_own_file(network),
            tolerance=tolerance,
        )
    return _show(found, {"network": network, **document(found)}, as_json)


def _show(found: Verification | Replay, printed: dict[str, Json], as_json: bool) -> int:
    """Prints what was found; returns the exit code."""
    if as_json:
        print_json(printed)
    else:
        click.echo(str(found))
    if isinstance(found, Replay):
        for name in found.differing:
            note(f'"{name}": the reference\'s codes are not the certified ones; please report it')
        explain(found.verification)
    else:
        explain(found)
    return 0 if found.met else 1


def _own_file(network: str) -> tuple[Executor, ...]:
    """A .tflite file in LiteRT, as it was before intact read it."""
    return (OwnFile(Path(network)),) if network.endswith(".tflite") else ()


def _inputs(samples: Samples, show: Show) -> Iterator[tuple[Array, ...]]:
    return (batch.inputs for batch in samples.batches(show, "verifying"))


def explain(found: Verification) -> None:
    """Says on stderr what was not run, and what is not as it must be."""
    for name, reason in found.skipped.items():
        note(f"{name} was not run: {reason}")
    for agreement in found.agreements:
        if not agreement.met:
            note(f"{agreement.title}: the codes are not the reference's; please report it")
    if found.onnxruntime is not None and not found.within:
        largest = found.onnxruntime.largest
        note(f"codes in ONNX Runtime differ by up to {largest}, more than {found.tolerance}")


def document(found: Verification) -> dict[str, Json]:
    """What `--json` prints of it."""
    return {
        "executor": None if found.onnxruntime is None else "onnxruntime",
        "executors": list(found.executors),
        "skipped": dict(found.skipped),
        "samples": found.samples,
        **_onnxruntime(found.onnxruntime or Comparison((), ())),
        "tolerance": found.tolerance,
        "met": found.met,
        "sha256": found.sha256,
        "checks": [
            _check(agreement, output)
            for agreement in found.agreements
            for output in agreement.outputs
        ],
        "outputs": [_output(output, found) for output in found.outputs],
    }


def replay_document(replay: Replay) -> dict[str, Json]:
    """What `--json` prints of test vectors that were run again."""
    return {
        "certificate": certificate_document(replay.certificate),
        **document(replay.verification),
        "met": replay.met,
        "certified": not replay.differing,
        "certified_outputs": [
            {
                "name": output.name,
                "sha256": output.sha256,
                "met": output.name not in replay.differing,
            }
            for output in replay.vectors.outputs
        ],
    }


def _onnxruntime(comparison: Comparison) -> dict[str, Json]:
    return {
        "codes": comparison.codes,
        "equal": comparison.equal,
        "largest_difference": comparison.largest,
        "layers": [
            {"name": layer.name, "equal": layer.equal, "largest_difference": layer.largest}
            for layer in comparison.layers
        ],
    }


def _check(agreement: Agreement, output: Equality) -> dict[str, Json]:
    return {
        "executor": agreement.executor,
        "setting": agreement.setting,
        "output": output.name,
        "promised": output.exact,
        "codes": output.elements,
        "equal_codes": output.same,
        "largest_difference": output.largest,
        "first_layer": output.first_layer,
        "met": output.met,
    }


def _output(output: VerifiedOutput, found: Verification) -> dict[str, Json]:
    native = [
        equality
        for agreement in found.agreements
        for equality in agreement.outputs
        if (agreement.executor, equality.name) == ("native", output.name)
    ]
    real = _difference(output, found.onnxruntime)
    codes = None if real is None else real.codes
    return {
        "name": output.name,
        "sha256": output.sha256,
        "native_equal": min((equality.equal for equality in native), default=None),
        "native_largest_difference": max((equality.largest for equality in native), default=None),
        "equal": None if codes is None else codes.equal,
        "largest_difference": None if codes is None else codes.largest,
        "largest_error": None if real is None else real.largest,
        "largest_value": None if real is None else real.scale,
    }


def _difference(output: VerifiedOutput, comparison: Comparison | None) -> OutputDifference | None:
    differences = () if comparison is None else comparison.outputs
    return next((found for found in differences if found.name == output.name), None)
