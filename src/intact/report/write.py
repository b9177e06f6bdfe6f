"""write_report: a page about a quantized network."""

from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from intact.api.network import QuantizedNetwork
from intact.ir.replacing import replacing
from intact.report.collect import Sources, collect
from intact.report.contents import Report

if TYPE_CHECKING:
    from intact.api.model import Example, Model
    from intact.ptq import Progress


_PACKAGES = {"altair": "altair", "jinja2": "jinja2", "vl_convert": "vl-convert-python"}


def _require_packages() -> None:
    """Before anything is measured.

    Raises:
        ImportError: if one is not installed.
    """
    missing = [package for module, package in _PACKAGES.items() if find_spec(module) is None]
    if missing:
        raise ImportError(f"a report needs {', '.join(missing)}: pip install 'intact[report]'")


def write_report(
    network: QuantizedNetwork,
    path: str | Path,
    *,
    model: "Model | None" = None,
    example_input: "Example | tuple[Example, ...] | None" = None,
    samples: Iterable[object] | None = None,
    others: Mapping[str, QuantizedNetwork] | None = None,
    name: str = "network",
    benchmark: bool = False,
    threads: int = 1,
    progress: "Progress | None" = None,
) -> Report:
    """Writes a self-contained HTML page about a network, whole or not at all.

    The page says what is missing where an argument was not given. The same arguments give the same
    bytes, unless times are measured.

    Args:
        network: What `quantize` or `load` gave.
        path: The page, `.html`.
        model: The float network: an `nn.Module`, an exported program, a Graph or a file.
        example_input: What an `nn.Module` is called with.
        samples: Batches as `quantize` takes them; class labels among them give the top-1.
        others: Networks of the same inputs for the trade-off curve, by name.
        name: What the page calls the network.
        benchmark: Whether to measure latency on this machine.
        threads: Of the native engine and of torch.
        progress: Told of what takes long.

    Returns:
        What the page says; `intact.report.document` writes it as JSON.

    Raises:
        ValueError: if the file is not named `.html`.
        CalibrationError: if the samples do not fit the network.
        ImportError: without `intact[report]`.
        OSError: if the file cannot be written.
    """
    _require_packages()
    from intact.ptq import silent
    from intact.report.page import page

    target = Path(path)
    if target.suffix != ".html":
        raise ValueError(f"a report is saved as .html, not {target.name}")
    graph = None
    if model is not None:
        from intact.api.model import to_graph

        graph = to_graph(model, example_input)
    sources = Sources(name, network, graph, samples, others or {}, benchmark, threads)
    report = collect(sources, progress or silent)
    with replacing(target) as file:
        file.write(page(report).encode())
    return report
