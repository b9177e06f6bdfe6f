"""How far the integers of other executors lie from the reference's."""

from intact.verification.agreement import Agreement, Comparer
from intact.verification.equality import Equality
from intact.verification.executors import NAMED, Executor, ExecutorName, titled
from intact.verification.onnxruntime import (
    CodeDifference,
    Comparison,
    OutputDifference,
    compare_onnxruntime,
    onnxruntime_comparer,
)

__all__ = [
    "NAMED",
    "Agreement",
    "CodeDifference",
    "Comparer",
    "Comparison",
    "Equality",
    "Executor",
    "ExecutorName",
    "OutputDifference",
    "compare_onnxruntime",
    "onnxruntime_comparer",
    "titled",
]
