"""The extension module, with an explanation where it is missing."""

try:
    from intact import _native as native
except ImportError as error:  # a source tree that was never built, or a library it needs
    raise ImportError(
        f"intact's native engine cannot be loaded ({error}): build it with pip install ., or use"
        ' executor="reference"'
    ) from error

__all__ = ["native"]
