"""Files whose checksum is right and whose content is not: refused quickly, in one line."""

import json
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest

from intact.errors import FormatError
from intact.ir.container import MAX_DEPTH, MAX_HEADER
from intact.ir.file import load, save
from intact.ir.int_ops import Program
from tests.unit.ir.examples import examples, name_of, network
from tests.unit.ir.running import run
from tests.unit.ir.sealed import DELETED, paths, replaced, seal, seal_stream, unseal

EXAMPLES = {name_of(program): program for program in examples()}


def parts(program: Program, path: Path) -> tuple[Any, bytes]:
    save(program, path)
    return unseal(path.read_bytes())


def check_refused(path: Path, match: str) -> None:
    """FormatError in one line, within seconds and 20 MB."""
    start = time.monotonic()
    with pytest.raises(FormatError, match=match) as caught:
        load(path)
    assert time.monotonic() - start < 5
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
    tracemalloc.start()
    with pytest.raises(FormatError):
        load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20e6


def test_sealing_an_unchanged_header_gives_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    header, tensors = parts(network(), path)
    compact = json.dumps(header, separators=(",", ":")).encode()
    assert seal(compact, tensors) == path.read_bytes()


VALUE, NODE, TENSOR = ("program", "values"), ("program", "nodes"), ("tensors", 0)
WEIGHT = (*VALUE, 3)  # of `network`: x, x.codes, x.nhwc, conv.weight
CONV = (*NODE, 2, "op")
HOSTILE = {
    "huge dimension": ((*WEIGHT, "shape", 0), 2**62, "elements"),
    "huge shape": ((*VALUE, 0, "shape"), [-1, 2**16, 2**16, 2**16], "elements"),
    "number beyond 64 bits": ((*VALUE, 0, "shape", 1), 2**70, "is not a valid int"),
    "zero dimension": ((*VALUE, 0, "shape", 1), 0, "has a 0"),
    "too many axes": ((*VALUE, 0, "shape"), [1] * 17, "more than 16 axes"),
    "deep axes": ((*VALUE, 0, "shape"), [1] * 20_000, "more than 16 axes"),
    "name with a line break": ((*VALUE, 0, "name"), "a\nb", "printable"),
    "half a surrogate": ((*VALUE, 0, "name"), "\ud800", "printable"),
    "empty name": ((*VALUE, 0, "name"), "", "printable"),
    "duplicate name": ((*VALUE, 1, "name"), "x", "listed twice"),
    "unknown op": ((*CONV, "op"), "Exec", "known \"op\""),
    "unknown format": ((*WEIGHT, "dtype", "format"), "Float3", "known \"format\""),
    "impossible format": ((*WEIGHT, "dtype", "bits"), 99, "1 to 16, 32 or 64 bits"),
    "missing field": ((*CONV, "stride"), DELETED, "missing fields"),
    "extra field": ((*CONV, "__class__"), "x", "unknown fields"),
    "wrong type": ((*CONV, "groups"), "1", "is not a valid int"),
    "boolean for a number": ((*CONV, "groups"), True, "is not a valid int"),
    "real for an integer": ((*CONV, "groups"), 1.0, "is not a valid int"),
    "integer for a real": ((*NODE, 0, "op", "params", "scale"), 1, "is not a valid float"),
    "text for a list": ((*CONV, "stride"), "22", "is not a list"),
    "short tuple": ((*CONV, "stride"), [2], "list of 2 entries"),
    "unknown choice": ((*CONV, "requant", "accumulator_bits"), 48, r"one of \[32, 64\]"),
    "zero stride": ((*CONV, "stride", 0), 0, "stride"),
    "negative stride": ((*CONV, "stride", 0), -1, "stride"),
    "zero groups": ((*CONV, "groups"), 0, "groups"),
    "negative padding": ((*CONV, "padding", 0, 0), -1, "padding"),
    "huge padding": ((*CONV, "padding"), [[2**31 - 1, 0]] * 2, "gives shape"),
    "scale of zero": ((*NODE, 0, "op", "params", "scale"), 0.0, "positive and finite"),
    "scale beyond float32": ((*NODE, 0, "op", "params", "scale"), 1e300, "not a float32"),
    "other scale": ((*NODE, 0, "op", "params", "scale"), 0.5, "not those of"),
    "ragged array": ((*CONV, "requant", "qmin"), [[1], [1, 2]], "differ in length"),
    "matrix for a vector": ((*CONV, "requant", "qmin"), [[1]], "qmin of shape"),
    "empty array": ((*CONV, "requant", "qmin"), [], "qmin of shape"),
    "clamp outside": ((*CONV, "requant", "qmax"), [128], "outside of -128..127"),
    "shift out of range": ((*NODE, 3, "op", "requant", "shift"), [31], "shift must be in"),
    "multiplier negative": ((*NODE, 3, "op", "requant", "multiplier"), [-1], "multiplier must"),
    "tensor twice": ((*CONV, "requant", "shift", "tensor"), 3, "nothing else uses"),
    "tensor of none": ((*CONV, "requant", "shift", "tensor"), 99, "nothing else uses"),
    "tensor unused": ((*CONV, "requant", "shift"), [-7] * 20, "nothing uses it"),
    "tensor is text": ((*CONV, "requant", "shift", "tensor"), "0", "nothing else uses"),
    "tensor overlaps": ((*TENSOR, "offset"), 64, "starts at 64, expected 0"),
    "tensor outside": (("tensors", 1, "offset"), 2**40, "starts at"),
    "tensor negative": (("tensors", 1, "offset"), -64, "starts at"),
    "tensor too large": ((*TENSOR, "shape"), [2**40], "not those of its shape"),
    "tensor and bytes too large": (TENSOR, {
        "dtype": {"format": "Int", "bits": 8, "signed": True, "narrow": False},
        "shape": [2**40], "offset": 0, "bytes": 2**40,
    }, "starts at"),
    "tensor of negative size": ((*TENSOR, "shape"), [-20, -27], "has shape"),
    "tensor of other bits": ((*TENSOR, "dtype", "bits"), 3, "not those of its shape"),
    "constant of other dtype": ((*WEIGHT, "dtype", "narrow"), True, "its tensor is Int"),
    "constant missing": (("program", "constants", 0), DELETED, "before it is written|uses it"),
    "constant twice": (("program", "constants", 1, "name"), "conv.weight", "listed twice"),
    "unused value": ((*VALUE, 0, "name"), "y2", "missing or unused"),
    "reads the future": ((*NODE, 0, "inputs", 0), "pool", "missing or unused|before it is written"),
    "writes twice": ((*NODE, 1, "output"), "x.codes", "missing or unused|written twice"),
    "no program": (("program",), None, "fields of ProgramEntry"),
    "more than a program": (("extra",), {}, "a program and its tensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_header_is_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    header, tensors = parts(network(), path)
    where, value, message = HOSTILE[case]
    path.write_bytes(seal(replaced(header, where, value), tensors))
    check_refused(path, message)


DEEP = b"[" * 1_000_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (DEEP, f"deeper than {MAX_DEPTH}"),
        (b'{"a":' * 500_000 + b"1" + b"}" * 500_000, f"deeper than {MAX_DEPTH}"),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "a program and its tensors"),
        (b'{"program":1,"program":2,"tensors":[]}', "repeated"),
        (b'{"program":NaN,"tensors":[]}', "NaN is not"),
        (b'{"program":-Infinity,"tensors":[]}', "Infinity is not"),
        (b'{"program":1e999,"tensors":[]}', "inf is not an object"),
        (b'{"program":' + b"9" * 100_000 + b',"tensors":[]}', "not JSON"),
        (b'{"program":"\xff"}', "not JSON"),
        (b"", "not JSON"),
        (b"{}x", "not JSON"),
        (b'"' + b"[" * 100 + b'"', "a program and its tensors"),
        (b'"' + b"\\", "not JSON"),
        (b'"' + b'\\"' * 500_000, "not JSON"),
        (b"null", "a program and its tensors"),
        (b" " * (MAX_HEADER + 1), "one whole stream of at most"),
    ],
    ids=range(16),
)  # fmt: skip
def test_hostile_json_is_refused(text: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    path.write_bytes(seal(text, b""))
    check_refused(path, message)


@pytest.mark.parametrize(
    "stream",
    [b"", b"{}", zlib.compress(b"{}")[:-1], zlib.compress(b"{}") + b"x"],
    ids=["empty", "plain", "cut", "long"],
)
def test_damaged_streams_are_refused(stream: bytes, tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    path.write_bytes(seal_stream(stream, b""))
    check_refused(path, "its header")


def test_header_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    save(network(), path)
    data = bytearray(path.read_bytes())
    data[12:16] = (2**24 - 1).to_bytes(4, "little")
    path.write_bytes(data)
    check_refused(path, "header of")


def test_another_version_is_named(tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    save(network(), path)
    data = bytearray(path.read_bytes())
    data[8] = 3
    path.write_bytes(data)
    check_refused(path, "has version 3; this intact reads versions 1 to 2")


def test_codes_outside_of_their_format_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    program = EXAMPLES["QConvTranspose2d"]
    header, tensors = parts(program, path)
    path.write_bytes(seal(header, b"\x80" + tensors[1:]))  # -128 in narrow int8
    check_refused(path, r"codes -128\.\.")


NASTY = (None, True, -1, 0, 2**31, 1e308, "x", [], {"tensor": 0}, DELETED)


def refusal(path: Path) -> str:
    """The error's message; empty if the file was loaded, and then it runs."""
    try:
        program = load(path)
    except FormatError as error:
        return str(error)
    run(program, batch=2)
    return ""


@pytest.mark.parametrize(
    "name", ["QConv2d", "QConvTranspose2d", "QLayerNorm", "QAdd", "AvgPool", "Pad", "Slice"]
)
def test_any_changed_part_is_refused_or_runs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    header, tensors = parts(EXAMPLES[name], path)
    with path.open("r+b") as file:
        for where in paths(header):
            for value in NASTY:
                file.seek(0)
                file.write(seal(replaced(header, where, value), tensors))
                file.truncate()
                file.flush()
                assert refusal(path).isprintable()
