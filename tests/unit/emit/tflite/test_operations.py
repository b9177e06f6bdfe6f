"""Every operation in LiteRT's reference kernels and TensorFlow Lite Micro: the same codes."""

from dataclasses import replace

import numpy as np
import pytest

from intact.errors import UnsupportedOpError
from intact.exec import reference
from intact.ir import float_ops as ops
from intact.ir.boundary import code_boundary
from intact.ir.graph import Graph, Node, Value
from intact.ir.int_ops import Lookup, Program
from intact.lower.lower import lower_with_reasons
from intact.numerics.formats import Binary, Format, Int, MidRise, PowerOfTwo, Ternary
from intact.numerics.qtensor import QuantParams, ScaledTensor
from intact.numerics.tables import logistic_table
from tests.contract.test_lower import BATCH, CASES, Case, network, quantized
from tests.unit.emit.tflite.drawing import draw_case
from tests.unit.emit.tflite.running import check, merged, program_of

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")
pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")

from intact.verification import litert, tflm

# What TFLite has no operation for, by bits of the codes.
REFUSED = {
    "layer-norm": (8, 16),
    "layer-norm-2": (8, 16),
    "group-norm": (8, 16),
    "group-norm-1d": (8, 16),
    "group-norm-3d": (8, 16),
}


@pytest.mark.parametrize("last", [False, True], ids=["plain", "channels-last"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_litert_computes_the_same_codes(case: Case, bits: int, last: bool) -> None:
    rng = np.random.default_rng(11)
    program = program_of(case, bits, rng, last=last)
    if bits in REFUSED.get(case.name, ()):
        with pytest.raises(UnsupportedOpError, match=r'"y.codes": .*\. .* \.onnx or C|Int\(8\)'):
            litert.load(program)
    else:
        check(program, litert.load, rng)


@pytest.mark.parametrize("name", ["conv", "conv-depthwise", "conv-transpose", "linear"])
@pytest.mark.parametrize(
    "format", [Int(2), Int(4), Binary(), MidRise(4), Ternary(), PowerOfTwo(4)], ids=str
)
def test_weights_of_few_bits_are_the_integers_that_their_codes_stand_for(
    name: str, format: Format
) -> None:
    rng = np.random.default_rng(14)
    case = next(case for case in CASES if case.name == name)
    graph = network(case, rng, last=True)
    inputs = {v.name: rng.normal(0.1, 1.5, (BATCH, *v.shape[1:])) for v in graph.inputs}
    model = quantized(graph, inputs, Int(8))
    codes = rng.choice(format.codes(), graph.constants["p0"].shape).astype(format.storage)
    weight = ScaledTensor(codes, QuantParams(format, np.float32(0.3)))
    lowered = lower_with_reasons(replace(model, weights={"p0": weight}))
    assert not lowered.stays_float
    check(code_boundary(lowered.program).program, litert.load, rng)


def test_tflite_micro_computes_the_same_codes() -> None:
    pytest.importorskip("tflite_micro", reason="pip install 'intact[tflm]'")
    rng = np.random.default_rng(12)
    cases = [case for case in CASES if 8 not in REFUSED.get(case.name, ())]
    programs = {case.name: program_of(case, 8, rng) for case in cases}
    check(merged(programs), tflm.load, rng)


# What TensorFlow Lite Micro has for int8 alone; its softmax of int16 makes tables of its own.
NO_MICRO_KERNEL = (
    ops.LeakyRelu | ops.HardSigmoid | ops.HardSwish | ops.Sigmoid | ops.Tanh | ops.Silu | ops.Gelu,
    ops.Softmax,
    ops.ResizeBilinear,
)


def test_tflite_micro_computes_the_same_codes_of_16_bits() -> None:
    pytest.importorskip("tflite_micro", reason="pip install 'intact[tflm]'")
    rng = np.random.default_rng(13)
    cases = [
        case
        for case in CASES
        if 16 not in REFUSED.get(case.name, ())
        and not isinstance(case.op, NO_MICRO_KERNEL)
        and case.name != "pad-reflect"
    ]
    check(merged({case.name: program_of(case, 16, rng) for case in cases}), tflm.load, rng)


@pytest.mark.parametrize("seed", range(120))
def test_drawn_operations_have_the_same_codes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    case = draw_case(rng)
    check(program_of(case, int(rng.choice([8, 8, 16])), rng), litert.load, rng)


def test_a_sigmoid_where_the_runtimes_differ_is_gathered() -> None:
    """At code 57 LiteRT's float32 and TensorFlow Lite Micro's fixed point round apart."""
    source = QuantParams(Int(8), np.asarray(0.13804379105567932, np.float32), np.asarray(62))
    target = QuantParams(Int(8), np.asarray(1 / 256, np.float32), np.asarray(-128))
    x, y = (
        Value(name, (-1, 256), Int(8), params) for name, params in (("x", source), ("y", target))
    )
    op = Lookup(logistic_table(source), ops.Sigmoid())
    program: Program = Graph((x,), (y,), (Node(op, (x,), y),), {})
    codes = {"x": np.arange(-128, 128, dtype=np.int8)[None]}
    expected = reference.load(program)(codes)["y"]
    np.testing.assert_array_equal(litert.load(program)(codes)["y"], expected)
