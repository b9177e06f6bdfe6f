"""Losses against their equations, and the mistakes that distillation is known for."""

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import intact
from intact.numerics.formats import Int
from intact.qat import (
    Apprentice,
    Distilled,
    FrozenTeacher,
    LsqActivation,
    LsqWeight,
    QatRule,
    SoftTargets,
    softened_divergence,
)

LABELS = torch.tensor([0, 2])
STUDENT = torch.tensor([[1.0, 0.0, -1.0], [0.0, 0.5, 2.0]])
TEACHER = torch.tensor([[2.0, -1.0, 0.0], [0.3, 0.0, 1.0]])


def _softmax(logits: Tensor, temperature: float = 1.0) -> list[list[float]]:
    powers = [[math.exp(z / temperature) for z in row] for row in logits.tolist()]
    return [[power / sum(row) for power in row] for row in powers]


def _entropy(wanted: list[list[float]], found: list[list[float]]) -> float:
    rows = zip(wanted, found, strict=True)
    return sum(-p * math.log(q) for a, b in rows for p, q in zip(a, b, strict=True)) / len(wanted)


ONE_HOT = [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


def test_apprentice_is_the_sum_of_three_cross_entropies() -> None:
    student, teacher = _softmax(STUDENT), _softmax(TEACHER)
    wanted = _entropy(ONE_HOT, teacher) + 0.5 * _entropy(ONE_HOT, student)
    wanted += 0.5 * _entropy(teacher, student)
    loss = Apprentice()(STUDENT, TEACHER.clone().requires_grad_(), LABELS)
    assert loss.item() == pytest.approx(wanted)


def test_soft_targets_have_the_square_of_the_temperature() -> None:
    student, teacher = _softmax(STUDENT, 2), _softmax(TEACHER, 2)
    divergence = _entropy(teacher, student) - _entropy(teacher, teacher)
    wanted = 0.7 * 4 * divergence + 0.3 * _entropy(ONE_HOT, _softmax(STUDENT))
    assert SoftTargets()(STUDENT, TEACHER, LABELS).item() == pytest.approx(wanted)


def test_gradients_do_not_shrink_with_the_temperature() -> None:
    sizes = []
    for temperature in (1.0, 100.0):
        student = (STUDENT / 50).requires_grad_()
        softened_divergence(student, TEACHER / 50, temperature).backward()
        assert student.grad is not None
        sizes.append(student.grad.norm().item())
    assert sizes[1] == pytest.approx(sizes[0], rel=0.05)


def test_the_divergence_is_from_the_teacher_to_the_student() -> None:
    sure, even = torch.tensor([[20.0, 0.0]]), torch.zeros(1, 2)
    # KL((1, 0) || (1/2, 1/2)) = log 2; the other way it is about 9.3.
    assert softened_divergence(even, sure, 1.0).item() == pytest.approx(math.log(2), abs=1e-6)
    assert softened_divergence(sure, even, 1.0).item() == pytest.approx(10 - math.log(2), abs=1e-6)


def test_gradients_reach_a_teacher_through_the_labels_only() -> None:
    student, teacher = STUDENT.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    Apprentice()(student, teacher, LABELS).backward()
    alone = TEACHER.clone().requires_grad_()
    functional.cross_entropy(alone, LABELS).backward()
    assert teacher.grad is not None
    assert alone.grad is not None
    assert student.grad is not None
    torch.testing.assert_close(teacher.grad, alone.grad)
    soft = functional.cross_entropy(student, TEACHER.softmax(1))
    hard = functional.cross_entropy(student, LABELS)
    (wanted,) = torch.autograd.grad(0.5 * soft + 0.5 * hard, student)
    torch.testing.assert_close(student.grad, wanted)


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"share": 1.5}])
def test_settings_that_are_none_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        SoftTargets(**settings)


def _network() -> nn.Sequential:
    torch.manual_seed(3)
    layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
    return nn.Sequential(*layers)


def test_a_frozen_teacher_stays_in_evaluation_mode_and_without_gradient() -> None:
    teacher = FrozenTeacher(_network().train())
    whole = Distilled(nn.Linear(4, 3), teacher).train()
    assert whole.student.training
    assert not any(module.training for module in teacher.modules())
    x = torch.randn(5, 4)
    assert torch.equal(teacher(x), teacher(x))  # no dropout
    assert not teacher(x).requires_grad
    whole(x, torch.zeros(5, dtype=torch.int64))[0].backward()
    assert all(p.grad is None for p in teacher.parameters())
    statistics = teacher.network.get_buffer("1.running_mean")
    assert statistics.tolist() == [0] * 8  # which training mode would have moved


def _task() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(256, 4, generator=generator)
    return x, (x[:, 0] * x[:, 1] > 0).long() + (x[:, 2] > 1).long()


def _prepared(network: nn.Module, x: Tensor) -> intact.qat.TrainableNetwork:
    rule = QatRule(
        weight=partial(LsqWeight, format=Int(3, narrow=True)),
        activation=partial(LsqActivation, format=Int(4)),
    )
    return intact.prepare(network, [rule], example_input=x[:2])


@pytest.mark.parametrize("joint", [True, False])
def test_a_quantized_student_learns_from_its_teacher(joint: bool) -> None:
    x, labels = _task()
    student, trained = _prepared(_network(), x), _network()
    teacher: nn.Module = trained if joint else FrozenTeacher(trained)
    whole = Distilled(student, teacher, Apprentice()).train()
    learned = [p for p in whole.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, 0.02)
    losses = []
    for _ in range(25):
        loss, logits = whole(x, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        assert logits.shape == (256, 3)
    assert losses[-1] < 0.9 * losses[0]
    assert intact.convert(student.eval()).stays_float == {}
