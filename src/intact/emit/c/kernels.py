"""One header of the portable kernels that a model uses, cut from csrc/portable."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import intact

_FIRST = "intact_kernels.h"
_INCLUDE = re.compile(r'#include "(\w+\.h)"')
_SYSTEM = re.compile(r"^#include <[\w/.]+>", re.MULTILINE)
_NAME = re.compile(r"[A-Za-z_]\w*")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DEFINED = (
    re.compile(r"^#define (\w+)", re.MULTILINE),
    re.compile(r"^} (\w+);", re.MULTILINE),
    re.compile(r"^typedef [\w ]*?\b(\w+);", re.MULTILINE),
    re.compile(r"^typedef [\w ]*\(\*(\w+)\)", re.MULTILINE),
    re.compile(r"^INTACT_[A-Z_]+ [^;{(]*?(\w+)\(", re.MULTILINE),
)
_ENUM = re.compile(r"\benum \{([^}]*)\}")


@dataclass(frozen=True, slots=True)
class Definition:
    """A function, type or macro with the comment ahead of it."""

    text: str
    names: frozenset[str]  # that it defines
    reads: frozenset[str]  # all others that occur in it


def folder() -> Path:
    """Where the portable headers are: in an installed package, or in its source tree.

    Raises:
        FileNotFoundError: if they are missing.
    """
    packages = [Path(path) for path in intact.__path__]
    for candidate in (
        *(package / "portable" for package in packages),
        *(package.parents[1] / "csrc" / "portable" for package in packages),
    ):
        if (candidate / _FIRST).is_file():
            return candidate
    raise FileNotFoundError(f"{_FIRST} is missing; install intact again")


def amalgamate(used: Collection[str], macros: Mapping[str, str]) -> str:
    """The header with the definitions that the names `used` need, in their order.

    `macros` stand ahead of them, in place of what the headers define.
    """
    definitions, includes = _read()
    given = {name.partition("(")[0] for name in macros}
    definitions = [d for d in definitions if not d.names or d.names - given]
    wanted = _reachable(definitions, used)
    wanted.update(i for i, d in enumerate(definitions) if not d.names and "#include <" in d.text)
    parts = [d.text for number, d in enumerate(definitions) if number in wanted]
    head = "/* The portable kernels that a model uses, from intact; see LICENSE there. */"
    guard = "INTACT_KERNELS_H_"
    return "\n\n".join(
        [
            f"{head}\n#ifndef {guard}\n#define {guard}",
            "\n".join(includes),
            "\n".join(f"#define {name} {text}" for name, text in macros.items()),
            *parts,
            f"#endif /* {guard} */\n",
        ]
    )


def _reachable(definitions: list[Definition], used: Collection[str]) -> set[int]:
    home = {name: number for number, d in enumerate(definitions) for name in d.names}
    waiting = [home[name] for name in used if name in home]
    found: set[int] = set()
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += [home[name] for name in definitions[number].reads if name in home]
    return found


def _read() -> tuple[list[Definition], list[str]]:
    """All definitions, each file's after those that it includes, and the system's headers."""
    definitions: list[Definition] = []
    includes: dict[str, None] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        if name in seen:
            return
        seen.add(name)
        text = (folder() / name).read_text(encoding="ascii")
        for included in _INCLUDE.findall(text):
            visit(included)
        chunks = list(_chunks(text))
        conditional = {line for chunk in chunks for line in _SYSTEM.findall(chunk)}
        includes.update((line, None) for line in _SYSTEM.findall(text) if line not in conditional)
        definitions.extend(map(_definition, chunks))

    visit(_FIRST)
    return definitions, sorted(includes)


def _definition(text: str) -> Definition:
    code = _COMMENT.sub("", text)
    names = {name for pattern in _DEFINED for name in pattern.findall(code)}
    names.update(name for body in _ENUM.findall(code) for name in re.findall(r"INTACT_\w+", body))
    return Definition(text, frozenset(names), frozenset(_NAME.findall(code)) - names)


def _chunks(text: str) -> Iterator[str]:
    """The text between blank lines, outside of braces and of #if ... #endif."""
    lines: list[str] = []
    depth = nested = 0
    for line, code in _inside_guard(text):
        if not nested and code.startswith("#include"):
            continue
        if line.strip() or depth or nested:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
        depth += code.count("{") - code.count("}")
        nested += code.startswith("#if") - code.startswith("#endif")
    if lines:
        yield "\n".join(lines)


def _inside_guard(text: str) -> list[tuple[str, str]]:
    """The lines between the guard's #define and #endif, each also without its comments."""
    lines = text.splitlines()
    code = _COMMENT.sub(lambda found: "\n" * found[0].count("\n"), text).splitlines()
    first = next(i for i, line in enumerate(code) if line.startswith("#ifndef"))
    last = max(i for i, line in enumerate(code) if line.startswith("#endif"))
    return list(zip(lines, code, strict=True))[first + 2 : last]
