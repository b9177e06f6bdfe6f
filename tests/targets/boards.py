"""Cross compilers and emulated boards: what it takes to run a C program on a microcontroller."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PORTABLE = HERE.parent.parent / "csrc" / "portable"
BOARDS = HERE / "boards"
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SECONDS = 300  # what takes longer hangs


@dataclass(frozen=True, slots=True)
class Board:
    """A processor, its compiler and qemu's machine that has it."""

    name: str
    processor: str
    prefix: str  # of the compiler's tools
    flags: tuple[str, ...]
    sources: tuple[str, ...]
    script: str  # of the linker
    emulator: tuple[str, ...]
    packages: tuple[str, ...]  # of Debian

    def missing(self) -> str | None:
        """What to install before the board can run, or None."""
        tools = (f"{self.prefix}gcc", self.emulator[0])
        absent = [tool for tool in tools if shutil.which(tool) is None]
        if not absent:
            return None
        return f"no {' and no '.join(absent)}: apt-get install {' '.join(self.packages)}"

    def compile(self, program: Path, sources: Sequence[Path], *flags: str) -> Path:
        """Links the sources with the board's start; sections that nothing uses are dropped."""
        own = [str(BOARDS / name) for name in (*self.sources, "stack.c")]
        command = [
            f"{self.prefix}gcc", *self.flags, "-std=gnu99", *WARNINGS, "-ffunction-sections",
            "-fdata-sections", "-Wl,--gc-sections", "-nostartfiles", f"-I{PORTABLE}",
            f"-I{BOARDS}", f"-L{BOARDS}", f"-T{BOARDS / self.script}", *flags,
            *map(str, sources), *own, "-o", str(program),
        ]  # fmt: skip
        _run(command)
        return program

    def run(self, program: Path) -> str:
        """What the program writes.

        Raises:
            RuntimeError: if it fails or takes minutes.
        """
        return _run([*self.emulator, "-icount", "shift=0", "-kernel", str(program)])

    def tool(self, name: str, *arguments: str) -> str:
        """Output of a binutils tool, such as `nm`."""
        return _run([self.prefix + name, *arguments])


def run_on_host(program: Path, sources: Sequence[Path], *flags: str) -> str:
    """Compiles for this machine with sanitizers, runs, and returns what the program writes."""
    _run(
        [
            "cc", "-std=c99", "-pedantic", *WARNINGS, "-g", "-O1", "-DHOST",
            "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{PORTABLE}",
            *flags, *map(str, sources), "-o", str(program),
        ]
    )  # fmt: skip
    return _run([str(program)])


def _run(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"{command[0]} was stopped after {SECONDS} seconds") from error
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


_ARM_PACKAGES = ("gcc-arm-none-eabi", "libnewlib-arm-none-eabi", "qemu-system-arm")
_QUIET = ("-nographic", "-monitor", "none", "-serial")
_SEMIHOSTING = (
    "none", "-chardev", "stdio,id=out",
    "-semihosting-config", "enable=on,target=native,chardev=out",
)  # fmt: skip


def _cortex(
    processor: str, machine: str, script: str, megahertz: int, floats: str = "soft"
) -> Board:
    flags = (
        f"-mcpu={processor}", "-mthumb", f"-mfloat-abi={floats}", f"-DBOARD_MHZ={megahertz}",
    )  # fmt: skip
    emulator = ("qemu-system-arm", "-M", machine, *_QUIET, *_SEMIHOSTING)
    return Board(
        machine, processor, "arm-none-eabi-", flags, ("arm.c",), script, emulator, _ARM_PACKAGES
    )


CORTEX_M4 = _cortex("cortex-m4", "mps2-an386", "mps2.ld", 25)
CORTEX_M7 = _cortex("cortex-m7", "mps2-an500", "mps2.ld", 25)
CORTEX_M55 = _cortex("cortex-m55", "mps3-an547", "mps3.ld", 32, "hard")
RISCV32 = Board(
    "virt",
    "rv32imac",
    "riscv64-unknown-elf-",
    ("-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs"),
    ("riscv.c",),
    "virt.ld",
    ("qemu-system-riscv32", "-M", "virt", "-bios", "none", *_QUIET, "stdio"),
    ("gcc-riscv64-unknown-elf", "picolibc-riscv64-unknown-elf", "qemu-system-misc"),
)
ALL = (CORTEX_M4, CORTEX_M7, CORTEX_M55, RISCV32)
