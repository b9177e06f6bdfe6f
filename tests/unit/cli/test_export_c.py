"""intact export --to c: the sources, their report, and budgets."""

import json
from pathlib import Path

import pytest

from intact.cli.main import run
from intact.ir import file
from tests.unit.ir.examples import network

EXPORT = ["export", "net.intact", "--to", "c", "-o", "net_c"]


@pytest.fixture(autouse=True)
def _saved(here: Path) -> None:
    file.save(network(), here / "net.intact")


def test_a_table_of_layers_and_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(EXPORT) == 0
    out, err = capsys.readouterr()
    assert not err
    assert [line.split()[0] for line in out.splitlines()] == [
        "layer", "conv", "pool", "flash:", "RAM:", "8,640", "net_c:",
    ]  # fmt: skip
    assert (Path("net_c") / "model.h").exists()


def test_json_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*EXPORT, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        "network", "format", "output", "flash", "ram", "macs", "bands", "banded_layers",
        "extra_macs", "layers", "tensors",
    ]  # fmt: skip
    assert document["ram"] == {
        "arena": 512, "lower_bound": 512, "inputs": 192, "outputs": 20, "peak_layer": "conv",
    }  # fmt: skip
    assert document["layers"][0]["macs"] == 8640
    tensor = document["tensors"][1]
    assert 0 <= tensor.pop("offset") <= 192
    assert tensor == {"name": "conv", "bytes": 320, "first": "conv", "last": "pool"}


def test_kernels_of_cmsis_nn(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*EXPORT, "--kernels", "cmsis-nn"]) == 0
    assert "an arena of 640 bytes" in capsys.readouterr().out  # 128 of them are scratch memory
    code = (Path("net_c") / "model.c").read_text()
    assert "arm_convolve_wrapper_s8(" in code
    assert "intact_mean(" in code


def test_a_name_for_files_and_functions(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*EXPORT, "--name", "kws"]) == 0
    assert "net_c: kws.h, kws.c, kws_kernels.h and kws_test.c" in capsys.readouterr().out
    assert "void kws_run(" in (Path("net_c") / "kws.h").read_text()


@pytest.mark.parametrize(("option", "message"), [("--ram", '"conv"'), ("--flash", '"conv"')])
def test_a_budget_that_is_missed_ends_with_1_and_writes_nothing(
    option: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*EXPORT, option, "0.1k"]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert message in err
    assert not Path("net_c").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*EXPORT, "--ram", "much"], "no size like 65536, 64k or 1M"),
        ([*EXPORT[:-1], "absent/net_c"], "absent: no such folder"),
        ([*EXPORT[:-1], "net.intact"], "is a file"),
        (["export", "net.intact", "--to", "onnx", "-o", "x.onnx", "--ram", "1k"], "of --to c"),
        (
            ["export", "net.intact", "--to", "onnx", "-o", "x.onnx", "--kernels", "cmsis-nn"],
            "--kernels and --name are options of --to c",
        ),
        ([*EXPORT, "--name", "key-word"], "'key-word' is no name for C"),
        ([*EXPORT, "--kernels", "cmsis"], "not one of 'portable', 'cmsis-nn'"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    assert message in err
