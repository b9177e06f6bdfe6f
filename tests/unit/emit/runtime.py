"""Runs an ONNX model in ONNX Runtime, operator by operator, after ONNX's own full check."""

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto

from intact.ir.graph import Value, with_batch
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.numerics.formats import Float

BATCH = 3


def run(model: ModelProto, inputs: Mapping[str, Array]) -> dict[str, Array]:
    onnx.checker.check_model(model, full_check=True)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def drawn(program: Program, batch: int = BATCH, seed: int = 0) -> dict[str, Array]:
    """Normal real numbers, and indices below 11."""
    rng = np.random.default_rng(seed)
    return {value.name: _drawn(value, batch, rng) for value in program.inputs}


def _drawn(value: Value, batch: int, rng: np.random.Generator) -> Array:
    shape = with_batch(value.shape, batch)
    if isinstance(value.dtype, Float):
        return rng.normal(0.1, 1.5, shape).astype(value.dtype.storage)
    return rng.integers(0, 11, shape).astype(value.dtype.storage)
