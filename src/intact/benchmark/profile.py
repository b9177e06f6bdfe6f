"""Where the native engine spends its time, operation by operation."""

from typing import TYPE_CHECKING

from intact.api.engine import compile as compile_engine
from intact.benchmark.peers import Batch
from intact.ir.int_ops import Program

if TYPE_CHECKING:
    from intact.exec.native.engine import StepTime

_REPEATS = 10


def profile(program: Program, batch: Batch, threads: int) -> "tuple[StepTime, ...]":
    """The fastest time of each operation over a few calls, in order of execution.

    Raises:
        UnsupportedOpError: if an operation has no native form.
        ImportError: if the native engine is not built.
    """
    with compile_engine(program, executor="native", threads=threads) as engine:
        runs = [engine.profile(*batch) for _ in range(_REPEATS)]
    return tuple(min(steps, key=lambda step: step.seconds) for steps in zip(*runs, strict=True))
