"""The page in headless Chromium: everything is drawn, sorts, and can be read by everybody."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import intact
from tests.unit.report.browser import Browser, browser
from tests.unit.report.conftest import Made

CHARTS = ("noise", "ranges", "bits", "bytes", "memory", "tradeoff")
PHONE = 390
CHECKS = Path(__file__).with_name("checks.js").read_text()
UNKNOWN = "\N{EN DASH}"


def ask(tab: Browser, question: str) -> Any:
    """The result of a function of checks.js."""
    return tab.run(f"{CHECKS}\nreturn {question}()")


@pytest.fixture(scope="module")
def page(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "tiny.html"
    other = intact.quantize(made.graph, made.samples, recipe="W4A8")
    intact.write_report(
        made.network,
        path,
        model=made.graph,
        samples=made.samples,
        others={"W4A8": other},
        name="tiny network",
    )
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture
def tab(chromium: Browser, page: Path) -> Browser:
    chromium.console()
    chromium.requests()
    chromium.open(page)
    return chromium


@pytest.mark.parametrize("width", [PHONE, 1200])
def test_every_chart_is_drawn_from_the_file_alone(tab: Browser, page: Path, width: int) -> None:
    tab.open(page, width)
    assert tab.console() == []
    asked = [message for message in tab.requests() if "file:///" not in message]
    assert [message for message in asked if '"url":"data:' not in message] == []
    found = ask(tab, "drawn")
    assert set(found) == {*CHARTS, "histogram", "channels"}
    for name, (wide, high, marks) in found.items():
        assert wide > 0.8 * min(width - 60, 1000), name
        assert high > 40, name
        assert marks >= 3, name


def test_a_phone_needs_no_scrolling_to_the_side(tab: Browser, page: Path) -> None:
    tab.open(page, PHONE)
    assert tab.run("return document.documentElement.scrollWidth") == PHONE
    assert ask(tab, "tooWide") == []


def column(tab: Browser, number: int) -> list[str]:
    script = "return [...document.querySelectorAll('#layer-table tbody tr')]"
    found = tab.run(f"{script}.map((row) => row.cells[{number}].textContent)")
    assert isinstance(found, list)
    return found


def test_tables_sort_by_click_and_by_key(tab: Browser) -> None:
    heading = "document.querySelectorAll('#layer-table th button')[6]"
    assert tab.run(f"return {heading}.textContent") == "bytes"
    before = column(tab, 6)
    tab.run(f"{heading}.click()")
    sizes = [int(cell.replace(",", "")) for cell in column(tab, 6) if cell != UNKNOWN]
    assert sizes == sorted(sizes)
    assert len(sizes) == 3
    assert column(tab, 6)[-1] == UNKNOWN  # what has no number stays last
    tab.run(f"{heading}.focus()")
    tab.press("\ue007")  # enter
    assert tab.run(f"return {heading}.closest('th').ariaSort") == "descending"
    turned = [int(cell.replace(",", "")) for cell in column(tab, 6) if cell != UNKNOWN]
    assert turned == sizes[::-1]
    assert column(tab, 6)[-1] == UNKNOWN
    tab.run("document.querySelector('#layer-table th button').click()")
    assert column(tab, 6) == before


def test_layers_are_found_by_name(tab: Browser) -> None:
    tab.run("document.getElementById('find').focus()")
    tab.press("qlinear")
    rows = "document.querySelectorAll('#layer-table tbody tr:not([hidden])')"
    assert tab.run(f"return {rows}.length") == 1


def test_the_theme_follows_the_system_and_the_switch(tab: Browser, page: Path) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = tab.run(paper)
    tab.open(page, theme="dark")
    dark = tab.run(paper)
    assert light == "rgb(255, 255, 255)"
    assert dark != light
    assert tab.run("return document.getElementById('theme').ariaPressed") == "true"
    tab.run("document.getElementById('theme').click()")
    assert tab.run(paper) == light
    tab.open(page, theme="dark")
    assert tab.run(paper) == light  # it is remembered
    tab.run("document.getElementById('theme').click()")
    assert tab.run(paper) == dark
    tab.run("localStorage.clear()")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(tab: Browser, page: Path, theme: str) -> None:
    tab.open(page, theme=theme)
    tab.run("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert ask(tab, "poorContrast") == []


def test_everything_has_a_name_and_a_table(tab: Browser) -> None:
    assert ask(tab, "unnamed") == []
    ids = tab.run("return [...document.querySelectorAll('[id]')].map((n) => n.id)")
    page_ids = [name for name in ids if not name.startswith("vg-")]
    assert len(page_ids) == len(set(page_ids))
    assert tab.run("return document.documentElement.lang") == "en"
    assert tab.run("return document.querySelectorAll('h1, main').length") == 2
    levels = tab.run("return [...document.querySelectorAll('h1,h2,h3')].map((n) => +n.tagName[1])")
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert ask(tab, "withoutTable") == []


def test_the_explorer_goes_through_all_tensors(tab: Browser) -> None:
    chooser = "document.getElementById('tensor')"
    assert tab.run(f"return {chooser}.options.length") == 7
    assert tab.run("return document.querySelectorAll('#channels-table tbody tr').length") == 6
    facts = "return document.getElementById('facts').innerText"
    assert "SQNR" in tab.run(facts)
    tab.run("document.getElementById('next').focus()")
    for _ in range(3):  # 0.weight, 2.weight, 4.weight, input
        tab.press(" ")
    assert tab.run(f"return {chooser}.selectedOptions[0].text") == "input"
    tab.run("return show(3).then(() => true)")  # resolves when all is drawn
    assert "Clipped" in tab.run(facts)
    assert "channels" not in ask(tab, "drawn")  # an activation has none
    assert ask(tab, "drawn")["histogram"][2] > 20
    assert tab.console() == []
