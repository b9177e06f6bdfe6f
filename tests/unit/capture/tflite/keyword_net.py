"""A network like MLPerf Tiny's for keyword spotting, with random weights."""

import numpy as np

from tests.unit.capture.tflite.building import File
from tests.unit.capture.tflite.litert import random_codes

CHANNELS = 64
ONE = {"StrideW": 1, "StrideH": 1, "DilationWFactor": 1, "DilationHFactor": 1}


def _layer(
    file: File,
    rng: np.random.Generator,
    code: str,
    x: int,
    weight: tuple[int, ...],
    axis: int,
    **fields: int,
) -> int:
    scale = rng.uniform(0.01, 0.02, CHANNELS)
    w = file.tensor(weight, scale=scale.tolist(), axis=axis, data=random_codes(rng, weight, "int8"))
    codes = rng.integers(-500, 500, CHANNELS)
    b = file.tensor((CHANNELS,), "int32", (scale * 0.1).tolist(), data=codes)
    y = file.tensor((1, 25, 5, CHANNELS), scale=0.1, zero_point=-128)
    options = "Conv2DOptions" if code == "CONV_2D" else "DepthwiseConv2DOptions"
    file.operator(code, [x, w, b], [y], options, FusedActivationFunction=1, **{**ONE, **fields})
    return y


def keyword_net() -> File:
    """Of about 50,000 bytes."""
    rng, file = np.random.default_rng(0), File()
    x = file.input((1, 49, 10, 1), scale=0.58, zero_point=83)
    x = _layer(file, rng, "CONV_2D", x, (CHANNELS, 10, 4, 1), 0, StrideW=2, StrideH=2)
    for _ in range(4):
        depth = (1, 3, 3, CHANNELS)
        x = _layer(file, rng, "DEPTHWISE_CONV_2D", x, depth, 3, DepthMultiplier=1)
        x = _layer(file, rng, "CONV_2D", x, (CHANNELS, 1, 1, CHANNELS), 0)
    pooled = file.tensor((1, 1, 1, CHANNELS), scale=0.1, zero_point=-128)
    file.operator(
        "AVERAGE_POOL_2D", [x], [pooled], "Pool2DOptions", Padding=1, StrideW=5, StrideH=25,
        FilterWidth=5, FilterHeight=25,
    )  # fmt: skip
    flat = file.tensor((1, CHANNELS), scale=0.1, zero_point=-128)
    file.operator("RESHAPE", [pooled, file.indices([-1, CHANNELS])], [flat], "ReshapeOptions")
    w = file.tensor((12, CHANNELS), scale=0.02, data=random_codes(rng, (12, CHANNELS), "int8"))
    b = file.tensor((12,), "int32", 0.002, data=rng.integers(-500, 500, 12))
    scores = file.tensor((1, 12), scale=0.2)
    file.operator("FULLY_CONNECTED", [flat, w, b], [scores], "FullyConnectedOptions")
    y = file.output((1, 12), scale=1 / 256, zero_point=-128)
    file.operator("SOFTMAX", [scores], [y], "SoftmaxOptions", Beta=1.0)
    return file
