"""Distillation: a network is trained on what a better one, its teacher, answers.

It touches the loss and the flow of data only, and so goes with every quantizer.

Mishra and Marr 2018, "Apprentice: using knowledge distillation techniques to improve low-precision
network accuracy", has three schemes of one loss, with z the teacher's logits:

    L = alpha H(y, p_T) + beta H(y, p_S) + gamma H(z_T, p_S)

A   both networks train from scratch: ``Distilled(student, teacher, Apprentice())``;
B   a trained teacher is kept: ``Distilled(student, FrozenTeacher(teacher), Apprentice())``;
C   as B, but the student starts from its own trained float weights: prepare that network.

Polino et al. 2018, "Model compression via distillation and quantization", have Hinton et al.'s loss
(`SoftTargets`); their quantizers are `BucketedWeight` and `LearnedPointsWeight`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.qat.features import Feature, Recording


class DistillationLoss(Protocol):
    """Settings of a loss."""

    def __call__(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            student: Logits (N, classes, ...).
            teacher: Logits of the same shape.
            labels: (N, ...), whole numbers.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Apprentice:
    """alpha H(y, p_T) + beta H(y, p_S) + gamma H(softmax(z_T), p_S), means over the batch.

    A teacher that trains learns from the labels alone: the last term is no gradient of its.
    """

    alpha: float = 1.0
    beta: float = 0.5
    gamma: float = 0.5

    def __call__(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch."""
        targets = teacher.detach().softmax(1)
        loss = self.beta * functional.cross_entropy(student, labels)
        loss = loss + self.gamma * functional.cross_entropy(student, targets)
        if not teacher.requires_grad:  # of a teacher that is kept it is a constant
            return loss
        return loss + self.alpha * functional.cross_entropy(teacher, labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftTargets:
    """share T**2 KL(softmax(z_T / T) || softmax(z_S / T)) + (1 - share) H(y, p_S).

    Gradients of softened logits shrink by T**2: the factor undoes it (Hinton et al. 2015).
    """

    temperature: float = 2.0
    share: float = 0.7

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ValueError(f"temperature must be positive, not {self.temperature}")
        if not 0 <= self.share <= 1:
            raise ValueError(f"share must be in [0, 1], not {self.share}")

    def __call__(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch."""
        soft = softened_divergence(student, teacher, self.temperature)
        return self.share * soft + (1 - self.share) * functional.cross_entropy(student, labels)


def softened_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T**2 KL(softmax(teacher / T) || softmax(student / T)): axis 1 summed, then the mean."""
    wanted = (teacher.detach() / temperature).log_softmax(1)
    found = (student / temperature).log_softmax(1)
    divergence = (wanted.exp() * (wanted - found)).sum(1).mean()
    return temperature**2 * divergence


class FrozenTeacher(nn.Module):
    """A trained network that only answers: in evaluation mode for good, without gradient.

    The network that is given is changed so, and its parameters no longer ask for gradients.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.train(False)

    def train(self, mode: bool = True) -> "FrozenTeacher":  # noqa: ARG002
        """Stays in evaluation mode, whatever contains it."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, *inputs: Tensor) -> Tensor:
        """The teacher's logits."""
        answer = self.network(*inputs)
        assert isinstance(answer, Tensor)
        return answer


class Distilled(nn.Module):
    """A student and its teacher as one network that gives its loss.

    Args:
        student: The network to train, such as `prepare` gives.
        teacher: A `FrozenTeacher`, or a network that trains as well.
        loss: Of logits and labels.
        features: Values in the middle that shall come close as well.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        loss: DistillationLoss = SoftTargets(),
        features: Sequence[Feature] = (),
    ) -> None:
        super().__init__()
        self.student, self.teacher, self.loss = student, teacher, loss
        self.features = nn.ModuleList(features)

    def forward(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss of a batch, and the student's logits; features count in training mode."""
        features = [f for f in self.features if isinstance(f, Feature)] if self.training else []
        watched = self.teacher.network if isinstance(self.teacher, FrozenTeacher) else self.teacher
        with (
            Recording(self.student, [feature.student for feature in features]) as mine,
            Recording(watched, [feature.teacher for feature in features]) as wanted,
        ):
            student, teacher = self.student(inputs), self.teacher(inputs)
        loss = self.loss(student, teacher, labels)
        for feature in features:
            loss = loss + feature(mine.values[feature.student], wanted.values[feature.teacher])
        return loss, student
