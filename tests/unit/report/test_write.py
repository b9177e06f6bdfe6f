import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
import torch
from torch import nn

import intact
from intact.report import contents
from intact.report.contents import Histogram
from intact.report.document import SCHEMA, VERSION, document, text
from intact.report.page import page
from intact.report.tensors import MOST_BINS, most_channels
from tests.unit.report.conftest import Made

SAMPLE = torch.randn(8, 64, generator=torch.Generator().manual_seed(0))


def test_equal_arguments_give_equal_bytes(made: Made, tmp_path: Path) -> None:
    pages = [tmp_path / "a.html", tmp_path / "b.html"]
    for path in pages:
        report = intact.write_report(
            made.network, path, model=made.graph, samples=made.samples, name="tiny"
        )
    assert pages[0].read_bytes() == pages[1].read_bytes()
    assert len(pages[0].read_bytes()) < 2_000_000
    assert report.accuracy is not None
    assert report.accuracy.samples == 40
    assert report.outputs is not None
    assert (report.outputs.sqnr_db or 0) > 25
    assert [part.what for part in report.missing] == ["Latency", "The trade-off curve"]


def test_a_page_loads_nothing(made: Made, tmp_path: Path) -> None:
    intact.write_report(made.network, tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text()
    head = html[: html.index('<script type="application/json"')]
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', head)
    assert "default-src 'none'" in head
    assert "@import" not in html[: html.index("</style>")]


def test_what_is_not_given_is_named(made: Made, tmp_path: Path) -> None:
    report = intact.write_report(made.network, tmp_path / "a.html")
    assert report.verdict.state == "unmeasured"
    said = " ".join(part.how for part in report.missing)
    for option in ("--model", "--data", "--benchmark", "A.intact B.intact"):
        assert option in said
    assert report.accuracy is report.outputs is report.latency is None
    assert all(layer.sqnr_db is None for layer in report.layers)


def test_others_give_the_trade_off_curve(made: Made, tmp_path: Path) -> None:
    other = intact.quantize(made.graph, made.samples, recipe="W4A8")
    report = intact.write_report(
        made.network,
        tmp_path / "a.html",
        model=made.graph,
        samples=made.samples,
        others={"W4A8": other},
        name="W8A8",
    )
    first, second = report.candidates
    assert (first.name, first.shown, second.name, second.shown) == ("W8A8", True, "W4A8", False)
    assert (first.stored_bytes or 0) > (second.stored_bytes or 0)
    assert (first.sqnr_db or 0) > (second.sqnr_db or 0)
    assert 'id="tradeoff-figure"' in (tmp_path / "a.html").read_text()


def test_a_validation_says_the_budget(made: Made, tmp_path: Path) -> None:
    def validate(engine: intact.Engine) -> float:
        outputs = [engine(x).argmax(1) == y for x, y in made.samples]
        return float(sum(right.sum() for right in outputs)) / 40

    network = intact.quantize(made.graph, made.samples, validate=validate, max_drop=0.5)
    report = intact.write_report(network, tmp_path / "a.html")
    assert report.verdict.state == "kept"
    assert "within the budget of 50.00 points" in report.verdict.headline


def test_a_page_is_written_whole_or_not_at_all(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("before")
    flat = [x[:, 0] for x, _ in made.samples]
    with pytest.raises(intact.CalibrationError):
        intact.write_report(made.network, path, model=made.graph, samples=flat)
    assert path.read_text() == "before"
    with pytest.raises(ValueError, match=r"saved as \.html"):
        intact.write_report(made.network, tmp_path / "a.pdf")
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_not_installed_is_said_first(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ImportError, match=r"needs vl-convert-python: pip install 'intact"):
        intact.write_report(made.network, tmp_path / "a.html", samples=[])


@pytest.mark.parametrize("recipe", ["dynamic-int8", "W4-g32", "float16", "W8A16"])
def test_every_recipe_has_a_page(tmp_path: Path, recipe: str) -> None:
    torch.manual_seed(0)
    graph = intact.to_graph(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 3)), SAMPLE)
    network = intact.quantize(graph, [SAMPLE], recipe=recipe)
    report = intact.write_report(network, tmp_path / "a.html", model=graph, samples=[SAMPLE])
    weights = [tensor for tensor in report.tensors if tensor.kind == "weight"]
    assert [weight.name for weight in weights] == ["0.weight", "2.weight"]
    assert all((weight.sqnr_db or 0) > 10 for weight in weights)
    assert report.outputs is not None
    assert (report.outputs.sqnr_db or 0) > 10


def test_the_page_of_a_large_network_is_below_six_megabytes(made: Made, tmp_path: Path) -> None:
    report = intact.write_report(made.network, tmp_path / "a.html", samples=made.samples)
    weight = next(tensor for tensor in report.tensors if tensor.kind == "weight")
    shares = tuple(1 / (number + 3) for number in range(MOST_BINS))
    kept = range(most_channels(600))
    channels = tuple(replace(weight.channels[0], index=i, minimum=i / 7) for i in kept)
    histogram = Histogram(0.1, 0.2, shares)
    wide = replace(weight, histogram=histogram, channels=channels)
    layers = tuple(replace(report.layers[0], name=f"blocks.{i}.conv") for i in range(300))
    tensors = tuple(replace(wide, name=layer.name) for layer in layers)
    html = page(replace(report, layers=layers, tensors=2 * tensors))
    assert len(html.encode()) < 6_000_000


def test_names_cannot_end_the_script(made: Made, tmp_path: Path) -> None:
    report = intact.write_report(made.network, tmp_path / "a.html")
    hostile = '</script><img src="x" onerror="alert(1)">'
    layer = replace(report.layers[0], name=hostile, title=hostile)
    html = page(replace(report, name=hostile, layers=(layer, *report.layers[1:])))
    assert "</script><img" not in html
    assert '<img src="x"' not in html


def test_the_document_is_versioned_json(made: Made, tmp_path: Path) -> None:
    report = intact.write_report(
        made.network, tmp_path / "a.html", model=made.graph, samples=made.samples
    )
    found = json.loads(text(report))
    assert found == json.loads(json.dumps(document(report)))
    assert (found["schema"], found["version"]) == (SCHEMA, VERSION)


def test_infinities_are_null(made: Made, tmp_path: Path) -> None:
    report = intact.write_report(made.network, tmp_path / "a.html")
    layer = replace(report.layers[0], sqnr_db=float("inf"))
    assert 'data-v="Infinity">no noise<' in page(replace(report, layers=(layer,)))
    found = json.loads(text(replace(report, layers=(layer,))))
    assert found["layers"][0]["sqnr_db"] is None
    assert get_args(get_type_hints(contents.Layer)["sqnr_db"]) == (float, type(None))


def test_findings_name_the_layer_and_its_cure(made: Made, tmp_path: Path) -> None:
    constants = {name: array.copy() for name, array in made.graph.constants.items()}
    constants["2.weight"][0] *= 300  # an outlier channel, of the same function:
    constants["2.bias"][0] *= 300
    constants["4.weight"][:, :16] /= 300
    graph = replace(made.graph, constants=constants)
    network = intact.quantize(graph, made.samples, recipe="W8A8-per-tensor")
    report = intact.write_report(network, tmp_path / "a.html", model=graph, samples=made.samples)
    assert report.findings
    first = report.findings[0]
    assert first.layer == "2"
    assert "outlier" in first.cause
    assert first.cure_words
    html = (tmp_path / "a.html").read_text()
    assert first.evidence in html
    assert 'id="findings"' in html
