"""The page: template, style, script, charts and the plotting library in one file of HTML."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import jinja2
import vl_convert
from markupsafe import Markup

from intact.diagnosis.wording import counted
from intact.report.cards import capital, cards
from intact.report.charts import layers, memory, noise, ranges, tensors, tradeoff
from intact.report.charts.theme import CONFIG, Figure, Spec, Table
from intact.report.contents import Layer, Report, State
from intact.report.document import script_text, text

_STATES: dict[State, tuple[str, str]] = {
    "kept": ("✓", "Accuracy kept"),
    "reduced": ("▲", "Accuracy reduced"),
    "lost": ("✕", "Accuracy lost"),
    "unmeasured": ("○", "Accuracy not measured"),
}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with a heading."""

    name: str
    title: str
    figures: tuple[Figure, ...] = ()


def page(report: Report) -> str:
    """The whole page; equal reports give equal bytes."""
    sections = tuple(_sections(report))
    charts = {figure.name: figure.spec for section in sections for figure in section.figures}
    charts |= {"histogram": tensors.histogram(), "channels": tensors.channels()}
    mark, state = _STATES[report.verdict.state]
    environment = _environment()
    parts = environment.get_template("parts.html").module
    return environment.get_template("page.html").render(
        report=report,
        mark=mark,
        state=state,
        headline=capital(report.verdict.headline),
        details=_sentence(report.verdict.details),
        cards=tuple(cards(report)),
        sections=sections,
        layer_table=_layer_table(report.layers),
        origin=tuple(_origin(report)),
        show=vars(parts)["show"],
        table=vars(parts)["table"],
        css=Markup(_asset("page.css")),
        js=Markup(_asset("page.js")),
        vega=Markup(_vega()),
        document=Markup(script_text(text(report))),
        specs=Markup(_specs(charts)),
    )


def _sections(report: Report) -> Iterator[Section]:
    waterfall, spread = noise.noise(report.layers), ranges.channel_ranges(report.tensors)
    accuracy = report.accuracy
    if waterfall is not None:
        yield Section("noise", "Noise", (waterfall,))
    if report.findings is not None:
        yield Section("findings", "Findings")
    if report.tensors:
        yield Section("tensors", "Tensors")
    if spread is not None:
        yield Section("channels-of-layers", "Channels", (spread,))
    both = layers.bits(report.layers), layers.sizes(report.layers)
    yield Section("bits", "Bits and bytes", both)
    yield Section("memory", "Memory", (memory.memory(report.memory),))
    times = layers.seconds(report.layers)
    if times is not None:
        yield Section("time", "Time", (times,))
    curve = tradeoff.tradeoff(report.candidates, None if accuracy is None else accuracy.metric)
    if curve is not None:
        yield Section("tradeoff", "Trade-off", (curve,))
    yield Section("layers", "Layers")
    if report.origin is not None:
        yield Section("origin", "Origin")


def _layer_table(found: tuple[Layer, ...]) -> Table:
    """Without the columns of which nothing is known."""
    columns = {
        "#": tuple(range(1, len(found) + 1)),
        "layer": tuple(layer.title for layer in found),
        "operation": tuple(layer.op for layer in found),
        "output": tuple(layer.shape for layer in found),
        "format": tuple(layer.format for layer in found),
        "weights": tuple(layer.weight_format for layer in found),
        "bytes": tuple(layer.weight_bytes or None for layer in found),
        "MACs": tuple(layer.macs or None for layer in found),
        "SQNR, dB": tuple(layer.sqnr_db for layer in found),
        "alone, dB": tuple(layer.own_sqnr_db for layer in found),
        "ms": tuple(None if y.seconds is None else 1000 * y.seconds for y in found),
        "stays float": tuple(layer.stays_float for layer in found),
    }
    known = {name: cells for name, cells in columns.items() if any(c is not None for c in cells)}
    return Table(tuple(known), tuple(zip(*known.values(), strict=True)))


def _origin(report: Report) -> Iterator[tuple[str, str]]:
    origin = report.origin
    if origin is None:
        return
    yield "Recipe", origin.recipe
    for number, rule in enumerate(origin.rules, 1):
        yield f"Rule {number}", rule
    yield "Calibration", counted(origin.calibration_samples, "sample")
    if origin.calibration_sha256 is not None:
        yield "SHA-256 of the samples", origin.calibration_sha256
    if origin.vectors_sha256 is not None:
        yield "SHA-256 of the test vectors", origin.vectors_sha256
    yield "Made with", ", ".join(origin.versions)


def _sentence(details: tuple[str, ...]) -> str:
    return f"{capital('; '.join(details))}." if details else ""


def _quantity(number: float) -> str:
    """A number in a table: whole ones in groups of three digits, others with four of them."""
    if isinstance(number, int):
        return f"{number:,}"
    return f"{number:.4g}" if math.isfinite(number) else "no noise"


def _plain(number: float) -> str:
    """A number as JavaScript reads it."""
    return "Infinity" if number == math.inf else str(number)


def _environment() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(_asset)
    found = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    found.filters |= {
        "capital": capital,
        "decibel": lambda number: f"{number:.1f} dB",
        "plain": _plain,
        "quantity": _quantity,
        "share": lambda number: f"{number:.1%}",
    }
    return found


def _asset(name: str) -> str:
    return (files("intact.report") / "assets" / name).read_text(encoding="utf-8")


def _specs(charts: dict[str, Spec]) -> str:
    both = {"config": CONFIG, "charts": charts}
    return script_text(json.dumps(both, separators=(",", ":"), ensure_ascii=False, allow_nan=False))


@cache
def _vega() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script that defines `vegaEmbed`; no tag ends in it."""
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")
