"""Builds csrc/tests/replay.cc for 64-bit ARM and runs it in QEMU."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COMPILER = "aarch64-linux-gnu-g++"
EMULATOR = "qemu-aarch64"
LEVELS = ("none", "neon", "neondot")
# CMake and ninja may come from PyPI, beside Python.
PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


@dataclass(frozen=True)
class Build:
    """A folder and the options of CMake."""

    folder: Path
    options: tuple[str, ...]

    @property
    def program(self) -> Path:
        """csrc/tests/replay.cc, compiled."""
        return self.folder / "replay"


RELEASED = Build(ROOT / "build" / "aarch64", ("-DCMAKE_BUILD_TYPE=Release",))
# Compiles in half of the time.
TESTED = Build(
    ROOT / "build" / "aarch64-tests", ("-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O1")
)


def missing() -> str:
    """What to install, Debian's packages, before anything runs here; empty if nothing."""
    needed = {COMPILER: "g++-aarch64-linux-gnu", EMULATOR: "qemu-user", "cmake": "cmake"}
    packages = [name for tool, name in needed.items() if shutil.which(tool, path=PATH) is None]
    return f"needs {' '.join(packages)}: apt-get install them" if packages else ""


def build(build: Build) -> None:
    """Compiles the program where sources have changed; another process waits until it is done."""
    build.folder.mkdir(parents=True, exist_ok=True)
    with (build.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _compile(build)


def _compile(build: Build) -> None:
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=PATH) else []
    _run(
        "cmake", "-S", ROOT, "-B", build.folder, *generator, "-DCMAKE_SYSTEM_NAME=Linux",
        "-DCMAKE_SYSTEM_PROCESSOR=aarch64", f"-DCMAKE_CXX_COMPILER={COMPILER}",
        f"-DCMAKE_C_COMPILER={COMPILER.replace('g++', 'gcc')}", *build.options,
        "-DCMAKE_EXE_LINKER_FLAGS=-static", "-DINTACT_PYTHON=OFF", "-DINTACT_WERROR=ON",
    )  # fmt: skip
    _run("cmake", "--build", build.folder, "--target", "replay", "--parallel", "2")


@dataclass(frozen=True)
class Step:
    """An operation of a recorded network and the kernel that was chosen for it."""

    network: str
    name: str
    kernel: str


def replay(
    build: Build,
    recording: Path,
    max_isa: str,
    threads: Sequence[int] = (1,),
    cpu: str = "max",
    options: Iterable[str | Path] = (),
) -> tuple[list[Step], str]:
    """Runs a recording; the steps, and what was written to stderr.

    Raises:
        AssertionError: if an output differs from what was recorded.
    """
    done = subprocess.run(
        [EMULATOR, "-cpu", cpu, *options, build.program, recording, *map(str, threads)],
        env={**os.environ, "INTACT_MAX_ISA": max_isa},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [Step(*line.split("\t")) for line in done.stdout.splitlines()], done.stderr


def instructions(build: Build, recording: Path, level: str) -> list[int]:
    """How many instructions each recorded network takes on one thread.

    Raises:
        AssertionError: if an output differs from what was recorded.
    """
    plugin = build.folder / "count.so"
    _run("cc", "-shared", "-fPIC", "-O2", "-o", plugin, ROOT / "tests" / "aarch64" / "count.c")
    _, counts = replay(build, recording, level, options=("-plugin", plugin))
    marks = [int(line) for line in counts.split()]
    return [end - begin for begin, end in zip(marks[::2], marks[1::2], strict=True)]


def _run(*command: str | Path) -> None:
    done = subprocess.run(
        command, env={**os.environ, "PATH": PATH}, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stdout + done.stderr)
