"""Checkpoints: an interrupted training goes on as if it had never stopped.

    parts = {"network": network, "optimizer": optimizer, "scheduler": scheduler}
    begin = load_checkpoint(path, parts) if path.exists() else 0
    for epoch in range(begin, epochs):
        ...
        save_checkpoint(path, parts, epochs=epoch + 1)

The file holds the state of every part and of all sources of randomness: those of torch (CPU and
CUDA), NumPy and Python, and generators among the parts. Quantizers' own noise is in the network's
state. It appears whole or not at all, and holds tensors, numbers and names only: loading it runs no
code.
"""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, Protocol, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from intact.errors import FormatError
from intact.ir.replacing import replacing

_VERSION = 1
_PLAIN = (int, float, str, bool, bytes, NoneType)


class HasState(Protocol):
    """A network, an optimizer, a scheduler, a gradient scaler, averaged weights..."""

    def state_dict(self) -> dict[str, Any]:
        """What it holds, in tensors, numbers, strings, lists and dicts."""

    def load_state_dict(self, state: dict[str, Any], /) -> object:
        """Holds that again."""


Part: TypeAlias = HasState | torch.Generator | np.random.Generator | random.Random
Parts: TypeAlias = Mapping[str, Part]


def save_checkpoint(path: str | Path, parts: Parts, *, epochs: int) -> None:
    """Writes all that is needed to go on after `epochs` epochs (or steps, or what you count).

    Raises:
        ValueError: if a part's state holds objects that only running code could bring back.
    """
    states = {name: _state(part) for name, part in parts.items()}
    _require_plain(states, "parts")
    content = {"version": _VERSION, "epochs": epochs, "parts": states, "random": _randomness()}
    with replacing(Path(path)) as file:
        torch.save(content, file)


def load_checkpoint(path: str | Path, parts: Parts) -> int:
    """Brings all parts and all randomness to where they were; gives the epochs that are done.

    Args:
        path: A file of `save_checkpoint`.
        parts: Those that were saved, under the same names: a network prepared by the same rules, an
            optimizer with the same parameters.

    Raises:
        FormatError: if the file is no checkpoint, or its parts are others.
    """
    content = _content(Path(path))
    saved: dict[str, Any] = content["parts"]
    if saved.keys() != parts.keys():
        raise FormatError(
            f"{path} holds the parts {', '.join(sorted(saved)) or '(none)'}, but asked for are"
            f" {', '.join(sorted(parts)) or '(none)'}: give the same ones as when it was saved"
        )
    for name, part in parts.items():
        try:
            _restore(part, saved[name])
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            raise FormatError(
                f'the part "{name}" of {path} does not fit: {error}. Prepare the network with the'
                " same rules, and give the optimizer the same parameters, as when it was saved"
            ) from error
    _restore_randomness(content["random"])
    return int(content["epochs"])


def _content(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # of any kind: the reader trips over what it does not expect
        raise FormatError(f"{path} is no checkpoint, or it is damaged: {error}") from error
    if not isinstance(content, dict) or content.get("version") != _VERSION:
        raise FormatError(f"{path} is no checkpoint of this version of intact: train anew")
    return content


def _require_plain(state: object, where: str) -> None:
    """Loading takes no other types; a subclass, such as np.float64 of float, is another one."""
    if isinstance(state, Mapping):
        for name, value in state.items():
            _require_plain(name, where)
            _require_plain(value, f"{where}.{name}")
    elif type(state) in (list, tuple):
        for number, value in enumerate(cast("list[object]", state)):
            _require_plain(value, f"{where}[{number}]")
    elif not isinstance(state, Tensor) and type(state) not in _PLAIN:
        raise ValueError(
            f"{where} is a {type(state).__module__}.{type(state).__name__}, which a checkpoint"
            " cannot hold: tensors, numbers, strings, lists and dicts of them can"
        )


def _state(part: Part) -> object:
    match part:
        case torch.Generator():
            return part.get_state()
        case np.random.Generator():
            # Its numbers have 128 bits.
            return json.dumps(part.bit_generator.state, default=np.ndarray.tolist)
        case random.Random():
            return json.dumps(part.getstate())
        case _:
            return part.state_dict()


def _restore(part: Part, state: Any) -> None:
    match part:
        case torch.Generator():
            part.set_state(state)
        case np.random.Generator():
            part.bit_generator.state = json.loads(state)
        case random.Random():
            part.setstate(_tuples(json.loads(state)))
        case _:
            part.load_state_dict(state)


def _tuples(state: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(item) if isinstance(item, list) else item for item in state)


def _randomness() -> dict[str, object]:
    """The state of the generators that everyone shares."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    found: dict[str, object] = {
        "torch": torch.get_rng_state(),
        "python": json.dumps(random.getstate()),
        "numpy": [kind, torch.from_numpy(np.asarray(keys).astype(np.int64)), *rest],
    }
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state_all()
    return found


def _restore_randomness(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    random.setstate(_tuples(json.loads(state["python"])))
    kind, keys, *rest = state["numpy"]
    assert isinstance(keys, Tensor)
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
