"""Distillation in the middle of networks: values of a student that shall be like a teacher's."""

import difflib
from collections.abc import Callable, Iterable
from typing import Protocol

from torch import Tensor, nn
from torch.nn import functional
from torch.utils.hooks import RemovableHandle

from intact.capture.module import CapturedModule


class FeatureLoss(Protocol):
    """An `nn.Module` that compares two values; what it learns trains with the student."""

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of two values (N, channels, ...)."""


class AttentionTransfer(nn.Module):
    """Where both look: the mean of (F(student) - F(teacher))**2.

    F(a) is the mean of a**2 over channels, flattened and divided by its length (Zagoruyko and
    Komodakis 2017, "Paying more attention to attention"; they multiply it by 1000). The numbers of
    channels may differ, height and width may not.
    """

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of two values (N, channels, ...)."""
        found, wanted = _attention(student), _attention(teacher)
        _require_same(found, wanted)
        return (found - wanted).square().mean()


def _attention(value: Tensor) -> Tensor:
    if value.ndim < 3:
        raise ValueError(
            f"a value of shape {tuple(value.shape)} has no places that attention could compare;"
            " use Hint"
        )
    return functional.normalize(value.square().mean(1).flatten(1))


class Hint(nn.Module):
    """What both compute: the mean of (r(student) - teacher)**2 / 2.

    Romero et al. 2015, "FitNets: hints for thin deep nets". The regressor r, such as a convolution
    of size 1, makes the teacher's number of channels of the student's.
    """

    def __init__(self, regressor: nn.Module | None = None) -> None:
        super().__init__()
        self.regressor = nn.Identity() if regressor is None else regressor

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The loss of two values of the same shape behind the regressor."""
        found: Tensor = self.regressor(student)
        _require_same(found, teacher)
        return (found - teacher).square().mean() / 2


class Feature(nn.Module):
    """A value of the student that shall be like one of the teacher.

    Args:
        student: The value's name, as `Recording` takes it.
        teacher: The value's name in the teacher.
        loss: Of the two; the teacher's has no gradient.
        weight: In the whole loss.
    """

    def __init__(self, student: str, teacher: str, loss: FeatureLoss, weight: float = 1.0) -> None:
        super().__init__()
        self.student, self.teacher, self.loss, self.weight = student, teacher, loss, weight

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """The weighted loss."""
        return self.weight * self.loss(student, teacher.detach())


class Recording:
    """The values of some names in a network's last forward pass, while in the ``with`` block.

    Names of a network that intact captured, prepared ones among them, are those of its values, as
    the layers behind read them: quantized. Of any other network they name submodules, and the
    values are what these give.

    Raises:
        ValueError: if there is no such name; it lists the nearest.
    """

    def __init__(self, network: nn.Module, names: Iterable[str]) -> None:
        self.values: dict[str, Tensor] = {}
        self._names = dict.fromkeys(names)
        captured = [module for module in network.modules() if isinstance(module, CapturedModule)]
        self._captured = captured[0] if captured else None
        self._modules = {} if captured else dict(network.named_modules())
        self._handles: list[RemovableHandle] = []
        known = self._captured.value_names() if self._captured else list(self._modules)
        for name in self._names:
            if name not in known:
                nearest = ", ".join(difflib.get_close_matches(name, known, n=3, cutoff=0.0))
                raise ValueError(f'the network has no value "{name}"; the nearest are {nearest}')

    def __enter__(self) -> "Recording":
        """Begins to record."""
        if self._captured is not None:
            self._captured.watchers.append(self._watch)
        else:
            self._handles = [
                self._modules[name].register_forward_hook(self._hook(name)) for name in self._names
            ]
        return self

    def __exit__(self, *_: object) -> None:
        """Stops; the values stay."""
        if self._captured is not None:
            self._captured.watchers.remove(self._watch)
        for handle in self._handles:
            handle.remove()

    def _watch(self, name: str, value: Tensor) -> None:
        if name in self._names:
            self.values[name] = value

    def _hook(self, name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(_: nn.Module, __: object, output: object) -> None:
            if not isinstance(output, Tensor):
                raise ValueError(f'"{name}" gives {type(output).__name__}, not one tensor')
            self.values[name] = output

        return keep


def _require_same(student: Tensor, teacher: Tensor) -> None:
    if student.shape != teacher.shape:
        raise ValueError(
            f"the student's value has shape {tuple(student.shape)}, the teacher's"
            f" {tuple(teacher.shape)}: compare others, or give `Hint` a regressor"
        )
