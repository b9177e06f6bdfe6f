"""Runs an executor beside the reference: which outputs agree, and where they part."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from intact.errors import UnsupportedOpError, VerifyError
from intact.exec.reference import trace
from intact.ir.boundary import between
from intact.ir.graph import Value, elements, with_batch
from intact.ir.int_ops import Program
from intact.numerics.arrays import Array
from intact.verification.equality import (
    Equality,
    added,
    equal_elements,
    equality,
    exact_values,
)
from intact.verification.executors import Executor, titled

_MOST_KEPT = 64 << 20  # bytes of intermediate values that are looked at together


@dataclass(frozen=True, slots=True)
class Agreement:
    """The outputs of an executor, in the Program's order, against the reference's."""

    executor: str
    setting: str
    title: str  # both, in words
    outputs: tuple[Equality, ...]

    @property
    def met(self) -> bool:
        """Whether all that is promised is equal."""
        return all(output.met for output in self.outputs)

    def __str__(self) -> str:
        """A line for each output."""
        return "\n".join(f'{self.title}, "{output.name}": {output}' for output in self.outputs)


class Comparer:
    """Holds an executor against the reference, batch by batch.

    Raises:
        UnsupportedOpError: if the executor cannot run an operation.
        ImportError, FileNotFoundError: if something is not installed.
    """

    def __init__(self, executor: Executor, program: Program) -> None:
        self._executor = executor
        self._program = program
        self._run = executor.load(program)
        self._integer = exact_values(program)
        promised = self._integer if executor.exact else set()
        self._outputs = [Equality(v.name, v.name in promised, 0, 0, 0) for v in program.outputs]
        self._parted: dict[str, Mapping[str, Array]] = {}  # a sample of each output that differs

    def rehearse(self) -> None:
        """Runs zeros: some runtimes refuse a network when it runs, and not before.

        Raises:
            VerifyError: if this one does.
            ImportError: if it finds out now that it is not installed.
        """
        inputs = self._program.inputs
        self._run({v.name: np.zeros(with_batch(v.shape, 1), v.dtype.storage) for v in inputs})

    def add(self, inputs: Mapping[str, Array], expected: Mapping[str, Array]) -> None:
        """Compares the outputs of a batch with the reference's.

        Raises:
            VerifyError: if the executor does not give them all, or in other shapes.
        """
        made = self._run(inputs)
        for number, value in enumerate(self._program.outputs):
            name, before = value.name, self._outputs[number]
            shape = made[name].shape if name in made else None
            if shape != expected[name].shape:
                raise VerifyError(
                    f'{titled(self._executor)} gives "{name}" of shape {shape}, not'
                    f" {expected[name].shape}"
                )
            found = equality(name, before.exact, made[name], expected[name])
            self._outputs[number] = added(before, found)
            # In float every layer may round otherwise: the first one would say nothing.
            part = found.same < found.elements and name in self._integer
            if part and name not in self._parted:
                same = equal_elements(made[name], expected[name])
                self._parted[name] = _first_sample(self._program, value, inputs, same)

    def agreement(self, names: Sequence[str]) -> Agreement:
        """What all batches have shown, with the outputs under these names."""
        outputs = tuple(
            replace(
                found,
                name=name,
                first_layer=_first_layer(self._executor, self._program, found.name, sample)
                if (sample := self._parted.get(found.name))
                else None,
            )
            for name, found in zip(names, self._outputs, strict=True)
        )
        executor = self._executor
        return Agreement(executor.name, executor.setting, titled(executor), outputs)


def _first_sample(
    program: Program, output: Value, inputs: Mapping[str, Array], same: Array
) -> Mapping[str, Array]:
    """The inputs of the first sample that differs; the whole batch, if it has no samples."""
    if any(value.shape[:1] != (-1,) for value in (*program.inputs, output)):
        return inputs
    first = int(np.argmin(same.reshape(len(same), -1).all(axis=1)))
    return {name: array[first : first + 1] for name, array in inputs.items()}


def _first_layer(
    executor: Executor, program: Program, output: str, inputs: Mapping[str, Array]
) -> str | None:
    """The first value on the way to an output that the executor computes otherwise.

    None if the executor cannot give back the values on the way, or then computes them right.
    """
    target = next(value for value in program.outputs if value.name == output)
    expected = trace(program)(inputs)
    for values in _together(between(program, program.inputs, [target])):
        try:
            made = executor.load(between(program, program.inputs, values))(inputs)
        except (UnsupportedOpError, VerifyError):
            return None
        for value in values:
            if not equal_elements(made[value.name], expected[value.name]).all():
                return value.name
    return None


def _together(program: Program) -> Iterator[tuple[Value, ...]]:
    """The values that depend on an input, in execution order, as many as may be kept at a time."""
    depend = {value.name for value in program.inputs}
    group: list[Value] = []
    kept = 0
    for node in program.nodes:
        if depend.isdisjoint(value.name for value in node.inputs):
            continue
        depend.add(node.name)
        size = elements(node.output.shape) * node.output.dtype.storage.itemsize
        if group and kept + size > _MOST_KEPT:
            yield tuple(group)
            group, kept = [], 0
        group.append(node.output)
        kept += size
    if group:
        yield tuple(group)
