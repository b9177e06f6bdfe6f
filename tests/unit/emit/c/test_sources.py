"""The folder of C sources: what it holds, what it refuses, and that its self-test finds faults."""

import re
import shutil
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import intact
from intact.api.c_sources import export_c
from intact.emit import c
from intact.emit.c.declarations import folded
from intact.emit.c.names import comment, identifier
from intact.emit.c.render import source
from intact.errors import BudgetError, CalibrationError, UnsupportedOpError, VerifyError
from intact.exec import reference
from intact.ir import float_ops as ops
from intact.ir.boundary import code_boundary
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program, QLinear, QSoftmax
from intact.numerics.formats import Int
from intact.verification import compiled_c
from tests.unit.emit.c.compiling import STRICT, needs_compiler
from tests.unit.ir.examples import S8, examples, name_of, network, params, requant

FILES = {"model.h", "model.c", "model_kernels.h", "model_test.c"}
MAIN = '#include "model.h"\nint main(void) { return model_self_test(); }\n'
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def self_test(folder: Path) -> int:
    """What the exit code of the folder's self-test is, under sanitizers."""
    (folder / "main.c").write_text(MAIN)
    files = ["main.c", "model.c", "model_test.c"]
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))))
    command = [compiler, "-std=c99", "-O1", *STRICT, *SANITIZED, *files, "-o", "main"]
    subprocess.run(command, cwd=folder, check=True)
    return subprocess.run([folder / "main"], check=False).returncode


def chain(*names: str) -> Program:
    """A Program of softmaxes, one after the other, of these names; the first is the input's."""
    values = [Value(name, (-1, 5), S8) for name in names]
    nodes = [Node(QSoftmax(1 << 30, 20, -124), (x,), y) for x, y in pairwise(values)]
    return Graph((values[0],), (values[-1],), tuple(nodes), {})


@needs_compiler
def test_the_self_test_finds_a_changed_weight(tmp_path: Path) -> None:
    intact.export(network(), tmp_path / "net_c")
    assert {path.name for path in (tmp_path / "net_c").iterdir()} == FILES
    assert self_test(tmp_path / "net_c") == 0
    code = (tmp_path / "net_c" / "model.c").read_text()
    changed = re.sub(r"(_bias\[20\] = \{\s+)-?\d+", r"\g<1>12345678", code)
    assert changed != code
    (tmp_path / "net_c" / "model.c").write_text(changed)
    assert self_test(tmp_path / "net_c") == 1


@needs_compiler
def test_the_users_samples_become_test_vectors(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype(np.float32)
    export_c(network(), tmp_path / "net_c", samples=samples)
    codes = reference.load(code_boundary(network()).before)({"x": samples})["x.nhwc"]
    text = (tmp_path / "net_c" / "model_test.c").read_text()
    vectors = re.findall(r"vector_\d_in\[192\] = \{(.*?)\}", text, re.DOTALL)
    assert len(vectors) == 2
    for number, vector in enumerate(vectors):
        numbers = [int(n) for n in vector.replace(",", " ").split()]
        assert numbers == codes[number].reshape(-1).tolist()
    assert self_test(tmp_path / "net_c") == 0


def test_no_samples_are_no_self_test(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="at least one"):
        export_c(network(), tmp_path / "net_c", samples=np.empty((0, 3, 8, 8), np.float32))
    assert not list(tmp_path.iterdir())


def test_equal_networks_give_equal_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        intact.export(network(), tmp_path / folder)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_cannot_be_written_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    (tmp_path / "net_c" / name).mkdir(parents=True)
    with pytest.raises(IsADirectoryError, match=f"{name} is a folder"):
        intact.export(network(), tmp_path / "net_c")
    assert [path.name for path in (tmp_path / "net_c").iterdir()] == [name]


def test_only_the_kernels_that_are_used(tmp_path: Path) -> None:
    intact.export(network(), tmp_path / "net_c")
    header = (tmp_path / "net_c" / "model_kernels.h").read_text()
    assert "void intact_conv2d(" in header
    assert "void intact_mean(" in header
    for unused in ("intact_softmax", "intact_linear(", "intact_max_pool2d", "float ", "malloc"):
        assert unused not in header
    assert max(map(len, (tmp_path / "net_c" / "model.c").read_text().splitlines())) <= 100


@pytest.mark.parametrize("program", examples(), ids=name_of)
@needs_compiler
def test_every_operation_is_written_or_refused_by_name(program: Program, tmp_path: Path) -> None:
    cut = code_boundary(program)
    real = any(str(value.dtype).startswith(("fp", "bf", "e")) for value in cut.program.values())
    if not real:
        intact.export(program, tmp_path / "net_c")
        assert self_test(tmp_path / "net_c") == 0
        return
    with pytest.raises(UnsupportedOpError, match=r'"(layer|x)"'):
        intact.export(program, tmp_path / "net_c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("inputs", "stored"), [(6, "uint8_t conv_weight[15]"), (5, "int8_t")])
def test_weights_of_4_bits_share_bytes_where_rows_are_even(inputs: int, stored: str) -> None:
    values = [Value("x", (-1, inputs), S8), Value("conv", (-1, 5), S8)]
    values += [Value("weight", (5, inputs), Int(4)), Value("bias", (5,), Int(32))]
    x, out, *parameters = values
    constants = {"weight": np.full((5, inputs), -8, np.int8), "bias": np.zeros(5, np.int32)}
    node = Node(QLinear(0, None, requant(5)), (x, *parameters), out)
    text = source(c.translate(Graph((x,), (out,), (node,), constants)))
    assert f"static const {stored}" in text


def test_a_budget_of_flash_names_the_largest_layer(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r'more than the 100 allowed.*"conv"'):
        intact.export(network(), tmp_path / "net_c", flash=100)
    assert not list(tmp_path.iterdir())


def test_code_is_not_measured_with_half_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for tool in ("gcc", "size"):
        (tmp_path / f"arm-none-eabi-{tool}").write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / f"arm-none-eabi-{tool}").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert export_c(network(), tmp_path / "net_c").code is None


def test_a_budget_of_ram_names_the_layer_at_the_peak(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r'"conv".*more than the 100 allowed'):
        intact.export(network(), tmp_path / "net_c", ram=100)
    assert not list(tmp_path.iterdir())


def test_the_report_adds_up() -> None:
    found = c.report(c.translate(code_boundary(network()).program))
    assert found.macs == 4 * 4 * 20 * 27
    assert found.weights == 20 * 27 + 4 * 20
    assert found.flash == sum(layer.flash for layer in found.layers)
    assert found.inputs == 192
    assert found.outputs == 20
    assert found.ram == found.lower_bound == 192 + 4 * 4 * 20
    assert found.peak == "conv"
    assert [(t.name, t.first, t.last) for t in found.tensors] == [
        ("x.nhwc", "start", "conv"), ("conv", "conv", "pool"), ("pool", "pool", "end"),
    ]  # fmt: skip
    assert "at least 512 are needed" in str(found)


@pytest.mark.parametrize(
    "names",
    [
        ("int", "return", "a.b", "a/b", "a_b", "intact", "intact_conv", "arena", "number_5", "in"),
        (
            "x",
            "*/ #error",
            "/*",
            "5",
            "Ω",
            "a" * 90 + "b",
            "a" * 90 + "c",
            "model_run",
            "\\",
            "??/",
        ),
    ],
)
@needs_compiler
def test_names_of_layers_may_be_anything(names: tuple[str, ...]) -> None:
    program = chain(*names)
    codes = {names[0]: np.arange(-5, 5, dtype=np.int8).reshape(2, 5)}
    made = compiled_c.load(program, flags=STRICT)(codes)
    expected = reference.load(program)(codes)
    np.testing.assert_array_equal(made[names[-1]], expected[names[-1]])


@needs_compiler
def test_names_of_several_inputs_and_scales_are_c(tmp_path: Path) -> None:
    whole = params(S8, 2.0, 0)
    a, b = Value("x", (-1, 4), S8, whole), Value("X", (-1, 4), S8, whole)
    out = Value("model.weight", (-1, 8), S8, whole)
    program = Graph((a, b), (out,), (Node(ops.Concat(1), (a, b), out),), {})
    intact.export(program, tmp_path / "net_c")
    header = (tmp_path / "net_c" / "model.h").read_text()
    assert "#define MODEL_INPUT_X_SCALE 2.00000000f" in header
    assert "#define MODEL_INPUT_X_2_SCALE 2.00000000f" in header
    assert self_test(tmp_path / "net_c") == 0


@needs_compiler
def test_two_models_in_one_program(tmp_path: Path) -> None:
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))))
    intact.export(network(), tmp_path, name="eye")
    intact.export(chain("x", "eye_input", "out"), tmp_path, name="Ear")
    assert {path.name for path in tmp_path.iterdir()} == {
        name.replace("model", model) for name in FILES for model in ("eye", "Ear")
    }
    (tmp_path / "main.c").write_text(
        '#include "eye.h"\n#include "Ear.h"\n'
        "int main(void) {\n"
        "  if (EYE_INPUT_ELEMENTS != 192 || EAR_INPUT_ELEMENTS != 5) return 1;\n"
        "  Ear_run(Ear_input(), Ear_output());\n"
        "  return eye_self_test() + Ear_self_test();\n"
        "}\n"
    )
    files = ["main.c", "eye.c", "eye_test.c", "Ear.c", "Ear_test.c"]
    subprocess.run([compiler, "-std=c99", *STRICT, *files, "-o", "main"], cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 0


@pytest.mark.parametrize("name", ["", "2", "a-b", "a b", "_a", "é", "../a", "Intact2", "string"])
def test_names_that_no_model_can_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no name for C|cannot be named"):
        intact.export(network(), tmp_path / "net_c", name=name)
    assert not list(tmp_path.iterdir())


@needs_compiler
def test_parameters_are_not_hidden_by_constants_of_layers(tmp_path: Path) -> None:
    whole = params(S8, 2.0, 0)
    a, b = Value("exponentials", (-1, 4), S8, whole), Value("input", (-1, 4), S8, whole)
    soft, out = Value("in", (-1, 4), S8), Value("out", (-1, 8), S8)
    nodes = (
        Node(QSoftmax(1 << 30, 20, -124), (a,), soft),
        Node(ops.Concat(1), (soft, b), out),
    )
    intact.export(Graph((a, b), (out,), nodes, {}), tmp_path / "net_c")
    assert self_test(tmp_path / "net_c") == 0


def test_long_statements_end_their_lines_between_fields() -> None:
    fields = ", ".join(f".field_{number} = {number:0{number}}" for number in range(1, 20))
    lines = list(folded(f"static const intact_params params = {{{fields}}};"))
    assert len(lines) > 2
    assert max(map(len, lines)) <= 100
    assert all(line.endswith((",", "};")) for line in lines)


def test_identifiers_and_comments() -> None:
    assert identifier("features.0/conv") == "features_0_conv"
    assert identifier("0") == "layer_0"
    assert comment("a */ b\n") == "/* a * / b? */"


@needs_compiler
def test_outputs_that_no_operation_writes_for_them_alone() -> None:
    x, y, k = Value("x", (-1, 4), S8), Value("y", (-1, 2, 2), S8), Value("k", (3,), S8)
    reshaped = Value("z", (-1, 4), S8)
    nodes = (Node(ops.Reshape((-1, 2, 2)), (x,), y), Node(ops.Reshape((-1, 4)), (y,), reshaped))
    constant = np.array([1, -2, 3], np.int8)
    program = Graph((x,), (x, y, reshaped, k), nodes, {"k": constant})
    codes = {"x": np.arange(4, dtype=np.int8).reshape(1, 4)}
    made = compiled_c.load(program, flags=STRICT)(codes)
    for name, expected in reference.load(program)(codes).items():
        np.testing.assert_array_equal(made[name], expected)


@needs_compiler
def test_an_index_of_no_row_is_refused() -> None:
    program = next(p for p in examples() if name_of(p) == "QEmbedding")
    run = compiled_c.load(program, flags=STRICT)
    indices = np.zeros((1, 9), np.int64)
    run({"x": indices})
    for beyond in (-1, 11, 1 << 40):
        indices[0, 4] = beyond
        with pytest.raises(IndexError, match="no row"):
            run({"x": indices})


def test_indices_of_fewer_bits_are_refused_by_name() -> None:
    program = next(p for p in examples() if name_of(p) == "QEmbedding")
    node = program.nodes[0]
    x = replace(program.inputs[0], dtype=Int(8))
    narrow = Graph((x,), program.outputs, (Node(node.op, (x, node.inputs[1]), node.output),),
                   program.constants)  # fmt: skip
    with pytest.raises(UnsupportedOpError, match=r'"layer" cannot.* int32 or int64'):
        c.translate(narrow)


def test_a_missing_compiler_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-compiler is not installed"):
        compiled_c.load(chain("x", "y"), compiler="no-such-compiler")


@needs_compiler
def test_what_a_compiler_refuses_is_told() -> None:
    with pytest.raises(VerifyError, match=r"(?s)-Dinline=\) .*error"):
        compiled_c.load(chain("x", "y"), flags=("-Dinline=)",))


def test_the_body_of_a_loop_is_written_once() -> None:
    program = next(p for p in examples() if name_of(p) == "QScan")
    text = source(c.translate(program))
    assert text.count("intact_linear(") == 1
    assert "for (t = 0; t < 3; ++t) {" in text
