"""The parts of TFLite's schema that exported files use, over the package `tflite`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import tflite
from flatbuffers import Builder
from tflite import ActivationFunctionType, BuiltinOperator, Padding, TensorType

from intact.numerics.arrays import F32, IntArray

__all__ = [
    "ActivationFunctionType",
    "BuiltinOperator",
    "Options",
    "Padding",
    "Quantization",
    "TensorType",
]


@dataclass(frozen=True, slots=True)
class Options:
    """A table of the schema's union BuiltinOptions: its name, and its fields by their names."""

    kind: str
    fields: Mapping[str, int | float | bool] = field(default_factory=dict)

    def with_activation(self, function: int) -> "Options":
        """The same with a fused activation function."""
        return Options(self.kind, {**self.fields, "FusedActivationFunction": function})

    @property
    def union_type(self) -> int:
        """The table's number in the union."""
        return int(getattr(tflite.BuiltinOptions, self.kind))

    def write(self, builder: Builder) -> int:
        """Appends the table; returns its offset."""
        getattr(tflite, f"{self.kind}Start")(builder)
        for name, value in self.fields.items():
            getattr(tflite, f"{self.kind}Add{name}")(builder, value)
        return int(getattr(tflite, f"{self.kind}End")(builder))


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (code - zero_point): one pair, or one for each entry of `axis`."""

    scale: F32  # (1,) or (channels,)
    zero_point: IntArray  # the same shape
    axis: int = 0
