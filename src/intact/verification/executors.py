"""The executors that are held against the reference: by their names, or your own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias

from intact.exec.cores import available_cores
from intact.exec.runner import Runner
from intact.ir.int_ops import Program

if TYPE_CHECKING:
    from intact.exec.native.library import native


class Executor(Protocol):
    """A way to run a Program, such as a device that is attached to this computer."""

    @property
    def name(self) -> str:
        """What runs it."""

    @property
    def setting(self) -> str:
        """How, where there are several ways; else empty."""

    @property
    def exact(self) -> bool:
        """Whether it promises the reference's integers wherever codes are computed from codes."""

    def load(self, program: Program) -> Runner:
        """A function from the Program's inputs to its outputs, by value name.

        Raises:
            UnsupportedOpError: if it cannot run an operation; names the layer.
            ImportError: if a Python package is missing; says what to install.
            FileNotFoundError: if a program is missing; says what to install.
        """


@dataclass(frozen=True, slots=True)
class Native:
    """The native engine, with kernels up to a level."""

    isa: "native.Isa"
    threads: int
    name: ClassVar[str] = "native"
    exact: ClassVar[bool] = True

    @property
    def setting(self) -> str:
        """Level and threads."""
        return f"{self.isa.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def load(self, program: Program) -> Runner:
        """The Program in the engine."""
        from intact.exec.native import load

        return load(program, self.threads, self.isa)


def _native() -> tuple[Executor, ...]:
    """Each level of this CPU, with one thread and with all cores."""
    from intact.exec.native import levels  # which an unbuilt source tree lacks

    threads = sorted({1, available_cores()})
    return tuple(Native(isa, count) for isa in levels() for count in threads)


ExecutorName: TypeAlias = Literal["native"]
NAMED: Mapping[str, Callable[[], tuple[Executor, ...]]] = {"native": _native}
