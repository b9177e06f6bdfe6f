"""Lowering writes the Programs that were reviewed."""

import pytest

from tests.golden.networks import FOLDER, texts

TEXTS = texts()


@pytest.mark.parametrize("name", TEXTS)
def test_program_is_the_reviewed_one(name: str) -> None:
    reviewed = (FOLDER / f"{name}.txt").read_text()
    assert TEXTS[name] == reviewed, "if meant: python -m tests.golden.networks, then read the diff"


def test_every_reviewed_program_is_still_made() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == TEXTS.keys()
