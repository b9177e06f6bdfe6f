"""TFLite files: this package alone writes with the `tflite` schema package."""

from intact.emit.tflite.export import codes_to_bytes, save, to_bytes

__all__ = ["codes_to_bytes", "save", "to_bytes"]
