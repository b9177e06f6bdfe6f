"""The extension module, with an explanation where it is missing."""

try:
    from intact import _native as native
except ImportError as error:  # a source tree that was never built
    raise ImportError(
        "intact's native engine is not built; install the package (pip install .),"
        ' or use executor="reference"'
    ) from error

__all__ = ["native"]
