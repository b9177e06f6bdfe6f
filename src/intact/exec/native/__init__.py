"""The native CPU engine: a Program on the C++ kernels, with the reference's integers."""

from intact.exec.native.engine import Memory, NativeEngine, StepTime, load

__all__ = ["Memory", "NativeEngine", "StepTime", "load"]
