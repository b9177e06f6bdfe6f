"""One test for each rule that a Program must keep."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from intact.errors import VerifyError
from intact.ir import float_ops as ops
from intact.ir import int_ops as q
from intact.ir.graph import Graph, Node, Shape, Value
from intact.ir.int_ops import IntOp, Program
from intact.ir.verify import MAX_ELEMENTS, verify, verify_graph
from intact.numerics.arrays import Array
from intact.numerics.fixedpoint import INT32_MAX, Requant
from intact.numerics.formats import BF16, FP16, FP32, Binary, Format, Int
from intact.numerics.qtensor import QuantParams
from tests.unit.ir.examples import (
    S8,
    S16,
    coded,
    examples,
    float_examples,
    name_of,
    network,
    normalization,
    one,
    params,
    real,
    requant,
    two,
)  # fmt: skip

EXAMPLES = {name_of(program): program for program in examples()}


def check(program: Program, message: str, *, integer_only: bool = False) -> None:
    with pytest.raises(VerifyError, match=message):
        verify(program, integer_only=integer_only)


def node_of(program: Program, index: int = 0) -> Node[IntOp]:
    return program.nodes[index]


def with_node(program: Program, index: int, node: Node[IntOp]) -> Program:
    nodes = (*program.nodes[:index], node, *program.nodes[index + 1 :])
    return replace(program, nodes=nodes)


def with_op(program: Program, **changes: Any) -> Program:
    """The only node's op with other fields."""
    (node,) = program.nodes
    return with_node(program, 0, replace(node, op=replace(node.op, **changes)))


def with_requant(program: Program, **changes: Any) -> Program:
    op: Any = program.nodes[0].op
    return with_op(program, requant=replace(op.requant, **changes))


def with_constant(program: Program, name: str, array: Array) -> Program:
    return replace(program, constants={**program.constants, name: array})


def retyped(program: Program, name: str, dtype: Format) -> Program:
    """One value with another dtype; a constant's codes become zeros."""

    def change(values: tuple[Value, ...]) -> tuple[Value, ...]:
        return tuple(replace(v, dtype=dtype) if v.name == name else v for v in values)

    nodes = tuple(Node(n.op, change(n.inputs), change((n.output,))[0]) for n in program.nodes)
    constants = dict(program.constants)
    if name in constants:
        constants[name] = np.zeros(constants[name].shape, dtype.storage)
    return Graph(change(program.inputs), change(program.outputs), nodes, constants)


@pytest.mark.parametrize("program", [*EXAMPLES.values(), network()], ids=[*EXAMPLES, "network"])
def test_examples_are_legal(program: Program) -> None:
    verify(program)


@pytest.mark.parametrize("program", float_examples(), ids=name_of)
def test_captured_graphs_keep_the_same_rules(program: Program) -> None:
    graph: Any = program
    verify_graph(graph)
    wrong = replace(program.nodes[0].output, shape=(7, 7, 7))
    broken: Any = Graph(program.inputs, (wrong,), (replace(program.nodes[0], output=wrong),),
                        program.constants)  # fmt: skip
    with pytest.raises(VerifyError, match="declared"):
        verify_graph(broken)


# --- values ----------------------------------------------------------------------------------


def test_value_written_twice() -> None:
    program = network()
    again = replace(program.nodes[1], output=program.nodes[0].output)
    check(with_node(program, 1, again), '"x.codes" is written twice')


def test_input_named_twice() -> None:
    program = network()
    check(replace(program, inputs=program.inputs * 2), '"x" is written twice')


def test_constant_named_like_a_value() -> None:
    check(with_constant(network(), "pool", np.zeros(1)), '"pool" is written twice')


def test_value_read_before_it_is_written() -> None:
    program = network()
    nodes = (program.nodes[1], program.nodes[0], *program.nodes[2:])
    check(replace(program, nodes=nodes), 'x.nhwc": "x.codes" is read before it is written')


def test_output_that_nothing_writes() -> None:
    program = network()
    check(replace(program, outputs=(Value("z", (1,), FP32),)), '"z" is read before')


def test_no_outputs() -> None:
    check(replace(network(), outputs=()), "no outputs")


def test_value_read_with_another_shape() -> None:
    program = network()
    other = replace(program.nodes[0].output, shape=(-1, 8, 8, 3))
    node = replace(program.nodes[1], inputs=(other,))
    check(with_node(program, 1, node), '"x.codes" is read with another shape, dtype or params')


def test_value_read_with_other_params() -> None:
    program = network()
    other = replace(program.nodes[0].output, params=params(S8, 0.5))
    check(with_node(program, 1, replace(program.nodes[1], inputs=(other,))), "or params")


def test_constant_that_nothing_reads() -> None:
    program = with_constant(network(), "spare", np.zeros(1, np.float32))
    check(program, 'constant "spare": nothing reads it')
    graph: Any = program
    verify_graph(graph)


@pytest.mark.parametrize("name", ["", "a\nb", "\ud800", "a" * 2000])
def test_names(name: str) -> None:
    x, y = Value(name, (2,), FP32), Value("y", (2,), FP32)
    check(Graph((x,), (y,), (Node(ops.Relu(), (x,), y),), {}), "printable characters")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 0), "has a 0"),
        ((1,) * 17, "more than 16 axes"),
        ((-1, MAX_ELEMENTS + 1), "number of elements"),
        ((-(2**16), 2**16), "number of elements"),
    ],
)
def test_dimensions_are_bounded(shape: Shape, message: str) -> None:
    check(two(ops.Add(), shape, FP32, shape, shape), message)


def test_padding_is_bounded_where_the_output_is_small() -> None:
    stride, pads = (2**30,) * 2, ((2**30, 2**30),) * 2
    shape = (-1, 1, 3, 3)
    conv = ops.Conv(stride, pads, (1, 1))
    check(one(conv, real(-1, 1, 6, 6), shape, FP32, (FP32, (1, 1, 1, 1))), "with padding")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((20, 3, 3, 3), np.int16), "int16 of shape"),
        (np.zeros((20, 3, 3, 2), np.int8), r"expected int8 of shape \(20, 3, 3, 3\)"),
        (np.full((20, 3, 3, 3), 8, np.int8), r"codes 8\.\.8 are outside of int4's -8\.\.7"),
    ],
)
def test_constants_fit_their_values(array: Array, message: str) -> None:
    check(with_constant(network(), "conv.weight", array), message)


def test_constants_hold_no_nan() -> None:
    array = np.full(4, np.nan, np.float32)
    check(with_constant(EXAMPLES["Prelu"], "layer.parameter0", array), "holds NaN")


def with_params(scale_shape: Shape, zero_point: int | None, dtype: Format = S8) -> Program:
    scale = np.ones(scale_shape, np.float32)
    offset = None if zero_point is None else np.full(scale_shape, zero_point)
    x = Value("x", (-1, 4, 6), S8, QuantParams(dtype, scale, offset))
    y = Value("y", (-1, 24), S8)
    return Graph((x,), (y,), (Node(ops.Reshape((-1, 24)), (x,), y),), {})


@pytest.mark.parametrize("shape", [(), (1, 1, 1), (1, 4, 1), (1, 2, 3)])
def test_scales_that_divide_the_shape(shape: Shape) -> None:
    verify(with_params(shape, 127))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (with_params((4,), None), r"scales of shape \(4,\)"),
        (with_params((1, 3, 1), None), "do not fit shape"),
        (with_params((2, 1, 1), None), "do not fit shape"),
        (with_params((0, 1, 1), None), "do not fit shape"),
        (with_params((), 128), "zero_point 128 is outside"),
        (with_params((), None, Int(4)), "params are for int4, the codes are int8"),
    ],
)
def test_params_of_values(program: Program, message: str) -> None:
    check(program, message)


# --- operations ------------------------------------------------------------------------------

TINY = requant()
WIDE = Requant(np.array([1 << 30]), np.array([-3]), 0, np.array([-128]), np.array([127]), 64)
CONV, LINEAR, ADD = EXAMPLES["QConv2d"], EXAMPLES["QLinear"], EXAMPLES["QAdd"]
NORM = EXAMPLES["QLayerNorm"]
FLAT = np.zeros(513, np.int64)


def normed(**changes: Any) -> Program:
    return with_op(NORM, normalization=replace(normalization(24), **changes))


RULES: dict[str, tuple[Program, str]] = {
    # attributes
    "attribute beyond 32 bits": (with_op(EXAMPLES["Slice"], step=2**31), "step 2147483648"),
    "attribute not finite": (with_op(EXAMPLES["LeakyRelu"], slope=float("nan")), "slope is nan"),
    "attribute beyond float32": (with_op(EXAMPLES["Clamp"], low=1e39), "float32 does not hold"),
    "too many entries": (with_op(EXAMPLES["Reshape"], shape=(1,) * 17), "17 entries"),
    "shape": (with_op(CONV, stride=(1, 1)), r"gives shape \(-1, 6, 6, 6\), declared"),
    # dtypes
    "codes into a float op": (retyped(EXAMPLES["Relu"], "x", S8), '"x" is int8, expected fp32'),
    "half precision": (retyped(EXAMPLES["Conv"], "layer.parameter0", FP16), "expected fp32"),
    "movement changes dtype": (retyped(EXAMPLES["Permute"], "layer", Int(4)), '"layer" is Int'),
    "concat of two dtypes": (retyped(EXAMPLES["Concat"], "b", S16), '"b" is Int'),
    "sum of codes and wide integers": (retyped(EXAMPLES["Add"], "b", Int(32)), '"b" is int32'),
    "sum of two integers": (two(ops.Add(), (2,), Int(32), (2,), (2,)), ""),
    "sum that leaves its format": (two(ops.Add(), (2,), Int(4), (2,), (2,)), "may overflow"),
    "real indices": (retyped(EXAMPLES["Embedding"], "x", FP32), '"x" is fp32'),
    "float into QConv2d": (retyped(CONV, "x", FP32), '"x" is fp32, expected 1 to 16 bit'),
    "float out of QConv2d": (retyped(CONV, "layer", FP32), '"layer" is fp32'),
    "float weight": (retyped(CONV, "layer.parameter0", BF16), '"layer.parameter0" is bf16'),
    "wide weight": (retyped(CONV, "layer.parameter0", Int(32)), "expected up to 16 bit"),
    "bias of 8 bits": (retyped(CONV, "layer.parameter1", S8), "expected int32"),
    "bias of 64 bits": (retyped(CONV, "layer.parameter1", Int(64)), "expected int32"),
    "pooling changes dtype": (retyped(EXAMPLES["QMaxPool2d"], "layer", S16), '"layer" is Int'),
    "wide lookup": (retyped(EXAMPLES["Lookup"], "x", S16), "expected 1 to 8 bit"),
    "narrow interpolation": (retyped(EXAMPLES["InterpolatedLookup"], "x", S8), "9 to 16 bit"),
    "binary activation": (retyped(EXAMPLES["Requantize"], "x", Binary()), '"x" is binary'),
    "softmax of 16 bits": (retyped(EXAMPLES["QSoftmax"], "x", S16), "1 to 8 bit"),
    "dynamic of codes": (retyped(EXAMPLES["DynamicLinear"], "x", S8), "expected fp32"),
    "quantize to real": (retyped(EXAMPLES["Quantize"], "layer", FP16), '"layer" is fp16'),
    # constants that must be known
    "computed weight": (
        replace(CONV, inputs=(*CONV.inputs, node_of(CONV).inputs[1]),
                constants={"layer.parameter1": CONV.constants["layer.parameter1"]}),
        '"layer.parameter0" is computed',
    ),
    "pad with a fraction": (
        one(ops.Pad(((0, 0), (1, 0)), value=0.5), coded(-1, 3), (-1, 4), S8), "not a code",
    ),
    "pad outside of the codes": (
        one(ops.Pad(((0, 0), (1, 0)), value=128.0), coded(-1, 3), (-1, 4), S8), "value 128",
    ),
    # params
    "quantize with other params": (
        with_op(EXAMPLES["Quantize"], params=params(S16)), "params are for int16",
    ),
    "dequantize with other params": (
        with_node(network(), 4, replace(node_of(network(), 4), op=q.Dequantize(params(S8)))),
        'not those of "pool"',
    ),
    # zero points
    "input_zero_point": (with_op(CONV, input_zero_point=-129), "input_zero_point -129"),
    "weight_zero_point": (with_op(CONV, weight_zero_point=(8,) * 6), "weight_zero_point 8"),
    "weight_zero_points": (with_op(CONV, weight_zero_point=(0,) * 5), "expected .1, 6. entries"),
    "a_zero_point": (with_op(EXAMPLES["QMul"], a_zero_point=128), "a_zero_point 128"),
    "b_zero_point": (with_op(EXAMPLES["QMatMul"], b_zero_point=128), "b_zero_point 128"),
    "operand's zero_point": (with_op(ADD, a=q.Operand(128, 1, 0)), "a's zero_point 128"),
    "slope_zero_point": (with_op(EXAMPLES["QPrelu"], slope_zero_point=128), "slope_zero_point"),
    "pool's zero_point": (with_op(EXAMPLES["QAvgPool2d"], zero_point=-129), "zero_point -129"),
    "requant's zero_point": (with_requant(CONV, zero_point=128), "requant's zero_point 128"),
    # requants
    "multipliers": (with_op(CONV, requant=requant(5)), r"shape \(5,\), expected \[1, 6\]"),
    "multipliers of the batch": (
        with_op(two(q.QMul(0, 0, requant()), (3, -1), S8, (3, 1), (3, -1)), requant=requant(3)),
        r"expected \[1\]",
    ),
    "no multipliers": (
        with_requant(CONV, multiplier=np.array([], int), shift=np.array([], int)), "expected",
    ),
    "clamp's size": (
        with_requant(CONV, qmin=np.full(3, -8), qmax=np.full(3, 7)), "clamp has shape",
    ),
    "clamp below": (with_requant(CONV, qmin=np.array([-129])), "qmin -129 is outside"),
    "clamp above": (with_requant(CONV, qmax=np.array([128])), "qmax 128 is outside"),
    "clamp is empty": (
        with_requant(CONV, qmin=np.array([5]), qmax=np.array([4])), "qmin exceeds its qmax",
    ),
    "rows of an embedding": (with_op(EXAMPLES["QEmbedding"], requant=requant(3)), "1, 11"),
    # accumulators
    "bias overflows": (
        with_constant(CONV, "layer.parameter1", np.full(6, INT32_MAX, np.int32)), "may reach",
    ),
    "16-bit matrices": (retyped(retyped(EXAMPLES["QMatMul"], "a", S16), "b", S16), "may reach"),
    "16-bit product": (two(q.QMul(-32768, -32768, TINY), (2,), S16, (2,), (2,)), "may reach"),
    "long mean": (
        one(q.QMean((1,), False, 0, TINY), coded(-1, 2**24 + 1), (-1,), S8), "may reach",
    ),
    "shifted operand": (with_op(ADD, left_shift=25), "a shifted left by 25"),
    "sum of operands": (
        with_op(ADD, a=q.Operand(0, INT32_MAX, 4), b=q.Operand(0, INT32_MAX, 4)), "may reach",
    ),
    "left_shift": (with_op(ADD, left_shift=-1), "left_shift -1"),
    "operand's multiplier": (with_op(ADD, a=q.Operand(0, -1, 0)), "multiplier -1"),
    "operand's shift": (with_op(ADD, a=q.Operand(0, 1, 31)), "shift 31"),
    "prelu": (
        retyped(retyped(EXAMPLES["QPrelu"], "x", S16), "layer.parameter0", Int(16, signed=False)),
        "may reach",
    ),
    "large window": (
        one(q.QAvgPool2d((1, 2**24), (1, 1), ((0, 0),) * 2, False, (0, 0), 0),
            coded(-1, 1, 2**24, 1), (-1, 1, 1, 1), S8),
        "sum of a window",
    ),
    "dynamic": (
        one(q.DynamicLinear(S8), real(-1, 2), (-1, 3), FP32, (S16, (3, 2)), (FP32, (3,)),
            (FP32, (3,))),
        "",
    ),
    "dynamic unsigned": (
        with_op(EXAMPLES["DynamicLinear"], activation=Int(8, signed=False)), "not signed",
    ),
    # tables
    "short table": (with_op(EXAMPLES["Lookup"], table=np.zeros(255, int)), r"\[256\] entries"),
    "table of reals": (with_op(EXAMPLES["Lookup"], table=np.zeros(256)), "expected integers"),
    "table outside": (with_op(EXAMPLES["Lookup"], table=np.full(256, 128)), "table 128"),
    "square table": (with_op(EXAMPLES["Lookup"], table=np.zeros((16, 16), int)), "shape"),
    "513 entries": (with_op(EXAMPLES["InterpolatedLookup"], table=FLAT[1:]), "513"),
    "exponentials": (with_op(EXAMPLES["QSoftmax16"], exp_table=FLAT), "end of exp_table 0"),
    "negative exponentials": (with_op(EXAMPLES["QSoftmax16"], exp_table=FLAT - 1), "exp_table -1"),
    "reciprocals": (with_op(EXAMPLES["QSoftmax16"], reciprocal_table=FLAT[:9]), "reciprocal"),
    "softmax's shift": (with_op(EXAMPLES["QSoftmax"], shift=31), "shift 31"),
    "softmax's diff_min": (with_op(EXAMPLES["QSoftmax"], diff_min=1), "diff_min 1"),
    "softmax's row": (
        one(q.QSoftmax(0, 0, 0), coded(-1, 8192), (-1, 8192), S8), "length of a row 8192",
    ),
    "softmax16's row": (
        one(replace(node_of(EXAMPLES["QSoftmax16"]).op), coded(-1, 2**16 + 1, dtype=S16),
            (-1, 2**16 + 1), S16),
        "length of a row 65537",
    ),
    # normalization
    "epsilon of 0": (normed(epsilon=0), "epsilon 0"),
    "epsilon": (normed(epsilon=2**61 + 1), "epsilon"),
    "gain_sign": (normed(gain_sign=np.full(24, 2)), "gain_sign 2"),
    "gain_signs": (normed(gain_sign=np.ones(23, int)), "gain_sign has shape"),
    "beta": (normed(beta=np.full(24, 2**31)), "beta 2147483648"),
    "gains": (normed(gain=normalization(23).gain), "multiplier has shape"),
    "normalized clamp": (normed(qmin=5, qmax=4), "qmax 4"),
    "normalized zero_point": (normed(zero_point=128), "zero_point 128"),
    "normalizes too many": (
        with_op(one(q.QLayerNorm(1, normalization(2)), coded(-1, 2**15 + 1, dtype=S16),
                    (-1, 2**15 + 1), S8)),
        "normalizes 32769 elements",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", [rule for rule, (_, message) in RULES.items() if message])
def test_rules_of_operations(rule: str) -> None:
    check(*RULES[rule])


@pytest.mark.parametrize("rule", [rule for rule, (_, message) in RULES.items() if not message])
def test_neighbours_of_rules_are_legal(rule: str) -> None:
    verify(RULES[rule][0])


def test_message_names_node_and_operation() -> None:
    check(RULES["pool's zero_point"][0], r'^"layer" \(QAvgPool2d\): zero_point -129 is outside')


def test_constant_indices_lie_in_the_table() -> None:
    program = EXAMPLES["Embedding"]
    verify(program)
    (node,) = program.nodes
    index = Value("x", (2,), Int(64))
    out = Value("layer", (2, 3), FP32)
    known = Graph((), (out,), (Node(node.op, (index, node.inputs[1]), out),), program.constants)
    verify(with_constant(known, "x", np.array([0, 10])))
    check(with_constant(known, "x", np.array([0, 11])), "an index 11 is outside of 0..10")
    check(with_constant(known, "x", np.array([-1, 0])), "an index -1")


def test_accumulators_are_bounded_by_the_weights_themselves() -> None:
    """By the format alone, 70,000 taps could overflow; these weights cannot."""
    depth = 70_000
    program = one(
        q.QLinear(0, None, TINY), coded(-1, depth), (-1, 1), S8, (S8, (1, depth)), (Int(32), (1,))
    )
    small = with_constant(program, "layer.parameter0", np.full((1, depth), 100, np.int8))
    verify(small)
    large = with_constant(program, "layer.parameter0", np.full((1, depth), -128, np.int8))
    verify(large)  # 70,000 * 128 * 128 < 2**31
    check(with_op(large, input_zero_point=127), "may reach")
    verify(with_op(large, input_zero_point=127, requant=WIDE))


# --- integer only ----------------------------------------------------------------------------


def test_network_of_integers_is_integer_only() -> None:
    verify(network(), integer_only=True)


def integer_examples() -> list[str]:
    return [
        name
        for name, program in EXAMPLES.items()
        if all(v.dtype not in (FP32, FP16) for v in program.values())
    ]


@pytest.mark.parametrize("name", integer_examples())
def test_codes_and_their_movement_are_integer_only(name: str) -> None:
    verify(EXAMPLES[name], integer_only=True)


@pytest.mark.parametrize("name", ["Relu", "Conv", "Add", "DynamicConv2d", "DynamicLinear"])
def test_real_operations_are_not_integer_only(name: str) -> None:
    check(EXAMPLES[name], "holds real numbers inside", integer_only=True)


def chain(*steps: tuple[IntOp, Value]) -> Program:
    x = Value("x", (-1, 4), FP32)
    nodes: list[Node[IntOp]] = []
    for op, output in steps:
        nodes.append(Node(op, (nodes[-1].output if nodes else x,), output))
    return Graph((x,), (nodes[-1].output,), tuple(nodes), {})


def test_real_numbers_between_codes_are_refused() -> None:
    p = params(S8)
    codes, back = Value("codes", (-1, 4), S8), Value("real", (-1, 4), FP32)
    again = Value("again", (-1, 4), S8)
    program = chain((q.Quantize(p), codes), (q.Dequantize(p), back), (q.Quantize(p), again))
    check(program, '"real" holds real numbers inside', integer_only=True)
    both = replace(program, outputs=(back, again))
    check(both, '"real" holds real numbers inside', integer_only=True)


def test_real_movement_before_quantize_is_refused() -> None:
    moved, codes = Value("moved", (4, -1), FP32), Value("codes", (4, -1), S8)
    program = chain((ops.Permute((1, 0)), moved), (q.Quantize(params(S8)), codes))
    check(program, '"moved" .*"x" holds real', integer_only=True)


def test_dequantized_weights_are_refused() -> None:
    program = one(q.Dequantize(params(S8)), coded(2, 3), (2, 3), FP32)
    constant = Graph((), program.outputs, program.nodes, {"x": np.zeros((2, 3), np.int8)})
    verify(constant)
    check(constant, "holds real numbers inside", integer_only=True)
