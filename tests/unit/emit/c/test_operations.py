"""Every kind of operation as compiled C gives the reference's codes."""

import numpy as np
import pytest

from intact.exec import reference
from intact.verification import compiled_c
from tests.unit.emit.c.compiling import STRICT, needs_compiler
from tests.unit.emit.c.drawing import KINDS, program_of

pytestmark = needs_compiler


@pytest.mark.parametrize("kind", KINDS)
def test_operations_side_by_side(kind: str) -> None:
    rng = np.random.default_rng(list(KINDS).index(kind))
    program, codes = program_of([KINDS[kind](rng) for _ in range(12)])
    expected = reference.load(program)(codes)
    made = compiled_c.load(program, flags=STRICT)(codes)
    for name, values in expected.items():
        assert made[name].dtype == values.dtype
        np.testing.assert_array_equal(made[name], values, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_an_operation_alone(kind: str) -> None:
    """Its types are then the only ones that the code serves."""
    rng = np.random.default_rng(100 + list(KINDS).index(kind))
    program, codes = program_of([KINDS[kind](rng)])
    made = compiled_c.load(program, flags=STRICT)(codes)
    for name, values in reference.load(program)(codes).items():
        np.testing.assert_array_equal(made[name], values)
