"""Operators that move codes move them as TFLite's reference kernels do."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.unit.capture.tflite.building import TYPES, File
from tests.unit.capture.tflite.litert import assert_equal, random_codes


def one(
    code: str, shape: tuple[int, ...], out: tuple[int, ...], options: str | None = None,
    indices: list[object] | None = None, **fields: object,
) -> File:  # fmt: skip
    """A file of one operator whose other inputs are lists of integers."""
    file = File()
    x = file.input(shape, zero_point=7)
    inputs = [x, *(file.indices(numbers) for numbers in indices or [])]
    file.operator(code, inputs, [file.output(out, zero_point=7)], options, **fields)
    return file


def split(sizes: list[int] | None) -> File:
    file = File()
    x = file.input((1, 6, 4))
    parts = [file.output((1, n, 4)) for n in sizes or (2, 2, 2)]
    if sizes is None:
        file.operator("SPLIT", [file.indices(1), x], parts, "SplitOptions", NumSplits=3)
    else:
        inputs = [x, file.indices(sizes), file.indices(1)]
        file.operator("SPLIT_V", inputs, parts, "SplitVOptions", NumSplits=len(sizes))
    return file


def unpacked() -> File:
    file = File()
    x = file.input((1, 3, 4))
    parts = [file.output((1, 4)) for _ in range(3)]
    file.operator("UNPACK", [x], parts, "UnpackOptions", Num=3, Axis=1)
    return file


def joined(code: str, kind: str = "int8") -> File:
    file = File()
    inputs = [file.input((1, 3, 4), kind, zero_point=2) for _ in range(2)]
    constant = np.arange(12, dtype=kind).reshape(1, 3, 4)
    inputs.append(file.tensor((1, 3, 4), kind, zero_point=2, data=constant))
    if code == "PACK":
        y = file.output((1, 3, 3, 4), kind, zero_point=2)
        file.operator(code, inputs, [y], "PackOptions", ValuesCount=3, Axis=1)
    else:
        y = file.output((1, 3, 12), kind, zero_point=2)
        file.operator(code, inputs, [y], "ConcatenationOptions", Axis=-1)
    return file


def rescaled_concatenation() -> File:
    file = File()
    a = file.input((1, 64), "uint8", 0.05, 130)
    b = file.input((1, 64), "uint8", 0.043, 90)
    y = file.output((1, 128), "uint8", 0.05, 130)
    file.operator("CONCATENATION", [a, b], [y], "ConcatenationOptions", Axis=1)
    return file


def padded_with_code() -> File:
    file = File()
    x = file.input((1, 3, 4, 2))
    pads = file.indices([[0, 0], [1, 2], [0, 1], [0, 0]])
    code = file.tensor((1,), data=np.array([-9]))
    file.operator("PADV2", [x, pads, code], [file.output((1, 6, 5, 2))], "PadV2Options")
    return file


PADS = [[[0, 0], [2, 1], [1, 1], [0, 0]]]
STRIDED = {"BeginMask": 1, "EndMask": 1}
FILES: dict[str, Callable[[], File]] = {
    "reshape": lambda: one("RESHAPE", (1, 4, 6), (1, 3, 8), "ReshapeOptions", [[1, 3, 8]]),
    "reshape_attribute": lambda: one(
        "RESHAPE", (1, 4, 6), (1, 24), "ReshapeOptions", NewShape=[1, -1]
    ),
    "squeeze": lambda: one("SQUEEZE", (1, 1, 6), (1, 6), "SqueezeOptions", SqueezeDims=[1]),
    "expand_dims": lambda: one(
        "EXPAND_DIMS", (1, 4, 6), (1, 4, 1, 6), "ExpandDimsOptions", [[2]]
    ),
    "transpose": lambda: one(
        "TRANSPOSE", (1, 2, 3, 4), (1, 4, 2, 3), "TransposeOptions", [[0, 3, 1, 2]]
    ),
    "broadcast_to": lambda: one(
        "BROADCAST_TO", (1, 1, 6), (1, 4, 6), "BroadcastToOptions", [[1, 4, 6]]
    ),
    "depth_to_space": lambda: one(
        "DEPTH_TO_SPACE", (1, 2, 3, 8), (1, 4, 6, 2), "DepthToSpaceOptions", BlockSize=2
    ),
    "space_to_depth": lambda: one(
        "SPACE_TO_DEPTH", (1, 4, 6, 2), (1, 2, 3, 8), "SpaceToDepthOptions", BlockSize=2
    ),
    "largest": lambda: one(
        "REDUCE_MAX", (1, 3, 4, 5), (1, 5), "ReducerOptions", [[1, 2]], KeepDims=False
    ),
    "largest_pixel": lambda: one(
        "REDUCE_MAX", (1, 3, 4, 5), (1, 1, 1, 5), "ReducerOptions", [[-2, -3]], KeepDims=True
    ),
    "pad": lambda: one("PAD", (1, 3, 4, 2), (1, 6, 6, 2), "PadOptions", PADS),
    "padv2": padded_with_code,
    "reflect": lambda: one(
        "MIRROR_PAD", (1, 3, 4, 2), (1, 6, 6, 2), "MirrorPadOptions", PADS, Mode=0
    ),
    "symmetric": lambda: one(
        "MIRROR_PAD", (1, 3, 4), (1, 5, 5), "MirrorPadOptions", [[[0, 0], [1, 1], [0, 1]]], Mode=1
    ),
    "concatenation": lambda: joined("CONCATENATION"),
    "concatenation16": lambda: joined("CONCATENATION", "uint8"),
    "concatenation_of_scales": rescaled_concatenation,
    "pack": lambda: joined("PACK"),
    "split": lambda: split(None),
    "split_v": lambda: split([1, 3, 2]),
    "unpack": unpacked,
    "slice": lambda: one(
        "SLICE", (1, 5, 6, 2), (1, 2, 4, 2), "SliceOptions", [[0, 1, 2, 0], [1, 2, -1, 2]]
    ),
    "strided_slice": lambda: one(
        "STRIDED_SLICE", (1, 7, 6), (1, 3, 4), "StridedSliceOptions",
        [[0, 1, -5], [0, 7, -1], [1, 2, 1]], **STRIDED,
    ),
    "strided_slice_of_one": lambda: one(
        "STRIDED_SLICE", (1, 7, 6), (1, 6), "StridedSliceOptions",
        [[0, -1, 0], [0, 0, 6], [1, 1, 1]], ShrinkAxisMask=2, **STRIDED,
    ),
    "gather": lambda: one(
        "GATHER", (1, 5, 3), (1, 4, 3), "GatherOptions", [[3, 4, 0, 0]], Axis=1
    ),
    "gather_one": lambda: one("GATHER", (1, 5, 3), (1, 3), "GatherOptions", [2], Axis=1),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_codes_move_as_in_tflite(name: str) -> None:
    assert_equal(FILES[name](), np.random.default_rng(0))


def test_a_reshape_may_compute_its_shape() -> None:
    """SHAPE, STRIDED_SLICE and PACK, as converters write a flatten for any batch size."""
    file = File()
    x = file.input((1, 4, 6))
    shape = file.tensor((3,), "int32", None)
    file.operator("SHAPE", [x], [shape], "ShapeOptions", OutType=TYPES["int32"])
    batch = file.tensor((), "int32", None)
    file.operator(
        "STRIDED_SLICE", [shape, *(file.indices(n) for n in ([0], [1], [1]))], [batch],
        "StridedSliceOptions", ShrinkAxisMask=1,
    )  # fmt: skip
    target = file.tensor((2,), "int32", None)
    features = file.indices(24)
    file.operator("PACK", [batch, features], [target], "PackOptions", ValuesCount=2)
    file.operator("RESHAPE", [x, target], [file.output((1, 24))], "ReshapeOptions")
    assert_equal(file, np.random.default_rng(0))


def test_a_batch_may_be_folded_into_another_axis_and_back() -> None:
    rng, file = np.random.default_rng(0), File()
    x = file.input((1, 4, 6))
    rows, image = file.tensor((4, 6)), file.tensor((4, 1, 1, 6))
    file.operator("RESHAPE", [x, file.indices([4, 6])], [rows], "ReshapeOptions")
    file.operator("RESHAPE", [rows, file.indices([-1, 1, 1, 6])], [image], "ReshapeOptions")
    weight = file.tensor((3, 1, 1, 6), scale=0.02, data=random_codes(rng, (3, 1, 1, 6), "int8"))
    bias = file.tensor((3,), "int32", 0.001, data=np.array([100, -50, 0]))
    sums, y = file.tensor((4, 1, 1, 3), scale=0.2), file.output((1, 12), scale=0.2)
    file.operator(
        "CONV_2D", [image, weight, bias], [sums], "Conv2DOptions", StrideW=1, StrideH=1,
        DilationWFactor=1, DilationHFactor=1,
    )  # fmt: skip
    file.operator("RESHAPE", [sums, file.indices([1, 12])], [y], "ReshapeOptions")
    assert_equal(file, rng)
