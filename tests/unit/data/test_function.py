from pathlib import Path

import numpy as np
import pytest
import torch

from intact.data.batch import Batch, regroup
from intact.data.function import item_batch, split
from intact.data.source import open_data
from intact.errors import CalibrationError, FormatError
from intact.ir.graph import Value
from intact.numerics.formats import FP32

VECTOR = (Value("x", (-1, 3), FP32),)
PAIR = (Value("a", (-1, 2), FP32), Value("b", (-1, 3), FP32))


def source(folder: Path, body: str) -> str:
    file = folder / "samples.py"
    file.write_text("import numpy as np\n" + body)
    return f"{file}:samples"


def test_single_samples_and_batches_give_the_same(tmp_path: Path) -> None:
    single = source(tmp_path, "def samples():\n    return [(np.full(3, i), i) for i in range(5)]")
    (tmp_path / "sub").mkdir()
    whole = source(
        tmp_path / "sub",
        "def samples():\n    x = np.arange(5)\n"
        "    yield np.stack([x[:4]] * 3, 1), x[:4]\n    yield np.stack([x[4:]] * 3, 1), x[4:]",
    )
    for spelled in (single, whole):
        batches = list(open_data(spelled, VECTOR).batches(2))
        assert [len(batch) for batch in batches] == [2, 2, 1]
        np.testing.assert_array_equal(
            np.concatenate([b.inputs[0] for b in batches])[:, 0], np.arange(5)
        )
        np.testing.assert_array_equal(
            np.concatenate([b.targets for b in batches if b.targets is not None]), np.arange(5)
        )


def test_samples_can_be_read_again(tmp_path: Path) -> None:
    data = open_data(source(tmp_path, "def samples():\n    yield np.zeros(3)"), VECTOR)
    assert [len(list(data.batches(1))) for _ in range(2)] == [1, 1]


def test_an_item_is_taken_apart_by_the_networks_inputs() -> None:
    a, b = torch.zeros(4, 2, requires_grad=True), np.ones((4, 3))
    assert item_batch((a, b), PAIR, "here").targets is None
    labelled = item_batch(((a, b), [1, 2, 3, 4]), PAIR, "here")
    np.testing.assert_array_equal(labelled.targets, [1, 2, 3, 4])
    single = item_batch((np.zeros(3), torch.tensor(7)), VECTOR, "here")
    assert single.inputs[0].shape == (1, 3)
    np.testing.assert_array_equal(single.targets, [7])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return []", "there are no samples"),
        ("yield np.zeros(4)", r"item 0: a batch has shape \(1, 4\)"),
        ("yield np.full(3, np.inf)", "NaN or infinity"),
        ("yield np.zeros(3), 1\n    yield np.zeros(3)", "item 1: some items have a target"),
        ("yield np.zeros((2, 3)), np.zeros(3, int)", "2 samples, but 3 labels"),
        ("yield np.zeros(3), 1, 2", "3 inputs a sample"),
    ],
)
def test_unusable_samples_are_named(tmp_path: Path, body: str, message: str) -> None:
    data = open_data(source(tmp_path, f"def samples():\n    {body}"), VECTOR)
    with pytest.raises(CalibrationError, match=message):
        list(data.batches(2))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def samples():\n    return 1 / 0", r"ZeroDivisionError.*samples\.py, line 3"),
        ("def samples():\n    yield np.nothing", "AttributeError"),
        ("def samples():\n    return 3", "returned int, not an iterable"),
        ("def other():\n    pass", 'has no function "samples"'),
        ("def samples(:", "SyntaxError"),
    ],
)
def test_mistakes_in_the_users_code_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message) as raised:
        list(open_data(source(tmp_path, text), VECTOR).batches(1))
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        open_data(f"{tmp_path}/absent.py:samples", VECTOR)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
def test_regrouping_keeps_all_samples_in_order(size: int) -> None:
    lengths = [3, 0, 1, 5, 2]
    x = np.arange(sum(lengths))
    cuts = np.cumsum(lengths)[:-1]
    parts = [Batch((part,), part * 2) for part in np.split(x, cuts)]
    regrouped = list(regroup(parts, size))
    assert all(len(batch) == size for batch in regrouped[:-1])
    np.testing.assert_array_equal(np.concatenate([b.inputs[0] for b in regrouped]), x)
    for batch in regrouped:
        np.testing.assert_array_equal(batch.targets, batch.inputs[0] * 2)


def test_a_mapping_is_no_batch() -> None:
    with pytest.raises(CalibrationError, match="a batch is a dict; give the inputs"):
        split({"x": 1}, 1)
