"""The extension module, with an explanation where it is missing."""

try:
    from intact import _native as native
except ImportError as error:  # a source tree that was never built, or a library it needs
    raise ImportError(
        f"intact's native engine cannot be loaded ({error}): build it with pip install ., or use"
        ' executor="reference"'
    ) from error


def levels() -> tuple[native.Isa, ...]:
    """The levels of kernels that this CPU has, best last; none is the portable one."""
    best = native.best_isa()
    return tuple(isa for isa in native.Isa if isa.value <= best.value)


__all__ = ["levels", "native"]
