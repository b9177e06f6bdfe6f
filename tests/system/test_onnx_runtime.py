"""Whole networks in ONNX Runtime: every layer within one code of the reference executor."""

import numpy as np
import onnx
import pytest
import torch

from intact.emit.onnx import to_onnx
from intact.ir.int_ops import InterpolatedLookup, Program
from intact.numerics.arrays import Array
from intact.verification import compare_onnxruntime
from tests.architectures import ARCHITECTURES, Architecture
from tests.system.test_architectures import lowered

# These shuffle channels or attend, and transpose for that.
TRANSPOSE = {"shufflenet_v2_x0_5", "vit_tiny", "bert"}
# All kinds of operations, without the largest networks.
KINDS = ["mobilenet_v3_small", "unet", "yolo", "vit_tiny", "bert", "conv1d_net", "autoencoder"]
SOME = [architecture for architecture in ARCHITECTURES if architecture.name in KINDS]


def sample(architecture: Architecture, program: Program) -> dict[str, Array]:
    """Inputs on which the network was not calibrated."""
    example = architecture.example(torch.Generator().manual_seed(4))
    return {v.name: x.numpy() for v, x in zip(program.inputs, example, strict=True)}


@pytest.mark.parametrize("recipe_name", ["W8A8", "W4A8"])
@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_8_bit_codes_of_each_layer_differ_by_at_most_one(
    architecture: Architecture, recipe_name: str
) -> None:
    program = lowered(architecture, recipe_name).program
    comparison = compare_onnxruntime(program, sample(architecture, program))
    worst = comparison.worst(1)[0]
    print(
        f"{architecture.name} {recipe_name}: {len(comparison.layers)} values,"
        f" largest difference {comparison.largest}, equal {comparison.equal:.4%},"
        f" least {worst.equal:.4%} in {worst.name}"
    )
    assert comparison.largest <= 1
    assert comparison.equal > 0.95


@pytest.mark.parametrize("architecture", SOME, ids=lambda a: a.name)
def test_16_bit_codes_of_each_layer_differ_by_at_most_two(architecture: Architecture) -> None:
    """Beside tables, which interpolate: hard-swish bends inside of an interval."""
    program = lowered(architecture, "W8A16").program
    tables = {n.name for n in program.nodes if isinstance(n.op, InterpolatedLookup)}
    for layer in compare_onnxruntime(program, sample(architecture, program)).layers:
        few = sum(count for d, count in layer.histogram.items() if abs(d) > 2) / layer.elements
        assert layer.largest <= (32 if layer.name in tables else 2)
        assert few < 0.01


@pytest.mark.parametrize("recipe_name", ["float16", "bfloat16", "W8", "W4-g32"])
@pytest.mark.parametrize("architecture", SOME, ids=lambda a: a.name)
def test_quantized_weights_alone_give_the_same_real_numbers(
    architecture: Architecture, recipe_name: str
) -> None:
    program = lowered(architecture, recipe_name).program
    comparison = compare_onnxruntime(program, sample(architecture, program), per_layer=False)
    for output in comparison.outputs:
        assert output.largest <= 1e-4 * output.scale


@pytest.mark.parametrize("architecture", SOME, ids=lambda a: a.name)
def test_dynamic_networks_stay_close(architecture: Architecture) -> None:
    """A sum in another order may round an input to the next of 127 codes."""
    program = lowered(architecture, "dynamic-int8").program
    comparison = compare_onnxruntime(program, sample(architecture, program), per_layer=False)
    for output in comparison.outputs:
        assert output.largest <= 0.05 * output.scale


@pytest.mark.parametrize("recipe_name", ["W8A8", "dynamic-int8", "W4-g32"])
@pytest.mark.parametrize("architecture", SOME, ids=lambda a: a.name)
def test_onnx_runtime_optimizes_what_is_exported(
    architecture: Architecture, recipe_name: str
) -> None:
    program = lowered(architecture, recipe_name).program
    inputs = sample(architecture, program)
    plain, optimized = (
        compare_onnxruntime(program, inputs, per_layer=False, optimized=optimized, threads=2)
        for optimized in (False, True)
    )
    for before, after in zip(plain.outputs, optimized.outputs, strict=True):
        assert after.largest <= before.largest + 0.1 * before.scale


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda a: a.name)
def test_images_are_not_transposed(architecture: Architecture) -> None:
    model = to_onnx(lowered(architecture, "W8A8").program)
    onnx.checker.check_model(model, full_check=True)
    types = [node.op_type for node in model.graph.node]
    assert ("Transpose" in types) == (architecture.name in TRANSPOSE)
    assert "Identity" not in types


def test_layers_keep_the_names_of_the_users_modules() -> None:
    architecture = next(a for a in ARCHITECTURES if a.name == "resnet18")
    graph = to_onnx(lowered(architecture, "W8A8").program).graph
    state = architecture.build().state_dict()
    stored = {tensor.name for tensor in graph.initializer}
    weights = {n for n, tensor in state.items() if n.endswith("weight") and tensor.ndim > 1}
    assert weights <= stored
    modules = {node.name for node in graph.node}
    assert {"layer1.0.conv2", "layer4.1.conv2", "layer2.0.downsample.0", "maxpool"} <= modules


def test_an_exported_network_runs_at_any_batch_size() -> None:
    for architecture in SOME:
        program = lowered(architecture, "W8A8").program
        inputs = {n: np.repeat(x, 3, axis=0)[:5] for n, x in sample(architecture, program).items()}
        assert compare_onnxruntime(program, inputs, per_layer=False).outputs[0].scale > 0
