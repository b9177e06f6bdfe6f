"""intact inspect."""

import click
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from intact.api.layers import Layer, constant_bytes, layers
from intact.api.network import QuantizedNetwork
from intact.cli.certificate import certificate_document
from intact.cli.networks import is_quantized, open_graph, open_network
from intact.cli.options import EPILOG, json_option
from intact.cli.output import Json, kilobytes, print_json
from intact.exec.runner import describe
from intact.ir.graph import Graph, Value
from intact.ir.int_ops import IntOp

_WIDE = 10_000  # columns; no layer's name is longer


@click.command(
    "inspect", short_help="Show layers, formats, sizes, and what stays float.", epilog=EPILOG
)
@click.argument("network", metavar="NET|MODEL")
@json_option
def command(network: str, as_json: bool) -> int:
    """Show layers, formats, shapes, size, multiplications, memory, and what stays float and why."""
    quantized = open_network(network) if is_quantized(network) else None
    graph: Graph[IntOp] = open_graph(network) if quantized is None else quantized.program
    shown = document(network, graph, quantized)
    if as_json:
        print_json(shown)
    else:
        _report(graph, quantized)
    return 0


def document(
    source: str, graph: Graph[IntOp], quantized: QuantizedNetwork | None
) -> dict[str, Json]:
    """What `--json` prints."""
    found = layers(graph)
    return {
        "network": source,
        "quantized": quantized is not None,
        "inputs": [_value(value) for value in graph.inputs],
        "outputs": [_value(value) for value in graph.outputs],
        "layers": [_layer(layer) for layer in found],
        "bytes": constant_bytes(graph) if quantized is None else quantized.bytes,
        "macs": sum(layer.macs for layer in found),
        "arena_bytes": None if quantized is None else quantized.arena_bytes,
        "stays_float": None if quantized is None else dict(quantized.stays_float),
        "certificate": None
        if quantized is None or quantized.certificate is None
        else certificate_document(quantized.certificate),
    }


def _value(value: Value) -> dict[str, Json]:
    return {"name": value.name, "shape": list(value.shape), "format": str(value.dtype)}


def _layer(layer: Layer) -> dict[str, Json]:
    return {
        "name": layer.name,
        "weight": layer.weight,
        "op": layer.op,
        "inputs": list(layer.inputs),
        "shape": list(layer.shape),
        "format": layer.format,
        "weight_format": layer.weight_format,
        "weight_bytes": layer.weight_bytes,
        "macs": layer.macs,
    }


def _report(graph: Graph[IntOp], quantized: QuantizedNetwork | None) -> None:
    table = Table(box=None, pad_edge=False)
    for header in ("layer", "operation", "output", "format", "weights"):
        table.add_column(header, no_wrap=header != "layer", overflow="fold")
    for header in ("bytes", "MACs"):
        table.add_column(header, justify="right", no_wrap=True)
    for layer in layers(graph):
        table.add_row(
            layer.title,
            layer.op,
            describe(layer.shape),
            layer.format,
            layer.weight_format or "",
            f"{layer.weight_bytes:,}" if layer.weight_bytes else "",
            f"{layer.macs:,}" if layer.macs else "",
        )
    # A terminal's lines are folded; in a file or a pipe a layer is one line.
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = Measurement.get(console, console.options.update(width=_WIDE), table).maximum
    console.print(table)
    macs = sum(layer.macs for layer in layers(graph))
    if quantized is None:
        click.echo(f"{kilobytes(constant_bytes(graph))} stored, {macs:,} multiply-accumulates")
        return
    click.echo(
        f"{kilobytes(quantized.bytes)} stored, {kilobytes(quantized.arena_bytes)} of activations,"
        f" {macs:,} multiply-accumulates a sample"
    )
    for name, why in quantized.stays_float.items():
        click.echo(f'stays float: "{name}": {why}')
    if quantized.certificate is not None:
        click.echo(f"certificate: {quantized.certificate}")
