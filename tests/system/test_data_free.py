"""Networks quantized without samples compute the same codes everywhere, bounds of channels too."""

from dataclasses import replace

import numpy as np
import pytest

from intact.exec import native, reference
from intact.ir import int_ops
from intact.ir.boundary import code_boundary
from tests.architectures import ARCHITECTURES
from tests.system.test_architectures import lowered
from tests.system.test_tflite import codes_of, micro

pytest.importorskip("tflite", reason="pip install 'intact[tflite]'")
pytest.importorskip("ai_edge_litert", reason="pip install 'intact[litert]'")

from intact.verification import litert


@pytest.mark.parametrize("name", ["mobilenet_v2", "ds_cnn"])
def test_an_equalized_network_is_the_same_in_every_executor(name: str) -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == name)
    program = lowered(architecture, "W8A8-data-free-per-tensor").program
    core = code_boundary(program).program
    codes = codes_of(architecture, program)
    layers = replace(core, outputs=tuple(node.output for node in core.nodes))
    expected = reference.load(layers)(codes)
    for made in (native.load(layers)(codes), litert.load(layers)(codes), micro(core)(codes)):
        for key, values in made.items():
            np.testing.assert_array_equal(values, expected[key], err_msg=key)


def test_relu6_is_a_bound_of_each_channel_in_the_program() -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == "mobilenet_v2")
    program = lowered(architecture, "W8A8-data-free-per-tensor").program
    convolutions = [node.op for node in program.nodes if isinstance(node.op, int_ops.QConv2d)]
    assert sum(op.requant.qmax.size > 1 for op in convolutions) > 10
