"""The inputs and outputs of the function that runs a model."""

from dataclasses import dataclass

from intact.emit.c.site import volume
from intact.emit.c.storage import Storage
from intact.ir.graph import Value
from intact.ir.int_ops import Program


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as a parameter, and its place in the arena."""

    value: Value
    parameter: str
    is_input: bool
    place: str
    model: str

    @property
    def function(self) -> str:
        """The function that tells its place."""
        prefix, kind = ("in", "input") if self.is_input else ("out", "output")
        return f"{self.model}_{kind}{self.parameter.removeprefix(prefix)}"

    @property
    def type(self) -> str:
        """C's type of a code."""
        return f"{self.value.dtype.storage.name}_t"

    @property
    def signature(self) -> str:
        """The head of that function."""
        return f"{self.type}* {self.function}(void)"

    @property
    def declaration(self) -> str:
        """The parameter."""
        return f"{'const ' if self.is_input else ''}{self.type}* {self.parameter}"

    @property
    def copy(self) -> str:
        """What is done where the caller has a buffer of his own."""
        to, source = self.function + "()", self.parameter
        if not self.is_input:
            to, source = source, to
        size = volume(self.value.shape) * self.value.dtype.storage.itemsize
        return f"if ({to} != {source}) memcpy({to}, {source}, {size});"


def ports(program: Program, storage: Storage, model: str) -> tuple[Port, ...]:
    """The inputs, then the outputs."""
    return tuple(
        Port(value, parameter, is_input, storage.places[value.name], model)
        for values, parameters, is_input in (
            (program.inputs, storage.inputs, True),
            (program.outputs, storage.outputs, False),
        )
        for value, parameter in zip(values, parameters, strict=True)
    )
