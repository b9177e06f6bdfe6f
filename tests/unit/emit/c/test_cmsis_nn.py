"""Which operations CMSIS-NN computes, and with which scratch memory and arguments."""

from dataclasses import replace

import numpy as np
import pytest

from intact.emit.c import Kernels, cmsis_nn, translate
from intact.emit.c.cmsis_nn import scratch
from intact.emit.c.render import header, source
from intact.exec import reference
from intact.ir.int_ops import Operand, QAdd, QAvgPool2d, QConv2d, QMaxPool2d, QSoftmax
from intact.numerics.fixedpoint import Requant
from intact.numerics.formats import Int
from intact.verification import compiled_c
from tests.targets.stand_in import FLAGS
from tests.unit.emit.c.compiling import needs_compiler
from tests.unit.emit.c.drawing import KINDS, Case, program_of

INT8 = Int(8)
NONE = ((0, 0), (0, 0))


def requant(
    shift: tuple[int, ...] = (-8,), qmin: tuple[int, ...] = (-128,), bits: int = 32
) -> Requant:
    multiplier = np.full(len(shift), 1 << 30)
    qmax = np.full(len(qmin), 127)
    return Requant(multiplier, np.array(shift), 3, np.array(qmin), qmax, bits)  # type: ignore[arg-type]


CONV = QConv2d((1, 1), ((1, 1), (1, 1)), (1, 1), 1, 5, None, requant())
ADD = QAdd(Operand(1, 1 << 30, 0), Operand(-2, 1 << 30, -1), 20, requant((-20,)))
SOFTMAX = QSoftmax(1 << 30, 22, -496)
AVERAGE = QAvgPool2d((2, 2), (2, 2), NONE, True, (0, 0), 4)
LARGEST = QMaxPool2d((2, 2), (2, 2), NONE, (1, 1))


def drawn(format_: Int, *shape: int) -> tuple[Int, np.ndarray]:
    rng = np.random.default_rng(1)
    codes = rng.integers(format_.qmin, format_.qmax, shape, endpoint=True)
    return format_, codes.astype(format_.storage)


def conv(op: QConv2d = CONV, x: Int = INT8, weight: Int = INT8, h: int = 6, kh: int = 3) -> Case:
    outputs, inputs = 4, 4
    inputs_ = [drawn(x, 1, h, 6, inputs), drawn(weight, outputs, kh, 3, inputs // op.groups)]
    bias = np.arange(outputs, dtype=np.int64 if op.requant.accumulator_bits == 64 else np.int32)
    return Case(op, [*inputs_, (Int(bias.itemsize * 8), bias)], INT8, (1, 2))


def pooled(op: QAvgPool2d | QMaxPool2d, format_: Int = INT8) -> Case:
    return Case(op, [drawn(format_, 1, 6, 6, 5)], format_)


def sum_(op: QAdd = ADD, *shape: int) -> Case:
    return Case(op, [drawn(INT8, 1, 3, 5), drawn(INT8, *(shape or (1, 3, 5)))], INT8)


def softmax(op: QSoftmax = SOFTMAX, length: int = 9, output: Int = INT8) -> Case:
    return Case(op, [drawn(INT8, 2, length)], output)


def choice(case: Case) -> cmsis_nn.Choice:
    program, _ = program_of([case])
    return cmsis_nn.choose(program.nodes[0], program.constants)


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        (conv(x=Int(8, signed=False)), "uint8, not int8"),
        (conv(x=Int(16)), "int16, not int8"),
        (conv(replace(CONV, weight_zero_point=(9,) * 4)), "exceed 8 bits"),
        (conv(replace(CONV, requant=requant((1,)))), "shifted to the left"),
        (conv(replace(CONV, requant=requant((-31,)))), "shifted by 31 bits"),
        (conv(replace(CONV, requant=requant(qmin=(0, 1, 2, 3)))), "clamped to different codes"),
        (conv(replace(CONV, requant=requant(bits=64))), "64 bits"),
        (conv(replace(CONV, groups=2)), "groups of several channels"),
        (conv(replace(CONV, padding=((0, 0), (1, 2))), h=1, kh=1), "padded unevenly"),
        (sum_(ADD, 1, 1, 5), "broadcasts"),
        (sum_(replace(ADD, left_shift=10, a=Operand(1, 1 << 30, 2))), "scaled up"),
        (sum_(replace(ADD, requant=requant((-20,) * 5))), "multipliers of their own"),
        (softmax(length=256), "longer than 255"),
        (softmax(output=Int(4)), "int4, not all of int8"),
        (softmax(replace(SOFTMAX, shift=-1)), "scaled down"),
        (pooled(replace(LARGEST, dilation=(2, 2))), "dilated"),
        (pooled(replace(AVERAGE, padding=((1, 1), (0, 0)))), "padding counts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_operation_of_other_integers_keeps_its_portable_kernel(case: Case, reason: str) -> None:
    made = choice(case)
    assert not made.is_theirs
    assert made.remark.startswith("portable: ")
    assert reason in made.remark
    program, _ = program_of([case])
    code = source(translate(program, Kernels.CMSIS_NN))
    assert reason in code
    assert "arm_" not in code


@pytest.mark.parametrize(
    ("case", "function"),
    [
        (conv(), "arm_convolve_wrapper_s8("),
        (conv(replace(CONV, groups=4)), "arm_depthwise_conv_wrapper_s8("),
        (sum_(), "arm_elementwise_add_s8("),
        (softmax(), "arm_softmax_s8("),
        (pooled(AVERAGE), "arm_avgpool_s8("),
        (pooled(LARGEST), "arm_max_pool_s8("),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_operations_call_it(case: Case, function: str) -> None:
    assert choice(case).is_theirs
    program, _ = program_of([case])
    model = translate(program, Kernels.CMSIS_NN)
    assert function in source(model)
    assert "#include <arm_nnfunctions.h>" in source(model)
    assert "int model_run(" in header(model)
    assert "CMSIS-NN refuses" in header(model)


def test_portable_kernels_have_no_word_of_it() -> None:
    program, _ = program_of([conv()])
    model = translate(program)
    assert "arm_" not in source(model) + header(model)
    assert "void model_run(" in header(model)


def test_scratch_memory_is_the_most_that_a_processor_needs() -> None:
    """Against the library's formulas, by hand."""
    assert scratch.conv2d(CONV, (8, 3, 3, 3)) == 4 * 32  # 27 taps, MVE: 32
    assert scratch.conv2d(replace(CONV, padding=NONE), (8, 1, 1, 10)) == 2 * 10 * 2
    depthwise = replace(CONV, groups=8)
    assert scratch.depthwise_conv2d(depthwise, (8, 3, 3, 1)) == 4 * 124 * 9
    many = replace(CONV, groups=1000)
    assert scratch.depthwise_conv2d(many, (1000, 5, 5, 1)) == 2 * 1000 * 25
    assert scratch.depthwise_conv2d(many, (1000, 3, 3, 1)) == 4 * 124 * 9
    assert scratch.depthwise_conv2d(replace(CONV, groups=4), (8, 3, 3, 1)) == 0
    assert scratch.avg_pool2d(64) == 256


def test_scratch_memory_is_no_tensors_while_its_layer_runs() -> None:
    program, _ = program_of([conv(replace(CONV, groups=4))])
    plan = translate(program, Kernels.CMSIS_NN).storage.plan
    assert plan.lower_bound == 2 * 6 * 6 * 4 + 4 * 124 * 9
    assert plan.size == plan.lower_bound


@needs_compiler
@pytest.mark.parametrize("processor", ["NONE", "DSP", "MVE"])
def test_random_operations_have_the_references_codes(processor: str) -> None:
    rng = np.random.default_rng(3)
    cases = [sum_(), sum_(replace(ADD, requant=requant((-19,), (0,))))]
    for kind in ("dense", "depthwise", "linear", "softmax", "pool"):
        drawn_ = (KINDS[kind](rng) for _ in range(10000))
        chosen = (case for case in drawn_ if choice(case).is_theirs)
        cases += [next(chosen) for _ in range(4)]
    program, codes = program_of(cases)
    flags = (*FLAGS, f"-DSTAND_IN_{processor}")
    made = compiled_c.load(program, flags=flags, kernels=Kernels.CMSIS_NN)(codes)
    for name, expected in reference.load(program)(codes).items():
        np.testing.assert_array_equal(made[name], expected, err_msg=name)
