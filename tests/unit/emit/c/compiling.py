"""How tests compile generated C."""

import shutil

import pytest

needs_compiler = pytest.mark.skipif(
    all(shutil.which(name) is None for name in ("cc", "gcc", "clang")),
    reason="needs a C compiler: apt-get install gcc libc6-dev",
)
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")
SANITIZED = ("-fsanitize=undefined", "-fno-sanitize-recover=all")
