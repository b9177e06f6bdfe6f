"""Certificates survive saving, and nothing else passes for one."""

import json
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intact.errors import FormatError, VerifyError
from intact.ir.certificate import Calibration, Certificate, OutputHash, Range, Version
from intact.ir.file import load, load_certified, save
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Requantize
from intact.numerics.formats import Int
from tests.unit.ir.certified import ORIGIN, certified
from tests.unit.ir.examples import S8, coded, examples, filled, name_of, network, requant
from tests.unit.ir.sealed import DELETED, paths, replaced, seal, seal_stream, unseal

PROGRAMS = [
    p for p in examples() if name_of(p) in ("QConv2d", "QEmbedding", "QSoftmax16", "Concat")
]


def assert_same(a: Certificate | None, b: Certificate) -> None:
    assert a is not None
    assert a.origin == b.origin
    assert (a.vectors is None) == (b.vectors is None)
    if a.vectors is not None and b.vectors is not None:
        assert (a.vectors.samples, a.vectors.outputs) == (b.vectors.samples, b.vectors.outputs)
        assert list(a.vectors.inputs) == list(b.vectors.inputs)
        for name, codes in b.vectors.inputs.items():
            np.testing.assert_array_equal(a.vectors.inputs[name], codes)


@pytest.mark.parametrize("program", [network(), *PROGRAMS], ids=name_of)
def test_a_certificate_survives_saving(program, tmp_path: Path) -> None:
    path, again = tmp_path / "net.intact", tmp_path / "again.intact"
    certificate = certified(program)
    save(program, path, certificate)
    loaded, found = load_certified(path)
    assert_same(found, certificate)
    save(loaded, again, found)
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "origin",
    [
        ORIGIN,
        replace(ORIGIN, seed=None, calibration=None, ranges=(), rules=(), versions=()),
        replace(ORIGIN, seed=-(2**63) + 1),
    ],
)
def test_parts_may_be_absent(origin, tmp_path: Path) -> None:
    certificate = Certificate(origin, None)
    save(network(), tmp_path / "net.intact", certificate)
    assert_same(load_certified(tmp_path / "net.intact")[1], certificate)


def test_files_of_version_1_load(tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    save(network(), path)
    header, tensors = unseal(path.read_bytes())
    assert header.pop("certificate") is None
    text = json.dumps(header).encode()
    path.write_bytes(seal_stream(zlib.compress(text), tensors, version=1))
    program, certificate = load_certified(path)
    assert program.nodes == network().nodes
    assert certificate is None


def test_one_line_says_what_is_known() -> None:
    assert str(certified(network())).startswith(
        "by hand, python 3.11, intact 0.1.0, 300 samples (SHA-256 0123456789abcdef...), 2 test"
    )
    assert str(Certificate(replace(ORIGIN, calibration=None, versions=()), None)) == "by hand"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": {"y": filled(S8, (2, 3))}}, "test vectors for"),
        ({"inputs": {}}, "test vectors for"),
        ({"outputs": ()}, "hashes of other outputs"),
        ({"outputs": (OutputHash("z", "0" * 64),)}, "hashes of other outputs"),
        ({"samples": 3}, "expected int8 of shape"),
    ],
)
def test_vectors_of_another_network_are_not_saved(change, message: str, tmp_path: Path) -> None:
    certificate = certified(network())
    assert certificate.vectors is not None
    other = replace(certificate, vectors=replace(certificate.vectors, **change))
    with pytest.raises(VerifyError, match=message):
        save(network(), tmp_path / "net.intact", other)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(ORIGIN, recipe=""),
        lambda: replace(ORIGIN, recipe="a\nb"),
        lambda: replace(ORIGIN, rules=("x" * 4097,)),
        lambda: replace(ORIGIN, seed=2**63),
        lambda: Version("", "1"),
        lambda: Calibration(0, "0" * 64),
        lambda: Calibration(1, "0" * 63),
        lambda: Calibration(1, "G" * 64),
        lambda: Range("x", 1.0, 0.0),
        lambda: Range("x", 0.0, float("inf")),
        lambda: Range("x", float("nan"), 0.0),
        lambda: Range("", 0.0, 1.0),
    ],
)
def test_what_no_file_can_hold_is_not_made(make) -> None:
    with pytest.raises(ValueError, match=r"printable|64 bits|0 samples|SHA-256|from"):
        make()


ROOT = ("certificate",)
HOSTILE = {
    "text": (ROOT, "yes", "object with the fields"),
    "list": (ROOT, [], "object with the fields"),
    "unknown field": ((*ROOT, "time"), 1, "unknown fields"),
    "no origin": ((*ROOT, "origin"), None, "object with the fields"),
    "recipe with a line break": ((*ROOT, "origin", "recipe"), "a\nb", "printable"),
    "recipe that floods": ((*ROOT, "origin", "recipe"), "x" * 5000, "printable"),
    "rule is a number": ((*ROOT, "origin", "rules", 0), 1, "not a valid str"),
    "seed of 65 bits": ((*ROOT, "origin", "seed"), 2**64, "not a valid int"),
    "real seed": ((*ROOT, "origin", "seed"), 0.5, "not a valid int"),
    "no samples": ((*ROOT, "origin", "calibration", "samples"), 0, "0 samples"),
    "short hash": ((*ROOT, "origin", "calibration", "sha256"), "00", "no SHA-256"),
    "range turned": ((*ROOT, "origin", "ranges", 0, "low"), 9.0, "from 9.0"),
    "range of a line break": ((*ROOT, "origin", "ranges", 0, "name"), "\n", "printable"),
    "no vectors in one": ((*ROOT, "vectors", "samples"), 0, "0 test vectors"),
    "thousands of vectors": ((*ROOT, "vectors", "samples"), 4000, "4000 test vectors"),
    "more vectors than codes": ((*ROOT, "vectors", "samples"), 3, "expected int8 of shape"),
    "input of another name": ((*ROOT, "vectors", "inputs", 0, "name"), "y", "test vectors for"),
    "no inputs": ((*ROOT, "vectors", "inputs"), [], "nothing uses it"),
    "tensor of another": ((*ROOT, "vectors", "inputs", 0, "tensor"), 0, "nothing else uses"),
    "tensor of none": ((*ROOT, "vectors", "inputs", 0, "tensor"), -1, "nothing else uses"),
    "no outputs": ((*ROOT, "vectors", "outputs"), [], "hashes of other outputs"),
    "hash is a number": ((*ROOT, "vectors", "outputs", 0, "sha256"), 0, "not a valid str"),
    "vectors gone": ((*ROOT, "vectors"), None, "nothing uses it"),
    "all gone": (ROOT, DELETED, "nothing uses it"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_certificates_are_refused(case: str, tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    save(network(), path, certified(network()))
    header, tensors = unseal(path.read_bytes())
    where, value, message = HOSTILE[case]
    path.write_bytes(seal(replaced(header, where, value), tensors))
    with pytest.raises(FormatError, match=message) as caught:
        load(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_codes_outside_of_their_format_are_refused(tmp_path: Path) -> None:
    x, y = coded(-1, 3, dtype=Int(8, narrow=True)), Value("y", (-1, 3), S8)
    program = Graph((x,), (y,), (Node(Requantize(0, requant()), (x,), y),), {})
    path = tmp_path / "net.intact"
    save(program, path, certified(program))
    header, tensors = unseal(path.read_bytes())
    path.write_bytes(seal(header, b"\x80" + tensors[1:]))  # -128
    with pytest.raises(FormatError, match=r"codes -128\.\.-122 are outside of int8's -127\.\.127"):
        load(path)


@pytest.mark.parametrize("value", [None, True, -1, 2**31, 1e308, "x", [], {"tensor": 0}, DELETED])
def test_any_changed_part_is_refused_or_harmless(value: object, tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    save(network(), path, certified(network()))
    header, tensors = unseal(path.read_bytes())
    for where in paths(header["certificate"]):
        path.write_bytes(seal(replaced(header, (*ROOT, *where), value), tensors))
        with suppress(FormatError):
            load(path)
