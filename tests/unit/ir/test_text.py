from dataclasses import replace

import numpy as np
import pytest

from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node
from intact.ir.int_ops import IntOp, Program, QConv2d
from intact.ir.text import to_text
from tests.unit.ir.examples import examples, name_of, network

NETWORK = """\
input %x: fp32[-1, 3, 8, 8]
%x.codes: int8[-1, 3, 8, 8] = Quantize(%x) scale=0.0235 zero_point=-128
%x.nhwc: int8[-1, 8, 8, 3] = Permute(%x.codes) axes=(0, 2, 3, 1) scale=0.0235 zero_point=-128
%conv: int8[-1, 4, 4, 20] = QConv2d(%x.nhwc, \
conv.weight: int4[20, 3, 3, 3] {-8..7 #ed131b7a}, conv.bias: int32[20] {-3..16 #41aa1cba}) \
stride=(2, 2) padding=((1, 1), (1, 1)) dilation=(1, 1) groups=1 input_zero_point=-128 \
requant=Requant(multiplier={1073741824..1073741843 #96c70969} shift={-9..-7 #b048341c} \
zero_point=-1 qmin=-128 qmax=127 accumulator_bits=32) scale=0.1 zero_point=3
%pool: int8[-1, 20] = QMean(%conv) axes=(1, 2) keepdims=False input_zero_point=3 \
requant=Requant(multiplier=1073741824 shift=-7 zero_point=-1 qmin=-128 qmax=127 \
accumulator_bits=32) scale=0.1 zero_point=3
%y: fp32[-1, 20] = Dequantize(%pool) scale=0.1 zero_point=3
output %y
"""


def test_network_as_text() -> None:
    assert to_text(network()) == NETWORK


@pytest.mark.parametrize("program", examples(), ids=name_of)
def test_each_node_is_one_line_with_its_operation_and_values(program: Program) -> None:
    lines = [line for line in to_text(program).splitlines() if not line.startswith("  ")]
    assert len(lines) == len(program.inputs) + len(program.nodes) + len(program.outputs)
    (line,) = (line for line in lines if " = " in line)
    assert f" = {name_of(program)}(" in line
    assert all(value.name in line for value in program.nodes[0].inputs)
    assert len(line) < 800


def changed(program: Program, **changes: object) -> Program:
    """The convolution's op with other fields."""
    nodes: list[Node[IntOp]] = []
    for node in program.nodes:
        op = replace(node.op, **changes) if isinstance(node.op, QConv2d) else node.op  # type: ignore[arg-type]
        nodes.append(Node(op, node.inputs, node.output))
    return Graph(program.inputs, program.outputs, tuple(nodes), program.constants)


def test_one_other_weight_changes_the_text() -> None:
    program = network()
    weight = program.constants["conv.weight"].copy()
    weight[3, 1, 2, 0] ^= 1
    other = replace(program, constants={**program.constants, "conv.weight": weight})
    assert to_text(other) != to_text(program)


def test_one_other_multiplier_changes_the_text() -> None:
    program = network()
    (op,) = (node.op for node in program.nodes if isinstance(node.op, QConv2d))
    multiplier = op.requant.multiplier.copy()
    multiplier[5] += 7
    multiplier[6] -= 7
    other = changed(program, requant=replace(op.requant, multiplier=multiplier))
    assert to_text(other) != to_text(program)


def test_a_constant_is_described_once() -> None:
    program = examples()[11]
    assert isinstance(program.nodes[0].op, ops.Conv)
    weight = program.nodes[0].inputs[1]
    again = replace(program.nodes[0], output=replace(program.nodes[0].output, name="again"))
    text = to_text(replace(program, nodes=(*program.nodes, again)))
    assert text.count(f"{weight.name}: fp32") == 1
    assert text.count(weight.name) == 2


def test_float_numbers_are_printed_exactly() -> None:
    program = network()
    scale = np.float32(1) / 3
    params = replace(program.nodes[0].output.params, scale=scale)  # type: ignore[type-var]
    output = replace(program.nodes[0].output, params=params)
    text = to_text(replace(program, inputs=(output,), nodes=(), outputs=()))
    assert np.float32(text.split("scale=")[1].split()[0]) == scale
