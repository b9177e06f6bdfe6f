"""The examples of doc/arithmetic.md give the numbers that the document shows."""

import doctest
import re
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "doc" / "arithmetic.md"
SOURCES = Path(__file__).resolve().parents[2] / "src"


def python_blocks(text: str) -> str:
    """The text with everything outside of python blocks blanked, so that line numbers stay."""
    inside, kept = False, []
    for line in text.splitlines():
        fence = line.startswith("```")
        kept.append("" if fence or not inside else line)
        inside = line == "```python" or (inside and not fence)
    return "\n".join(kept) + "\n"


def test_examples_give_what_the_document_shows() -> None:
    examples = doctest.DocTestParser().get_doctest(
        python_blocks(DOCUMENT.read_text()), {}, DOCUMENT.name, str(DOCUMENT), 0
    )
    assert len(examples.examples) > 20
    report: list[str] = []
    results = doctest.DocTestRunner().run(examples, out=report.append)
    assert results.failed == 0, "".join(report)


def test_equations_are_numbered_in_order_and_once() -> None:
    numbers = [int(n) for n in re.findall(r"^ {4}\S.* {2,}\((\d+)\)$", DOCUMENT.read_text(), re.M)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_equations_that_the_code_cites_exist() -> None:
    numbers = set(re.findall(r"\((\d+)\)$", DOCUMENT.read_text(), re.M))
    cited = {
        (path.name, number)
        for path in SOURCES.rglob("*.py")
        for citation in re.findall(r"\beq\. (\d+(?:(?:,| and| to) \d+)*)", path.read_text())
        for number in re.findall(r"\d+", citation)
    }
    assert cited
    assert [(name, number) for name, number in sorted(cited) if number not in numbers] == []
