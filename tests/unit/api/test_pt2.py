import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from intact.api.model import to_graph
from intact.api.pt2 import load_pt2
from intact.errors import FormatError


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    module = nn.Sequential(nn.Linear(3, 2), nn.ReLU()).eval()
    batch = {0: torch.export.Dim("batch")}
    program = torch.export.export(module, (torch.zeros(2, 3),), dynamic_shapes=(batch,))
    torch.export.save(program, tmp_path / "net.pt2")
    return tmp_path / "net.pt2"


class Bomb:
    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (Path("exploded"),)


def pickled() -> bytes:
    buffer = io.BytesIO()
    torch.save((Bomb(),), buffer)
    return buffer.getvalue()


def rewritten(path: Path, change: Callable[[str, bytes], bytes], **extra: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, change(name, content))
        for name, content in extra.items():
            archive.writestr(f"net/data/constants/{name}", content)


def test_a_saved_program_is_captured(saved: Path) -> None:
    graph = to_graph(saved)
    assert [value.shape for value in graph.inputs] == [(-1, 3)]
    assert set(graph.constants) == {"0.weight", "0.bias"}


def test_damaged_files_are_format_errors(saved: Path) -> None:
    whole = saved.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2], whole[:600] + bytes(99) + whole[699:]):
        saved.write_bytes(damaged)
        with pytest.raises(FormatError, match="damaged"):
            load_pt2(saved)


def test_a_changed_description_is_a_format_error(saved: Path) -> None:
    rewritten(
        saved, lambda n, c: c.replace(b"aten.linear", b"aten.nothing") if "models" in n else c
    )
    with pytest.raises(FormatError, match="cannot be loaded"):
        load_pt2(saved)


@pytest.mark.parametrize("where", ["sample_inputs", "weights", "custom_obj_0", "opaque_obj_0"])
def test_nothing_is_unpickled(
    saved: Path, where: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    def change(name: str, content: bytes) -> bytes:
        if where == "sample_inputs" and where in name:
            return pickled()
        if where == "weights" and name.endswith("weights/weight_0"):
            return pickled()
        if where == "weights" and "weights_config" in name:
            return content.replace(b'"use_pickle": false', b'"use_pickle": true')
        return content

    rewritten(saved, change, **({where: pickled()} if "obj" in where else {}))
    with pytest.raises(FormatError, match="run code"):
        load_pt2(saved)
    assert not Path("exploded").exists()


def test_files_of_older_formats_are_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("version", "8.8")
        archive.writestr("serialized_state_dict.pt", pickled())
    with pytest.raises(FormatError, match="present format"):
        load_pt2(saved)
