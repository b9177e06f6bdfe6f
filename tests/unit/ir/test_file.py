import math
import os
import subprocess
import sys
import typing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intact.errors import FormatError, VerifyError
from intact.ir.file import load, save
from intact.ir.graph import Graph
from intact.ir.int_ops import IntOp, Program
from intact.ir.packing import packed_bytes
from intact.ir.size import program_bytes
from intact.numerics.formats import Format, Int
from tests.unit.ir.examples import FORMATS, examples, name_of, network
from tests.unit.ir.sealed import unseal

EXAMPLES = examples()


def saved(program: Program, folder: Path) -> bytes:
    path = folder / "net.intact"
    save(program, path)
    return path.read_bytes()


def assert_same(loaded: Program, program: Program) -> None:
    assert loaded.inputs == program.inputs
    assert loaded.outputs == program.outputs
    assert loaded.nodes == program.nodes
    pairs = zip(loaded.values(), program.values(), strict=True)
    assert all(a.params == b.params for a, b in pairs)
    assert loaded.constants.keys() == program.constants.keys()
    for name, array in program.constants.items():
        assert loaded.constants[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded.constants[name], array)


def test_every_operation_has_an_example() -> None:
    covered = {type(node.op) for program in EXAMPLES for node in program.nodes}
    assert covered == set(typing.get_args(IntOp))


@pytest.mark.parametrize("program", EXAMPLES, ids=name_of)
def test_every_operation_survives_saving(program: Program, tmp_path: Path) -> None:
    first = saved(program, tmp_path)
    loaded = load(tmp_path / "net.intact")
    assert_same(loaded, program)
    assert saved(loaded, tmp_path) == first


@pytest.mark.parametrize(
    "format",
    [f for f in FORMATS if not f.bits > 16 and not str(f).startswith(("fp", "bf", "e"))],
    ids=str,
)
def test_weights_of_every_format_survive_saving(format: Format, tmp_path: Path) -> None:
    program = network(format)
    save(program, tmp_path / "net.intact")
    assert_same(load(tmp_path / "net.intact"), program)


def test_order_of_constants_does_not_change_the_bytes(tmp_path: Path) -> None:
    program = network()
    turned = dict(reversed(program.constants.items()))
    other = Graph(program.inputs, program.outputs, program.nodes, turned)
    assert saved(program, tmp_path) == saved(other, tmp_path)


def test_bytes_do_not_depend_on_hash_seed_or_process(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from intact.ir.file import save;"
        "from tests.unit.ir.examples import network; save(network(), Path(sys.argv[1]))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    contents = set()
    for seed in ("1", "2"):
        path = tmp_path / seed
        run = [sys.executable, "-c", code, str(path)]
        subprocess.run(run, check=True, env={**environment, "PYTHONHASHSEED": seed})
        contents.add(path.read_bytes())
    assert contents == {saved(network(), tmp_path)}


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_file_grows_by_what_the_format_promises(bits: int, tmp_path: Path) -> None:
    narrow, wide = network(Int(bits), channels=64), network(Int(bits), channels=640)
    grown = len(saved(wide, tmp_path)) - len(saved(narrow, tmp_path))
    weights = (640 - 64) * 27 * bits // 8
    # bias int32, requant multiplier int32 and shift int8, the weight's float32 scale
    others = (640 - 64) * (4 + 4 + 1 + 4)
    assert abs(grown - weights - others) <= 64 * 6


def test_program_bytes_counts_packed_codes_and_arrays() -> None:
    program = network(Int(4), channels=20)
    weights = math.ceil(20 * 27 / 2)
    requants = 20 * (4 + 1) + 2 + (4 + 1 + 2)
    zero_points_and_scales = 2 * (4 + 1)
    assert program_bytes(program) == weights + 20 * 4 + requants + zero_points_and_scales


def test_tensors_are_aligned_and_in_order(tmp_path: Path) -> None:
    header, tensors = unseal(saved(network(), tmp_path))
    offsets = [entry["offset"] for entry in header["tensors"]]
    assert offsets == sorted(offsets)
    assert all(offset % 64 == 0 for offset in offsets)
    last = header["tensors"][-1]
    assert last["offset"] + last["bytes"] == len(tensors)
    weight = network().constants["conv.weight"]
    assert header["tensors"][0]["bytes"] == packed_bytes(Int(4), weight.shape)


def test_loaded_arrays_cannot_be_changed(tmp_path: Path) -> None:
    save(network(Int(8)), tmp_path / "net.intact")
    weight = load(tmp_path / "net.intact").constants["conv.weight"]
    with pytest.raises(ValueError, match="read-only"):
        weight[0] = 1


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    data = saved(network(), tmp_path)
    path = tmp_path / "net.intact"
    with path.open("r+b", buffering=0) as file:
        for position, byte in enumerate(data):
            for mask in (0xFF, 1 << position % 8):
                os.pwrite(file.fileno(), bytes([byte ^ mask]), position)
                with pytest.raises(FormatError, match=r"net\.intact"):
                    load(path)
            os.pwrite(file.fileno(), bytes([byte]), position)
    assert_same(load(path), network())


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    data = saved(network(), tmp_path)
    path = tmp_path / "net.intact"
    for length in reversed(range(len(data))):
        os.truncate(path, length)
        with pytest.raises(FormatError, match=r"net\.intact"):
            load(path)


def test_appended_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "long.intact"
    path.write_bytes(saved(network(), tmp_path) + b"\0")
    with pytest.raises(FormatError, match="truncated or damaged"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"PK\x03\x04" * 40])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=r"other: is not an \.intact file"):
        load(path)


def test_an_illegal_program_is_not_saved(tmp_path: Path) -> None:
    program = replace(network(), outputs=())
    with pytest.raises(VerifyError, match="no outputs"):
        save(program, tmp_path / "net.intact")
    assert list(tmp_path.iterdir()) == []


def test_new_file_replaces_the_old_one_through_a_link(tmp_path: Path) -> None:
    link, target = tmp_path / "link.intact", tmp_path / "target.intact"
    target.write_bytes(b"old")
    link.symlink_to(target)
    save(network(), link)
    assert link.is_symlink()
    assert_same(load(target), network())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.intact", "target.intact"]


LIMITED = """
import resource, sys
from pathlib import Path
from intact.ir.file import save
from tests.unit.ir.examples import network
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    save(network(), Path(sys.argv[1]))
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files by setrlimit")
@pytest.mark.parametrize("limit", [0, 64, 1000])
def test_full_disk_leaves_the_old_file_and_no_other(limit: int, tmp_path: Path) -> None:
    path = tmp_path / "net.intact"
    path.write_bytes(b"the old file")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = [sys.executable, "-c", LIMITED, str(path), str(limit)]
    result = subprocess.run(run, check=True, env=environment, capture_output=True, text=True)
    assert result.stdout == "File too large\n"
    assert path.read_bytes() == b"the old file"
    assert list(tmp_path.iterdir()) == [path]


def test_missing_folder_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        save(network(), tmp_path / "missing" / "net.intact")
