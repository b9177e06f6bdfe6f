import pickle
from pathlib import Path

import numpy as np
import pytest

from intact.data.arrays import read_npz
from intact.data.source import open_data
from intact.errors import CalibrationError, FormatError
from intact.ir.graph import Value
from intact.numerics.formats import FP32, Int

IMAGE = (Value("x", (-1, 1, 2, 2), FP32),)


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_all_samples_come_in_order_and_in_batches(tmp_path: Path) -> None:
    x = np.arange(20, dtype=np.float32).reshape(5, 1, 2, 2)
    y = np.array([3, 1, 4, 1, 5])
    data = read_npz(saved(tmp_path / "d.npz", x=x, y=y), IMAGE)
    batches = list(data.batches(2))
    assert [len(batch) for batch in batches] == [2, 2, 1]
    np.testing.assert_array_equal(np.concatenate([b.inputs[0] for b in batches]), x)
    np.testing.assert_array_equal(np.concatenate([b.targets for b in batches]), y)
    assert data.count == 5


def test_labels_may_be_absent(tmp_path: Path) -> None:
    data = read_npz(saved(tmp_path / "d.npz", x=np.zeros((1, 1, 2, 2), np.float32)), IMAGE)
    assert next(data.batches(1)).targets is None


def test_numbers_take_the_type_of_the_networks_input(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", x=np.full((1, 1, 2, 2), 7, np.uint8))
    assert next(read_npz(path, IMAGE).batches(1)).inputs[0].dtype == np.float32
    indices = (Value("tokens", (-1, 3), Int(64)),)
    path = saved(tmp_path / "t.npz", x=np.zeros((1, 3), np.int32))
    assert next(read_npz(path, indices).batches(1)).inputs[0].dtype == np.int64


def test_a_network_of_several_inputs_reads_them_by_name(tmp_path: Path) -> None:
    declared = (Value("a", (-1, 2), FP32), Value("b", (-1, 3), FP32))
    path = saved(tmp_path / "d.npz", a=np.zeros((4, 2)), b=np.ones((4, 3)))
    batch = next(read_npz(path, declared).batches(4))
    assert [array.shape for array in batch.inputs] == [(4, 2), (4, 3)]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((0, 1, 2, 2))}, "no samples"),
        ({"x": np.zeros((3, 2, 2))}, r"\(N, 1, 2, 2\)"),
        ({"x": np.full((1, 1, 2, 2), np.nan)}, "NaN"),
        ({"x": np.full((1, 1, 2, 2), 1e300)}, "infinity"),
        ({"x": np.full((1, 1, 2, 2), "a")}, "not numbers"),
        ({"x": np.zeros((3, 1, 2, 2)), "y": np.zeros(2, int)}, "3 samples, but 2 labels"),
        ({"x": np.zeros((3, 1, 2, 2)), "y": np.zeros((3, 10), int)}, "one whole number"),
        ({"x": np.zeros((3, 1, 2, 2)), "y": np.zeros(3)}, "one whole number"),
    ],
)
def test_unusable_samples_are_named(
    tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    with pytest.raises(CalibrationError, match=message):
        read_npz(saved(tmp_path / "d.npz", **arrays), IMAGE)


def test_an_archive_without_x_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no array 'x'; it holds: images"):
        read_npz(saved(tmp_path / "d.npz", images=np.zeros(1)), IMAGE)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objects = np.empty(1, object)
    objects[0] = Bomb()
    for path in (saved(tmp_path / "objects.npz", x=objects), tmp_path / "pickle.npz"):
        if not path.exists():
            path.write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(FormatError, match="plain arrays"):
            read_npz(path, IMAGE)
    assert not Path("exploded").exists()


def test_damaged_files_are_format_errors(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).random((64, 1, 2, 2)))
    whole = path.read_bytes()
    for damaged in (b"", b"no archive", whole[:100], whole[:200] + bytes(50) + whole[250:]):
        path.write_bytes(damaged)
        with pytest.raises(FormatError):
            read_npz(path, IMAGE)
    with path.open("wb") as stream:
        np.save(stream, np.zeros((1, 1, 2, 2)))
    with pytest.raises(FormatError, match="single array"):
        read_npz(path, IMAGE)


def test_a_source_is_known_by_its_spelling(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        open_data(str(tmp_path / "absent.npz"), IMAGE)
    (tmp_path / "d.csv").touch()
    with pytest.raises(FormatError, match=r"an \.npz file, a folder of images"):
        open_data(str(tmp_path / "d.csv"), IMAGE)
