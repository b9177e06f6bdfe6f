"""Recurrent networks in integers: close to float, and the same in every executor."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from intact import ptq
from intact.capture.export import capture
from intact.exec import native, reference
from intact.ir import float_ops as ops
from intact.ir import int_ops
from intact.ir.file import load, save
from intact.ir.float_ops import FloatOp
from intact.ir.graph import Graph
from intact.ir.int_ops import Dequantize, Program, QScan, Quantize
from intact.ir.macs import multiply_accumulates
from intact.ir.scans import unrolled
from intact.ir.size import program_bytes
from intact.ir.text import to_text
from intact.lower.lower import lower
from intact.numerics.formats import FP16, Int
from intact.numerics.granularity import PerTensor
from intact.observers import MinMax
from intact.ptq import Nearest, PtqRule
from tests.unit.capture.test_recurrent import INPUTS, KINDS, STEPS, WIDTH, Network

W8A8 = PtqRule(weight=Nearest(Int(8, narrow=True)), activation=MinMax(Int(8)))


def quantized(graph: Graph[FloatOp], x: torch.Tensor, *rules: PtqRule) -> Program:
    return lower(ptq.run(ptq.Recipe(rules=(*rules, W8A8)), graph, [x], lambda *_: None).model)


def outputs(program: Program, x: torch.Tensor) -> list[np.ndarray]:
    found = reference.load(program)({program.inputs[0].name: x.numpy()})
    return [found[value.name] for value in program.outputs]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [*((kind, {}) for kind in KINDS), ("lstm", {"num_layers": 2, "bidirectional": True})],
    ids=[*KINDS, "lstm-deep"],
)
def test_integers_are_close_to_float_and_equal_natively(
    kind: str, settings: dict[str, int], tmp_path: Path
) -> None:
    torch.manual_seed(6)
    model = Network(kind, batch_first=True, **settings).eval()
    x = torch.randn(32, STEPS, INPUTS)
    program = quantized(capture(model, x), x)
    between = [n for n in program.nodes if not isinstance(n.op, Quantize | Dequantize)]
    assert all(isinstance(node.output.dtype, Int) for node in between)
    with torch.no_grad():
        expected = model(x)
    found = outputs(program, x)
    for real, made in zip(expected, found, strict=True):
        np.testing.assert_allclose(made, real.numpy(), atol=0.04)
    run = native.load(program)({program.inputs[0].name: x.numpy()})
    for value, made, again in zip(
        program.outputs, found, outputs(unrolled(program), x), strict=True
    ):
        np.testing.assert_array_equal(run[value.name], made)
        np.testing.assert_array_equal(again, made)
    save(program, tmp_path / "net.intact")
    assert to_text(load(tmp_path / "net.intact")) == to_text(program)


def test_a_state_has_one_meaning() -> None:
    """Given, carried and returned states share the state's own codes, of 16 bits by rule."""
    torch.manual_seed(7)
    model = Network("lstm", batch_first=False).eval()
    inputs = (torch.randn(STEPS, 2, INPUTS), *torch.randn(2, 1, 2, WIDTH))
    graph = capture(model, inputs, dynamic_batch=False)
    wide = PtqRule(match="layer.l0.c", activation=MinMax(Int(16), symmetric=True))
    recipe = ptq.Recipe(rules=(wide, W8A8))
    program = lower(ptq.run(recipe, graph, [inputs], lambda *_: None).model)
    loop = next(node for node in program.nodes if isinstance(node.op, QScan))
    assert isinstance(loop.op, QScan)
    before, after = loop.op.body.inputs[1:3], loop.op.body.outputs
    assert [value.dtype for value in after] == [Int(8), Int(16)]
    assert [v.params for v in before] == [v.params for v in after]
    assert [v.params for v in loop.inputs[1:3]] == [v.params for v in after]
    given = {n.inputs[0].name: n.output for n in program.nodes if isinstance(n.op, Quantize)}
    names = [value.name for value in program.inputs]
    assert [given[name].params for name in names[1:]] == [v.params for v in after]
    arrays = dict(zip(names, (x.numpy() for x in inputs), strict=True))
    first = reference.load(program)(arrays)
    for name, codes in native.load(program, threads=2)(arrays).items():
        np.testing.assert_array_equal(codes, first[name])
    again = dict(zip(names, [arrays[names[0]], *list(first.values())[1:]], strict=True))
    second = reference.load(program)(again)
    with torch.no_grad():
        expected = model(inputs[0], *model(*inputs)[1:])
    for made, real in zip(second.values(), expected, strict=True):
        np.testing.assert_allclose(made, real.numpy(), atol=0.03)


def test_what_stays_float_inside() -> None:
    torch.manual_seed(8)
    model = Network("gru", batch_first=True).eval()
    x = torch.randn(16, STEPS, INPUTS)
    program = quantized(capture(model, x), x, PtqRule(match="*.l0.n"), PtqRule(match="*.n.sum"))
    body = next(node.op.body for node in program.nodes if isinstance(node.op, QScan))
    kinds = {node.name: type(node.op) for node in body.nodes}
    assert kinds["layer.l0.n"] is ops.Tanh
    assert kinds["layer.l0.recurrent"] is int_ops.QLinear
    np.testing.assert_allclose(outputs(program, x)[0], model(x)[0].detach().numpy(), atol=0.03)


def test_weights_alone_are_unpacked_outside_of_the_loop() -> None:
    torch.manual_seed(9)
    model = Network("lstm", batch_first=True).eval()
    x = torch.randn(4, STEPS, INPUTS)
    half = PtqRule(weight=Nearest(FP16, PerTensor()))
    program = quantized(capture(model, x), x, half)
    assert not any(isinstance(node.op, QScan) for node in program.nodes)
    (loop, _) = (node for node in program.nodes if isinstance(node.op, ops.Scan))
    made = {node.name: node for node in program.nodes}
    assert isinstance(made[loop.inputs[3].name].op, Dequantize)
    np.testing.assert_allclose(outputs(program, x)[0], model(x)[0].detach().numpy(), atol=2e-3)


def test_sizes_count_the_body_once_and_multiplications_in_every_step() -> None:
    model = nn.GRU(INPUTS, WIDTH, batch_first=True)
    x = torch.randn(4, STEPS, INPUTS)
    program = quantized(capture(model, x), x)
    macs = sum(map(multiply_accumulates, program.nodes))
    assert macs == STEPS * 3 * WIDTH * (INPUTS + WIDTH)
    assert program_bytes(program) < program_bytes(unrolled(program))


def test_a_long_sequence_is_one_native_step() -> None:
    torch.manual_seed(10)
    model = nn.LSTM(INPUTS, WIDTH)
    x = torch.randn(300, 2, INPUTS)
    program = quantized(capture(model, x, dynamic_batch=False), x)
    arrays = {program.inputs[0].name: x.numpy()}
    engine = native.load(program)
    expected = reference.load(program)(arrays)
    for name, made in engine(arrays).items():
        np.testing.assert_array_equal(made, expected[name])
    steps = [step.kernel for step in engine.profile(arrays) if step.op == "QScan"]
    assert steps == ["loop of 15"] * 2  # of h and of c
