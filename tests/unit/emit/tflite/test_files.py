"""The file itself: names, alignment, determinism, and what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from intact.errors import FormatError, UnsupportedOpError
from intact.exec import reference
from intact.ir import float_ops as ops
from intact.ir.boundary import code_boundary
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Program, QConv2d, QEmbedding, QMatMul
from intact.numerics.fixedpoint import Requant, quantize_multiplier
from intact.numerics.formats import Int
from intact.numerics.qtensor import QuantParams
from tests.contract.test_lower import CASES, Case
from tests.unit.emit.tflite.running import check, program_of

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")
pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")

import tflite

from intact.capture.tflite import read
from intact.emit.tflite import save, to_bytes
from intact.emit.tflite.schema import TensorType
from intact.emit.tflite.writer import Writer
from intact.verification import litert
from tests.unit.capture.tflite.keyword_net import keyword_net


def conv_program(seed: int = 0) -> Program:
    return program_of(CASES[0], 8, np.random.default_rng(seed))


def test_a_file_has_the_users_names_and_aligned_buffers() -> None:
    program = conv_program()
    data = to_bytes(program)
    assert data[4:8] == b"TFL3"
    model = tflite.Model.GetRootAs(data)
    graph = model.Subgraphs(0)
    names = [graph.Tensors(i).Name().decode() for i in range(graph.TensorsLength())]
    assert len(set(names)) == len(names)
    assert {"p0", "p1", program.inputs[0].name, program.outputs[0].name} <= set(names)
    signature = model.SignatureDefs(0)
    assert signature.SignatureKey() == b"serving_default"
    assert signature.Inputs(0).Name().decode() == program.inputs[0].name
    for i in range(1, model.BuffersLength()):
        array = model.Buffers(i).DataAsNumpy()
        start = array.__array_interface__["data"][0]
        origin = np.frombuffer(data, np.uint8).__array_interface__["data"][0]
        assert (start - origin) % 16 == 0


def test_equal_programs_give_equal_bytes() -> None:
    assert to_bytes(conv_program()) == to_bytes(conv_program())
    assert to_bytes(conv_program()) != to_bytes(conv_program(1))


def test_equal_constants_are_written_once() -> None:
    writer = Writer()
    data = np.arange(1000, dtype=np.int8).tobytes()
    for name in "ab":
        writer.tensor(name, (1000,), TensorType.INT8, data=data)
    assert len(writer.finish([], [], "")) < 1500


def test_weights_beyond_2_gb_are_refused() -> None:
    writer = Writer(limit=1000)
    writer.tensor("a", (600,), TensorType.INT8, data=bytes(600))
    with pytest.raises(FormatError, match=r'"b" need more than 2 GB'):
        writer.tensor("b", (601,), TensorType.INT8, data=bytes(601))


def changed(program: Program, node: Node, op: object) -> Program:
    nodes = tuple(replace(n, op=op) if n is node else n for n in program.nodes)
    return replace(program, nodes=nodes)


def test_nothing_is_written_for_a_layer_that_tflite_cannot_compute(tmp_path: Path) -> None:
    program = conv_program()
    node = next(n for n in program.nodes if isinstance(n.op, QConv2d))
    assert isinstance(node.op, QConv2d)
    odd = replace(node.op.requant, multiplier=node.op.requant.multiplier | 0x155)
    for op, reason in (
        (replace(node.op, requant=replace(odd, accumulator_bits=64)), "exceed 32 bits"),
        (replace(node.op, weight_zero_point=(100,)), "weights are asymmetric"),
    ):
        with pytest.raises(UnsupportedOpError, match=f'QConv2d "y.codes": .*{reason}'):
            save(changed(program, node, op), tmp_path / "net.tflite")
    assert not list(tmp_path.iterdir())


def test_multipliers_that_no_scales_give_are_refused_by_name() -> None:
    case = next(case for case in CASES if case.name == "matmul")
    program = program_of(case, 8, np.random.default_rng(0))
    node = next(n for n in program.nodes if isinstance(n.op, QMatMul))
    assert isinstance(node.op, QMatMul)
    other = replace(node.op.requant, multiplier=node.op.requant.multiplier // 3 * 2)
    op = replace(node.op, requant=other)
    with pytest.raises(UnsupportedOpError, match=r'QMatMul "y.codes": .* another multiplier'):
        to_bytes(changed(program, node, op))


def test_unsigned_activations_are_refused() -> None:
    format = Int(8, signed=False)
    x, y = Value("x", (-1, 4), format), Value("y", (-1, 2, 2), format)
    program: Program = Graph((x,), (y,), (Node(ops.Reshape(y.shape), (x,), y),), {})
    with pytest.raises(UnsupportedOpError, match=r'"x" has codes of .*int8 and int16'):
        to_bytes(program)


def test_codes_of_several_widths_in_a_layer_are_refused() -> None:
    program = conv_program()
    wide = replace(program.outputs[0], dtype=Int(16))
    node = replace(program.nodes[-1], output=wide)
    changed = replace(program, nodes=(*program.nodes[:-1], node), outputs=(wide,))
    with pytest.raises(UnsupportedOpError, match=r'"y.codes": it reads int8 ".*" and .*int16'):
        to_bytes(changed)


def test_16_bit_codes_with_a_zero_point_are_refused() -> None:
    params = QuantParams(Int(16), np.float32(1), np.array(3))
    x, y = (Value(name, (-1, 4), Int(16), params) for name in "xy")
    program: Program = Graph((x,), (y,), (Node(ops.Reshape(y.shape), (x,), y),), {})
    with pytest.raises(UnsupportedOpError, match='"x" has 16-bit codes with a zero point'):
        to_bytes(program)
    x, y = (replace(value, params=None) for value in (x, y))
    constant = Value("c", (1, 4), Int(16), params)
    joined: Node = Node(ops.Concat(0), (x, constant), y)
    program = Graph((x,), (y,), (joined,), {"c": np.zeros((1, 4), np.int16)})
    with pytest.raises(UnsupportedOpError, match='"c" has 16-bit codes with a zero point'):
        to_bytes(program)


def test_embeddings_gather_requantized_rows() -> None:
    rng = np.random.default_rng(6)
    out = QuantParams(Int(8), np.float32(0.02), np.array(5))
    table = rng.integers(-127, 128, (20, 6)).astype(np.int8)
    multiplier, shift = quantize_multiplier(rng.uniform(0.1, 0.9, 20))
    requant = Requant(multiplier, shift, 5, np.array([-128]), np.array([127]))
    indices, rows = Value("x", (-1, 3), Int(64)), Value("w", table.shape, Int(8))
    y = Value("y", (-1, 3, 6), Int(8), out)
    node: Node = Node(QEmbedding(None, requant), (indices, rows), y)
    program: Program = Graph((indices,), (y,), (node,), {"w": table})
    inputs = {"x": rng.integers(0, 20, (4, 3))}
    expected = reference.load(program)(inputs)["y"]
    np.testing.assert_array_equal(litert.load(program)(inputs)["y"], expected)


@pytest.mark.parametrize("name", ["conv", "matmul", "mean-kept", "mul", "relu"])
def test_clamps_that_are_no_fused_activation_are_operators(name: str) -> None:
    rng = np.random.default_rng(3)
    case = next(case for case in CASES if case.name == name)
    program = program_of(case, 8, rng)
    node = next(n for n in program.nodes if hasattr(n.op, "requant"))
    channels = np.arange(node.output.shape[-1])
    for qmin, qmax in (
        (np.array([-100]), np.array([90])),
        (np.array([-128]), np.array([17])),
        (-100 - channels, 90 + channels),
    ):
        requant = replace(node.op.requant, qmin=qmin, qmax=qmax)
        check(changed(program, node, replace(node.op, requant=requant)), litert.load, rng)


@pytest.mark.parametrize("names", [("linear", "reshape"), ("reshape", "linear-rows")])
def test_outputs_may_be_reshaped_values(names: tuple[str, str]) -> None:
    """A linear layer writes pixels; what leaves the network has the network's shape."""
    rng = np.random.default_rng(4)
    for name in names:
        case: Case = next(case for case in CASES if case.name == name)
        check(program_of(case, 8, rng, last=False), litert.load, rng)


def test_a_network_read_from_a_file_is_written_with_its_integers(tmp_path: Path) -> None:
    """Its FULLY_CONNECTED rounds once, as LiteRT's reference kernel does."""
    keyword_net().save(tmp_path / "net.tflite")
    program = code_boundary(read(tmp_path / "net.tflite")).program
    check(program, litert.load, np.random.default_rng(5))
    graph = tflite.Model.GetRootAs(to_bytes(program))
    codes = {graph.OperatorCodes(i).BuiltinCode() for i in range(graph.OperatorCodesLength())}
    assert tflite.BuiltinOperator.FULLY_CONNECTED in codes
