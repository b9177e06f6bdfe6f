"""The native CPU engine: a Program on the C++ kernels, with the reference's integers."""

from intact.exec.native.engine import Memory, NativeEngine, StepTime, load
from intact.exec.native.library import levels

__all__ = ["Memory", "NativeEngine", "StepTime", "levels", "load"]
