"""Networks that torch exports to ONNX are captured whole, and compute what torch computes."""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import Tensor

from intact.capture.onnx import load_onnx
from tests.architectures import ARCHITECTURES, Architecture
from tests.unit.capture.onnx_models import kinds, run

pytest.importorskip("onnxscript", reason="torch.onnx.export needs onnxscript")

_BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}
_DYNAMIC = (
    "bert",
    "cifar_resnet20",
    "conv1d_net",
    "deeplab_v3",
    "ds_cnn",
    "mobilenet_v3_small",
    "unet",
    "vit_tiny",
)


def _export(architecture: Architecture, path: Path, *, batch: int | None, dynamo: bool) -> None:
    """Writes the network; `batch` is the fixed batch size, None for a dynamic one."""
    inputs = architecture.example(torch.Generator().manual_seed(0))
    examples = tuple(x if batch is None else x[:batch] for x in inputs)
    names = [f"x{index}" for index in range(len(inputs))]
    options: dict[str, object] = {"dynamo": dynamo, "input_names": names}
    if dynamo:
        options |= {"verbose": False, "external_data": False}
    else:
        options["opset_version"] = 17
    if batch is None and dynamo:
        options["dynamic_shapes"] = tuple({0: torch.export.Dim("batch")} for _ in inputs)
    elif batch is None:
        options["dynamic_axes"] = {name: {0: "batch"} for name in names}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(architecture.build(), examples, path, **options)


def _assert_equals_torch(architecture: Architecture, path: Path) -> None:
    """At batch sizes 2 and 1, neither of which the file need know."""
    graph = load_onnx(path)
    inputs = architecture.example(torch.Generator().manual_seed(1))
    for batch in (2, 1):
        samples = [x[:batch] for x in inputs]
        with torch.no_grad():
            expected = architecture.build()(*samples)
        tensors = [expected] if isinstance(expected, Tensor) else list(expected)
        given = {v.name: x.numpy() for v, x in zip(graph.inputs, samples, strict=True)}
        for ours, theirs in zip(run(graph, given), tensors, strict=True):
            scale = float(theirs.abs().max())
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("name", _DYNAMIC)
def test_exported_with_a_dynamic_batch(name: str, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    _export(_BY_NAME[name], path, batch=None, dynamo=True)
    _assert_equals_torch(_BY_NAME[name], path)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [v.name for v in load_onnx(path).inputs] == [i.name for i in session.get_inputs()]


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", ["vit_tiny", "bert"])
def test_exported_with_a_fixed_batch(name: str, batch: int, tmp_path: Path) -> None:
    """Attention folds heads into the batch and writes the sizes down."""
    path = tmp_path / "network.onnx"
    _export(_BY_NAME[name], path, batch=batch, dynamo=True)
    _assert_equals_torch(_BY_NAME[name], path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["shufflenet_v2_x0_5", "conv1d_net", "mobilenet_v3_small"])
def test_exported_by_tracing(name: str, tmp_path: Path) -> None:
    """The older exporter writes chains of Shape, Gather, Div, Mul, Concat."""
    path = tmp_path / "network.onnx"
    _export(_BY_NAME[name], path, batch=None, dynamo=False)
    _assert_equals_torch(_BY_NAME[name], path)


def test_layers_are_whole_and_weights_keep_their_names(tmp_path: Path) -> None:
    architecture = _BY_NAME["conv1d_net"]
    path = tmp_path / "network.onnx"
    _export(architecture, path, batch=None, dynamo=True)
    graph = load_onnx(path)
    found = set(kinds(graph))
    assert {"GroupNorm", "Prelu", "Conv", "Linear"} <= found
    assert not found & {"Reshape", "Mul", "Sub", "Expand"}
    state = architecture.build().state_dict()
    kept = [name for name in graph.constants if name in state]
    assert len(kept) >= len(graph.constants) // 2
    for name in kept:
        np.testing.assert_array_equal(graph.constants[name], state[name].numpy())
