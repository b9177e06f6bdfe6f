"""The examples of doc/training.md give what the document shows."""

import doctest
from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "doc" / "training.md"


def test_examples_give_what_the_document_shows() -> None:
    text = DOCUMENT.read_text().replace("```", "")
    examples = doctest.DocTestParser().get_doctest(text, {}, DOCUMENT.name, str(DOCUMENT), 0)
    assert len(examples.examples) > 20
    report: list[str] = []
    results = doctest.DocTestRunner().run(examples, out=report.append)
    assert results.failed == 0, "".join(report)
