"""How tests compile generated C."""

import shutil

import pytest


def has_compiler() -> bool:
    """Whether there is a C compiler for this machine."""
    return any(shutil.which(name) for name in ("cc", "gcc", "clang"))


needs_compiler = pytest.mark.skipif(
    not has_compiler(), reason="needs a C compiler: apt-get install gcc libc6-dev"
)
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")
SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
