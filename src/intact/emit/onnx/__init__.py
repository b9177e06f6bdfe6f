"""ONNX export: the Program in QDQ form."""

from intact.emit.onnx.export import save, to_onnx
from intact.emit.onnx.unsigned import to_unsigned

__all__ = ["save", "to_onnx", "to_unsigned"]
