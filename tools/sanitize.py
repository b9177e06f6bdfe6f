"""Runs Python with a native engine built with AddressSanitizer and UndefinedBehaviorSanitizer.

    python tools/sanitize.py [ARGUMENTS OF python]

By default the arguments are those of pytest over the native engine's tests. Any read or write
outside of an allocation, and any undefined behaviour, ends the process with a report on stderr.
The build is kept in build/sanitized/; it needs GCC, CMake, Ninja and nanobind.
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "sanitized"
SANITIZERS = "address,undefined,float-cast-overflow"
TESTS = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/exec/native")
# Every process that starts with it loads the sanitized module, wherever intact is installed.
SITE = '''"""Puts the sanitized native engine in the place of the installed one."""

import importlib.machinery
import importlib.util
import sys


class Finder:
    """Finds intact._native."""

    def find_spec(self, name, path=None, target=None):
        if name != "intact._native":
            return None
        loader = importlib.machinery.ExtensionFileLoader(name, {library!r})
        return importlib.util.spec_from_loader(name, loader)


sys.meta_path.insert(0, Finder())
'''


def build() -> Path:
    """Compiles what has changed; the folder to put in PYTHONPATH."""
    configure = [
        "cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja",
        f"-DINTACT_SANITIZE={SANITIZERS}", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1", f"-DPython_EXECUTABLE={sys.executable}",
    ]  # fmt: skip
    for command in (configure, ["cmake", "--build", BUILD]):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=tools())
        if done.returncode:
            sys.exit(f"{done.stdout}\n{done.stderr}")
    library = BUILD / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    if not library.exists():
        library = BUILD / "_native.abi3.so"
    site = BUILD / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(SITE.format(library=str(library)))
    return site


def tools() -> dict[str, str]:
    """The environment, in which CMake and Ninja may have been installed beside Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}


def environment(site: Path) -> dict[str, str]:
    """What the sanitizers need: their library comes first, and Python's own leaks are no news."""
    compiler = os.environ.get("CXX", "c++")
    names = ("libasan.so", "libstdc++.so")  # the latter, or thrown exceptions are not seen
    libraries = [
        subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip()
        for name in names
    ]
    missing = [name for name, path in zip(names, libraries, strict=True) if path == name]
    if missing:
        sys.exit(f"{compiler} has no {missing[0]}; set CXX to GCC")
    paths = [str(site), str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "LD_PRELOAD": " ".join(str(Path(path).resolve()) for path in libraries),
        "ASAN_OPTIONS": "detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def main(arguments: list[str]) -> None:
    """Builds and becomes the other process."""
    site = build()
    os.chdir(ROOT)
    os.execve(sys.executable, [sys.executable, *(arguments or TESTS)], environment(site))


if __name__ == "__main__":
    main(sys.argv[1:])
