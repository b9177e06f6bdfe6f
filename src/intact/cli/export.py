"""intact export."""

from pathlib import Path

import click

from intact.api.c_sources import export_c
from intact.api.export import export
from intact.api.network import to_program
from intact.cli.networks import open_network
from intact.cli.options import EPILOG, json_option, memory_size
from intact.cli.output import Json, check_folder, check_output, kilobytes, note, print_json
from intact.emit.c import DEFAULT_NAME, Kernels, LayerCost, Report, TensorPlace, check_name
from intact.ir.int_ops import Program


@click.command("export", epilog=EPILOG)
@click.argument("network", metavar="NET")
@click.option(
    "--to", "kind", type=click.Choice(["onnx", "tflite", "c"]), required=True, help="The format."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="PATH",
    help="A file; for C, a folder.",
)
@click.option(
    "--ram",
    type=memory_size,
    metavar="SIZE",
    help="C: what its tensors may take, such as 64k; layers are computed in bands for it.",
)
@click.option(
    "--flash", type=memory_size, metavar="SIZE", help="C: what constants and code may take."
)
@click.option(
    "--kernels",
    type=click.Choice([kernels.value for kernels in Kernels]),
    help="C: whose; cmsis-nn calls Arm's library for the layers that it computes alike.",
)
@click.option("--name", help="C: how names of files and functions begin; by default model.")
@json_option
def command(
    network: str,
    kind: str,
    output: Path,
    ram: int | None,
    flash: int | None,
    kernels: str | None,
    name: str | None,
    as_json: bool,
) -> int:
    """Write NET as a file that other runtimes execute, or as C sources for microcontrollers.

    C sources compute the reference's integers. Where --ram or --flash is too small for them,
    nothing is written and the exit code is 1.
    """
    if kind == "c":
        name = DEFAULT_NAME if name is None else name
        check_name(name)
        check_folder(output)
        found = export_c(
            open_network(network),
            output,
            ram=ram,
            flash=flash,
            kernels=Kernels.PORTABLE if kernels is None else Kernels(kernels),
            name=name,
        )
        return _print(network, found, output, name, as_json)
    if any(given is not None for given in (ram, flash, kernels, name)):
        raise click.UsageError("--ram, --flash, --kernels and --name are options of --to c")
    check_output(output, f".{kind}")
    source = open_network(network)
    export(source, output)
    if kind == "tflite":
        _note_operators(to_program(source))
    size = output.stat().st_size
    if as_json:
        print_json({"network": network, "format": kind, "output": str(output), "file_bytes": size})
    else:
        click.echo(f"{output}: {kilobytes(size)}")
    return 0


def _note_operators(program: Program) -> None:
    from intact.emit.tflite import bounded_by_channel  # optional, and there: it wrote the file

    layers = bounded_by_channel(program)
    if layers:
        note(
            f"{len(layers)} layers have a clamp with bounds for each channel, which TFLite cannot"
            f" fuse: a MINIMUM or MAXIMUM runs behind each, such as {layers[0]}"
        )


def _print(source: str, found: Report, output: Path, name: str, as_json: bool) -> int:
    if as_json:
        print_json({"network": source, "format": "c", "output": str(output), **document(found)})
    else:
        click.echo(str(found))
        click.echo(f"{output}: {name}.h, {name}.c, {name}_kernels.h and {name}_test.c")
    return 0


def document(found: Report) -> dict[str, Json]:
    """What `--json` prints of the costs; sizes in bytes."""
    return {
        "flash": {
            "total": found.flash,
            "weights": found.weights,
            "tables": found.tables,
            "code": found.code,
        },
        "ram": {
            "arena": found.ram,
            "lower_bound": found.lower_bound,
            "inputs": found.inputs,
            "outputs": found.outputs,
            "peak_layer": found.peak,
        },
        "macs": found.macs,
        "bands": found.bands,
        "banded_layers": list(found.banded),
        "extra_macs": found.extra_macs,
        "layers": [_layer(layer) for layer in found.layers],
        "tensors": [_tensor(tensor) for tensor in found.tensors],
    }


def _layer(layer: LayerCost) -> dict[str, Json]:
    return {
        "name": layer.name,
        "op": layer.op,
        "shape": list(layer.shape),
        "macs": layer.macs,
        "flash": layer.flash,
        "arena_in_use": layer.arena,
    }


def _tensor(tensor: TensorPlace) -> dict[str, Json]:
    return {
        "name": tensor.name,
        "offset": tensor.offset,
        "bytes": tensor.size,
        "first": tensor.first,
        "last": tensor.last,
    }
