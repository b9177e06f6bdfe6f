"""Whatever is done to a file, it is read or refused: no crash, no hang, no huge allocation."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from intact.capture.tflite import read
from intact.errors import FormatError, IntactError, UnsupportedOpError
from tests.unit.capture.tflite.building import File
from tests.unit.capture.tflite.keyword_net import keyword_net
from tests.unit.capture.tflite.test_movement import FILES

NUMBERS = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@pytest.fixture(scope="module")
def keywords() -> bytes:
    return keyword_net().to_bytes()


def is_read_or_refused(data: bytes, folder: Path) -> bool:
    path = folder / "net.tflite"
    path.write_bytes(data)
    try:
        read(path)
    except IntactError as error:
        message = str(error)
    else:
        return True
    assert str(path) in message
    return False


def test_an_intact_file_is_read(keywords: bytes, tmp_path: Path) -> None:
    assert 40_000 < len(keywords) < 60_000
    assert is_read_or_refused(keywords, tmp_path)


def test_truncated_files_are_refused(keywords: bytes, tmp_path: Path) -> None:
    for size in np.random.default_rng(1).integers(0, len(keywords), 60):
        is_read_or_refused(keywords[:size], tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_changed_bytes_do_no_harm(keywords: bytes, tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    files = [keywords, *(make().to_bytes() for make in FILES.values())]
    for _ in range(100):
        data = bytearray(files[rng.integers(len(files))])
        for _ in range(rng.integers(1, 4)):
            # What a flatbuffer's root leads to lies at both ends.
            end = min(len(data), 1500)
            at = int(
                rng.choice([rng.integers(len(data)), rng.integers(end), -rng.integers(1, end)])
            )
            data[at] = rng.integers(256)
        is_read_or_refused(bytes(data), tmp_path)


@pytest.mark.parametrize("seed", range(2))
def test_changed_numbers_do_no_harm(keywords: bytes, tmp_path: Path, seed: int) -> None:
    """Offsets, lengths and sizes."""
    rng = np.random.default_rng(seed)
    files = [keywords, *(make().to_bytes() for make in FILES.values())]
    tracemalloc.start()
    for _ in range(50):
        data = bytearray(files[rng.integers(len(files))])
        at = 4 * int(rng.integers(len(data) // 4))
        number = int(rng.choice([*NUMBERS, len(data), rng.integers(len(data))]))
        data[at : at + 4] = number.to_bytes(4, "little")
        is_read_or_refused(bytes(data), tmp_path)
    _, largest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert largest < 30_000_000


def refused(file: File, tmp_path: Path, reason: str) -> None:
    path = file.save(tmp_path / "net.tflite")
    with pytest.raises(FormatError, match=reason) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not a TFLite file"),
        (b"TFL3", "is not a TFLite file"),
        (b"\x1c\0\0\0TFL3", "is not a TFLite file"),
        (b"\xff\xff\xff\xffTFL3" + bytes(64), "damaged or truncated"),
        (b"\x10\0\0\0TFL3" + bytes(64), "schema version 0"),
        (b"\x89intact\n" + bytes(64), "is not a TFLite file"),
    ],
)
def test_other_files_are_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=reason):
        read(path)


def test_a_value_read_before_it_is_computed_is_refused(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output((1, 4))
    between = file.tensor((1, 4))
    file.operator("ADD", [x, between], [y], "AddOptions")
    file.operator("ADD", [x, y], [between], "AddOptions")
    refused(file, tmp_path, 'ADD "y0" reads "t2" before it is computed')


def test_a_value_written_twice_is_refused(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output((1, 4))
    for _ in range(2):
        file.operator("ADD", [x, x], [y], "AddOptions")
    refused(file, tmp_path, '"y0" is written twice')


def test_an_index_of_no_tensor_is_refused(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output((1, 4))
    file.operator("ADD", [x, 9], [y], "AddOptions")
    refused(file, tmp_path, "names a tensor that is not one of its 2")


def test_a_constant_of_too_few_bytes_is_refused(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output((1, 4))
    constant = file.tensor((1, 4), data=np.zeros(3), name="c")
    file.operator("ADD", [x, constant], [y], "AddOptions")
    refused(file, tmp_path, 'constant "c": 3 bytes for int8')


def test_a_huge_constant_is_refused_without_being_allocated(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output((1, 4))
    shape = (1 << 20, 1 << 20)
    constant = file.tensor(shape, data=np.zeros(4), name="c")
    file.operator("ADD", [x, constant], [y], "AddOptions")
    refused(file, tmp_path, 'constant "c" has shape')


def test_a_declared_shape_must_be_the_computed_one(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output((1, 5))
    file.operator("ADD", [x, x], [y], "AddOptions")
    refused(file, tmp_path, r'ADD "y0" gives shape \(1, 4\), but the file declares \(1, 5\)')


def test_attributes_of_another_operator_are_refused(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output((1, 4))
    file.operator("ADD", [x, x], [y], "MulOptions")
    refused(file, tmp_path, 'ADD "y0" has no AddOptions')


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf"), 1e-30, 1e30])
def test_a_scale_must_be_a_usual_number(scale: float, tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4), scale=scale), file.output((1, 4))
    file.operator("ADD", [x, x], [y], "AddOptions")
    refused(file, tmp_path, '"x0" has scale')


def test_a_zero_point_must_be_a_code(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4), zero_point=200), file.output((1, 4))
    file.operator("ADD", [x, x], [y], "AddOptions")
    refused(file, tmp_path, '"x0" has zero point 200, which is no int8')


def test_axes_without_end_are_refused(tmp_path: Path) -> None:
    file = File()
    grown = file.input((1, 4))
    for _ in range(100):
        source, grown = grown, file.tensor(())
        file.operator("EXPAND_DIMS", [source, file.indices([0])], [grown])
    file.outputs.append(grown)
    refused(file, tmp_path, "EXPAND_DIMS .* makes 17 axes, at most 16")


def test_a_shape_of_many_axes_is_refused(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4)), file.output(())
    file.operator("RESHAPE", [x], [y], "ReshapeOptions", NewShape=[1] * 40_000)
    refused(file, tmp_path, "has 40000 entries in NewShape, at most 16")


def test_a_shape_is_not_folded_from_one_array_many_times(tmp_path: Path) -> None:
    file = File()
    x, y, shape = file.input((1, 4)), file.output((1, 4)), file.tensor((), "int64", None)
    part = file.tensor((4096,), "int64", None, data=np.zeros(4096))
    file.operator("CONCATENATION", [part] * 10_000, [shape], "ConcatenationOptions")
    file.operator("ADD", [x, x], [y], "AddOptions")
    refused(file, tmp_path, "joins 10000 tensors")


def test_operators_may_not_become_any_number_of_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intact.capture.tflite.builder._MOST_NODES", 100)
    file = File()
    x, y = file.input((1, 256)), file.output((1, 101))
    rows = file.indices([2 * i for i in range(101)])
    file.operator("GATHER", [x, rows], [y], "GatherOptions", Axis=1)
    refused(file, tmp_path, "holds more than 100 operations")


def test_scales_that_are_far_apart_name_the_operator(tmp_path: Path) -> None:
    file = File()
    x, y = file.input((1, 4), scale=2.0**31), file.output((1, 4), scale=2.0**-59)
    file.operator("HARD_SWISH", [x], [y], "HardSwishOptions")
    path = file.save(tmp_path / "net.tflite")
    with pytest.raises(UnsupportedOpError, match=f'{path}: HARD_SWISH "y0": a multiplier must be'):
        read(path)
