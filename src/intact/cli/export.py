"""intact export."""

from pathlib import Path

import click

from intact.api.export import export
from intact.cli.networks import open_network
from intact.cli.options import EPILOG, json_option
from intact.cli.output import check_output, kilobytes, print_json


@click.command("export", epilog=EPILOG)
@click.argument("network", metavar="NET")
@click.option(
    "--to", "kind", type=click.Choice(["onnx", "tflite"]), required=True, help="The format."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="PATH")
@json_option
def command(network: str, kind: str, output: Path, as_json: bool) -> int:
    """Write NET as a file that other runtimes execute."""
    check_output(output, f".{kind}")
    export(open_network(network), output)
    size = output.stat().st_size
    if as_json:
        print_json({"network": network, "format": kind, "output": str(output), "file_bytes": size})
    else:
        click.echo(f"{output}: {kilobytes(size)}")
    return 0
