"""How far the integers of other executors lie from the reference's."""

from intact.verification.equality import Equality, added, native_comparer
from intact.verification.onnxruntime import (
    CodeDifference,
    Comparison,
    OutputDifference,
    compare_onnxruntime,
    onnxruntime_comparer,
)

__all__ = [
    "CodeDifference",
    "Comparison",
    "Equality",
    "OutputDifference",
    "added",
    "compare_onnxruntime",
    "native_comparer",
    "onnxruntime_comparer",
]
