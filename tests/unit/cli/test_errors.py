"""Unusable input: exit code 2, one line on stderr, nothing on stdout, no file."""

from pathlib import Path

import numpy as np
import pytest

from intact.cli.main import run

pytestmark = pytest.mark.usefixtures("here")

NET = "net.py:with_example"


def nan(folder: Path) -> None:
    np.savez(folder / "nan.npz", x=np.full((4, 1, 6, 6), np.nan))


def empty(folder: Path) -> None:
    np.savez(folder / "empty.npz", x=np.zeros((0, 1, 6, 6)))


def wrong_shape(folder: Path) -> None:
    np.savez(folder / "wrong.npz", x=np.zeros((4, 3, 6, 6)))


def out_of_range(folder: Path) -> None:
    np.savez(folder / "range.npz", x=np.zeros((4, 1, 6, 6)), y=np.array([0, 1, 2, 3]))


def table(folder: Path) -> None:
    np.savez(folder / "table.npz", x=np.full((4, 6), 20))


def nothing(folder: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("prepare", "model", "options", "message"),
    [
        (nothing, "absent.onnx", ["--calibration", "cal.npz"], "absent.onnx: no such file"),
        (nothing, "absent.pt2", ["--calibration", "cal.npz"], "absent.pt2: no such file"),
        (nothing, "absent.py:net", ["--calibration", "cal.npz"], "absent.py: no such file"),
        (nothing, "net.py:absent", ["--calibration", "cal.npz"], 'no function "absent"'),
        (nothing, "net.py:no_network", ["--calibration", "cal.npz"], "returned int, not an nn"),
        (nothing, "net.py", ["--calibration", "cal.npz"], "as net.py:function"),
        (nothing, ".", ["--calibration", "cal.npz"], "is a folder"),
        (nothing, "net.intact", ["--calibration", "cal.npz"], "is quantized already"),
        (nothing, "net.py:leaves", ["--calibration", "cal.npz"], "SystemExit: bye (net.py, line"),
        (nothing, NET, ["--calibration", "net.py"], "as net.py:function"),
        (nothing, "net.py:unsupported", ["--calibration", "cal.npz"], "sort"),
        (nothing, NET, ["--calibration", "absent.npz"], "absent.npz: no such file"),
        (wrong_shape, NET, ["--calibration", "wrong.npz"], "(N, 1, 6, 6)"),
        (empty, NET, ["--calibration", "empty.npz"], "there are no samples"),
        (nan, NET, ["--calibration", "nan.npz"], "NaN"),
        (nothing, NET, [], "needs --calibration"),
        (nothing, NET, ["--calibration", "cal.npz", "--recipe", "W8A9"], "the nearest are W8A8"),
        (
            nothing,
            NET,
            ["--calibration", "cal.npz", "--recipe", "net.py:no_rules"],
            "no intact.Rec",
        ),
        (
            nothing,
            NET,
            ["--calibration", "cal.npz", "--recipe", "net.py:misspelled_rule"],
            'matches "convolution"',
        ),
        (nothing, NET, ["--calibration", "cal.npz", "--validate", "cal.npz"], "no labels"),
        (nothing, NET, ["--calibration", "cal.npz", "--max-drop", "1%"], "needs --validate"),
        (
            out_of_range,
            NET,
            ["--calibration", "cal.npz", "--validate", "range.npz"],
            "label 3 is out of range: the network has 3 outputs",
        ),
        (nothing, NET, ["--calibration", "cal.npz", "--max-drop", "x"], "no share like 0.5%"),
        (nothing, NET, ["--calibration", "cal.npz", "--max-drop", "120%"], "between 0 and 1"),
        (nothing, NET, ["--calibration", "cal.npz", "--mean", "x"], "no list of numbers"),
        (nothing, NET, ["--calibration", "cal.npz", "--std", "0"], "std must be positive"),
        (nothing, NET, ["--calibration", "cal.npz", "--mean", "inf"], "mean must be finite"),
        (nothing, NET, ["--calibration", "cal.npz", "--mean", "0.5"], "about folders of images"),
        (table, "net.py:indices", ["--calibration", "table.npz"], "outside of the network's table"),
        (nothing, NET, ["--calibration", "cal.npz", "--batch-size", "0"], "0 is not in the range"),
        (nothing, NET, ["--calibration", "cal.npz", "--typo"], "No such option"),
    ],
)
def test_what_cannot_be_quantized_is_named(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    prepare: object,
    model: str,
    options: list[str],
    message: str,
) -> None:
    assert callable(prepare)
    prepare(here)
    before = set(here.iterdir())
    assert run(["quantize", model, *options, "-o", "out.intact"]) == 2
    assert_one_line(capsys, message)
    assert {path for path in here.iterdir() if path.name != "__pycache__"} == before


def assert_one_line(capsys: pytest.CaptureFixture[str], message: str) -> None:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("intact: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err


@pytest.mark.parametrize("command", ["evaluate", "verify"])
def test_indices_outside_of_a_table_are_named(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    table(here)
    np.savez(here / "inside.npz", x=np.arange(24).reshape(4, 6) % 20)
    quantize = ["quantize", "net.py:indices", "--calibration", "inside.npz", "-o", "net.intact"]
    assert run(quantize) == 0
    capsys.readouterr()
    assert run([command, "net.intact", "--data", "table.npz"]) == 2
    assert_one_line(capsys, "outside of the network's table")


@pytest.mark.parametrize(
    ("name", "content"), [("bad.onnx", b"not a network"), ("bad.onnx", b""), ("bad.pt2", b"no")]
)
def test_files_of_another_kind_are_refused(
    here: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    (here / name).write_bytes(content)
    assert run(["quantize", name, "--calibration", "cal.npz", "-o", "out.intact"]) == 2
    assert_one_line(capsys, name)
    assert not (here / "out.intact").exists()


@pytest.mark.parametrize("output", ["net.onnx", "absent/net.intact", "folder.intact"])
def test_outputs_are_looked_at_first(
    here: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    (here / "folder.intact").mkdir()
    assert run(["quantize", "absent.onnx", "-o", output]) == 2
    assert_one_line(capsys, output.split("/")[0])


@pytest.mark.parametrize("command", ["inspect", "evaluate", "export"])
def test_a_corrupt_file_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    quantize = ["quantize", NET, "--calibration", "cal.npz", "-o", "net.intact"]
    assert run(quantize) == 0
    whole = (here / "net.intact").read_bytes()
    options = {
        "inspect": [],
        "evaluate": ["--data", "test.npz"],
        "export": ["--to", "onnx", "-o", "out.onnx"],
    }
    flipped = whole[:-10] + bytes([whole[-10] ^ 1]) + whole[-9:]
    for damaged in (b"", b"text", whole[: len(whole) // 2], flipped):
        (here / "net.intact").write_bytes(damaged)
        capsys.readouterr()
        assert run([command, "net.intact", *options[command]]) == 2
        assert_one_line(capsys, "net.intact")
        assert not (here / "out.onnx").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "absent.intact", "--data", "test.npz"], "absent.intact: no such file"),
        (["evaluate", NET, "--data", "cal.npz"], "no labels"),
        (["evaluate", NET, "--data", "test.npz", "--executor", "reference"], "not quantized"),
        (["evaluate", NET, "--data", "test.npz", "--executor", "onnxruntime"], "runs .onnx"),
        (["export", NET, "--to", "onnx", "-o", "out.onnx"], "no quantized network"),
        (["inspect", "net.py:network"], "return (module, example input)"),
        (["absent"], "No such command"),
        (["verify", "absent.intact"], "--data DATA, or --certificate"),
        (["verify", "absent.intact", "--data", "test.npz", "--certificate"], "--data DATA, or"),
        (["verify", "absent.intact", "--data", "test.npz", "--executor", "abacus"], "abacus"),
        (["quantize", NET, "-o", "net.intact", "--seed", str(2**63)], "does not fit 64 bits"),
    ],
)
def test_other_commands_name_what_is_wrong(
    here: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run(arguments) == 2
    assert_one_line(capsys, message)
    assert not (here / "out.onnx").exists()


def test_a_defect_shows_its_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("intact.cli.inspect.document", lambda *_: 1 // 0)
    assert run(["inspect", NET]) == 3
    assert "ZeroDivisionError" in capsys.readouterr().err
