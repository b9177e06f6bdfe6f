"""Loads a Program into the native engine and runs it."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from intact.exec.native.library import levels, native
from intact.exec.native.translate import translate
from intact.exec.runner import check_inputs
from intact.ir.graph import with_batch
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array

_PLANS = 4  # batch sizes that keep their arena
_MOST_THREADS = 1024  # each has scratch memory of its own


@dataclass(frozen=True, slots=True)
class StepTime:
    """One step of a profile."""

    name: str
    op: str
    kernel: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that an engine holds: constants as given, weights packed for kernels, the arenas."""

    constants: int
    packed: int
    arenas: int


@dataclass(frozen=True, slots=True)
class _Prepared:
    """How a batch runs: in parts that are as large as the plan."""

    plan: native.Plan
    parts: int


class NativeEngine:
    """A Program on native kernels: from named arrays to named arrays.

    The first call with a new batch size plans its memory; later ones allocate only the outputs.
    Calls from several threads wait for each other. A thread that calls releases the GIL.
    """

    def __init__(self, program: Program, threads: int, isa: native.Isa) -> None:
        self._translated = translate(program, isa)
        self._engine = native.Engine(self._translated.network, threads)
        self._plans: OrderedDict[int, _Prepared] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs by name.

        Raises:
            ValueError: if the inputs are not those of the Program.
            IndexError: if an index is not that of an embedding's row.
            RuntimeError: if the engine is closed.
        """
        prepared, arrays, outputs = self._prepare(inputs)
        self._engine.run(prepared.plan, prepared.parts, arrays, list(outputs.values()))
        return outputs

    def profile(self, inputs: Mapping[str, Array]) -> list[StepTime]:
        """The time of each step of one call, in order."""
        prepared, arrays, outputs = self._prepare(inputs)
        seconds = self._engine.profile(
            prepared.plan, prepared.parts, arrays, list(outputs.values())
        )
        ops = self._translated.ops
        return [
            StepTime(name, ops[name], kernel, spent)
            for (name, kernel), spent in zip(
                self._translated.network.kernels(), seconds, strict=True
            )
        ]

    @property
    def memory(self) -> Memory:
        """What the engine holds now."""
        with self._lock:
            arenas = sum(prepared.plan.arena_bytes for prepared in self._plans.values())
        network = self._translated.network
        return Memory(network.constant_bytes, network.packed_bytes, arenas)

    def close(self) -> None:
        """Waits for running calls and frees the arenas; later calls raise."""
        self._engine.close()
        with self._lock:
            self._plans.clear()

    def _prepare(
        self, inputs: Mapping[str, Array]
    ) -> tuple[_Prepared, list[Array], dict[str, Array]]:
        program = self._translated.program
        batch = check_inputs(program, inputs)
        arrays = [np.ascontiguousarray(inputs[value.name]) for value in program.inputs]
        outputs = {
            value.name: np.empty(with_batch(value.shape, batch), value.dtype.storage)
            for value in program.outputs
        }
        return self._plan(batch), arrays, outputs

    def _plan(self, batch: int) -> _Prepared:
        with self._lock:
            found = self._plans.get(batch)
            if found is None:
                samples = self._translated.samples_at_once(batch)
                plan = self._translated.plan(samples, self._engine.threads)
                found = _Prepared(plan, batch // samples if samples else 1)
                self._plans[batch] = found
                if len(self._plans) > _PLANS:
                    self._plans.popitem(last=False)
            self._plans.move_to_end(batch)
            return found


def load(program: Program, threads: int = 1, max_isa: native.Isa | None = None) -> NativeEngine:
    """An engine that runs the Program with the reference's integers.

    Args:
        program: What `lower` made.
        threads: 1 to 1024.
        max_isa: Use kernels up to this level, one of `levels()`; the best one by default.

    Raises:
        ValueError: if there cannot be so many threads, or this CPU lacks the level.
        UnsupportedOpError: if an operation or a value has no native form.
    """
    if threads not in range(1, _MOST_THREADS + 1):
        raise ValueError(f"an engine takes 1 to {_MOST_THREADS} threads, not {threads}")
    isa = native.best_isa() if max_isa is None else max_isa
    if isa not in levels():
        raise ValueError(
            f"this CPU has no {isa.name}, or INTACT_MAX_ISA forbids it; it has"
            f" {', '.join(level.name for level in levels())}"
        )
    return NativeEngine(program, threads, isa)
