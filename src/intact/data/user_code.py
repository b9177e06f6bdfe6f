"""Calls `file.py:function`, the user's own code, and puts its mistakes in one line."""

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from intact.errors import FormatError


def is_function(source: str) -> bool:
    """Whether this is spelled `file.py:function`."""
    path, colon, name = source.rpartition(":")
    return bool(colon) and path.endswith(".py") and name.isidentifier()


def load_function(source: str) -> Callable[[], object]:
    """The function of `file.py:function`, which takes no arguments.

    Runs the file as a module; it may import what lies beside it and in the working directory.

    Raises:
        FormatError: if the file cannot be run or has no such function.
        FileNotFoundError: if there is no such file.
    """
    path_text, _, name = source.rpartition(":")
    path = Path(path_text).resolve()
    if not path.is_file():
        raise FileNotFoundError(f"{path_text}: no such file")
    for folder in (str(Path.cwd()), str(path.parent)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    module_name = f"_intact_user_{path.stem}_{abs(hash(path))}"
    module = sys.modules.get(module_name)
    if module is None:
        spec = importlib.util.spec_from_file_location(module_name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module  # dataclasses look their module up there
        with blaming(path_text):
            spec.loader.exec_module(module)
    function = vars(module).get(name)
    if not callable(function):
        raise FormatError(f'{path_text} has no function "{name}"')

    def call() -> object:
        with blaming(source):
            return function()

    return call


@contextmanager
def blaming(source: str) -> Iterator[None]:
    """Turns whatever the user's code raises into a FormatError that says what and where."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise FormatError(
            f"{source} raised {type(error).__name__}: {error}{_place(error)}"
        ) from error


def _place(error: BaseException) -> str:
    """Where it was raised, unless that is outside of all files or only in the call from here."""
    frames = traceback.extract_tb(error.__traceback__)
    files = [f for f in frames if f.filename != __file__ and not f.filename.startswith("<")]
    return f" ({Path(files[-1].filename).name}, line {files[-1].lineno})" if files else ""
