"""TFLite files: this package alone writes with the `tflite` schema package."""

try:
    from intact.emit.tflite.clamps import bounded_by_channel
    from intact.emit.tflite.export import codes_to_bytes, save, to_bytes
except ModuleNotFoundError as error:
    if error.name not in ("tflite", "flatbuffers"):
        raise
    raise ImportError(
        "writing a TFLite file needs its schema: pip install 'intact[tflite]'"
    ) from error

__all__ = ["bounded_by_channel", "codes_to_bytes", "save", "to_bytes"]
