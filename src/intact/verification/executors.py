"""The executors that are held against the reference: by their names, or your own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypeAlias

from intact.exec.cores import available_cores
from intact.exec.runner import Runner
from intact.ir.int_ops import Program
from intact.verification.boundaries import through_codes

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


def titled(executor: Executor) -> str:
    """An executor in words."""
    return f"{executor.name} ({executor.setting})" if executor.setting else executor.name


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


@dataclass(frozen=True, slots=True)
class CompiledC:
    """The exported C, compiled on the spot for this computer."""

    name: ClassVar[str] = "c"
    setting: ClassVar[str] = ""
    exact: ClassVar[bool] = True

    def load(self, program: Program) -> Runner:
        """The Program's C between codes."""
        from intact.verification import compiled_c

        return through_codes(program, compiled_c.load)


@dataclass(frozen=True, slots=True)
class LiteRt:
    """The exported TFLite file in LiteRT: by its reference kernels, or by default XNNPACK's."""

    exact: bool
    setting: ClassVar[str] = ""

    @property
    def name(self) -> str:
        """The reference kernels have the runtime's name."""
        return "litert" if self.exact else "litert-xnnpack"

    def load(self, program: Program) -> Runner:
        """The Program's file in LiteRT."""
        from intact.verification import litert

        return litert.load(program, reference_kernels=self.exact)


@dataclass(frozen=True, slots=True)
class Tflm:
    """The exported TFLite file in TensorFlow Lite Micro."""

    name: ClassVar[str] = "tflm"
    setting: ClassVar[str] = ""
    exact: ClassVar[bool] = True

    def load(self, program: Program) -> Runner:
        """The Program's file in TensorFlow Lite Micro."""
        from intact.verification import tflm

        return tflm.load(program)


ExecutorName: TypeAlias = Literal["native", "c", "litert", "litert-xnnpack", "tflm"]
NAMED: Mapping[str, Callable[[], tuple[Executor, ...]]] = {
    "native": _native,
    "c": lambda: (CompiledC(),),
    "litert": lambda: (LiteRt(exact=True),),
    "litert-xnnpack": lambda: (LiteRt(exact=False),),
    "tflm": lambda: (Tflm(),),
}
