"""Layers apart compute what they compute in the network."""

import numpy as np
import pytest

from intact.benchmark.layerwise import layerwise
from intact.exec.reference import load, trace
from intact.ir.int_ops import Program
from intact.ir.verify import verify
from intact.lower.lower import lower
from intact.numerics.formats import Int
from tests.contract.test_lower import CASES, Case, quantized
from tests.unit.emit.test_onnx_export import classifier
from tests.unit.emit.test_onnx_operations import sampled


def check(program: Program, inputs: dict[str, np.ndarray]) -> None:
    apart = layerwise(program)
    assert apart is not None
    verify(apart.program)
    values = {**inputs, **trace(program)(inputs)}
    fed = {value.name: values[value.name] for value in apart.own_inputs}
    fed |= {e.real.name: e.to_real(values[e.codes.name]) for e in apart.entries}
    made = load(apart.program)(fed)
    for layer in apart.exits:
        np.testing.assert_array_equal(
            layer.to_codes(made[layer.real.name]), values[layer.codes.name]
        )


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_each_layer_writes_the_networks_codes(case: Case, bits: int) -> None:
    graph, inputs = sampled(case, last=False)
    program = lower(quantized(graph, inputs, Int(bits)))
    if layerwise(program) is not None:
        check(program, inputs)


def test_a_network_falls_into_its_layers() -> None:
    program = classifier()
    generator = np.random.default_rng(0)
    shape = [abs(n) for n in program.inputs[0].shape]
    check(program, {program.inputs[0].name: generator.normal(size=shape).astype(np.float32)})
