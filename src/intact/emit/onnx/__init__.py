"""ONNX export: the Program in QDQ form."""

from intact.emit.onnx.export import save, to_onnx

__all__ = ["save", "to_onnx"]
