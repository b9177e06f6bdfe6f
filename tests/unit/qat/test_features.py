"""Values in the middle of a student and its teacher."""

from functools import partial

import pytest
import torch
from torch import Tensor, nn

import intact
from intact.numerics.formats import Int
from intact.qat import (
    AttentionTransfer,
    Distilled,
    Feature,
    FrozenTeacher,
    Hint,
    LsqActivation,
    LsqWeight,
    QatRule,
    Recording,
)


class Net(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


def _student(width: int = 4) -> intact.qat.TrainableNetwork:
    torch.manual_seed(0)
    rule = QatRule(weight=LsqWeight, activation=partial(LsqActivation, format=Int(2)))
    return intact.prepare(Net(width), [rule], example_input=torch.randn(2, 1, 6, 6)).train()


def test_attention_compares_where_both_are_large() -> None:
    student = torch.tensor([[[[3.0, 0.0]], [[1.0, 2.0]]]])  # mean squares 5, 2
    teacher = torch.tensor([[[[0.0, 1.0]]]])
    a = torch.tensor([5.0, 2.0]) / 29**0.5
    wanted = (a[0] ** 2 + (a[1] - 1) ** 2) / 2
    assert AttentionTransfer()(student, teacher).item() == pytest.approx(wanted.item())
    assert AttentionTransfer()(student, 7 * student).item() == pytest.approx(0, abs=1e-12)


def test_a_hint_is_half_the_squared_distance() -> None:
    assert Hint()(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 5.0]])).item() == 9 / 4


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="regressor"):
        Hint()(torch.ones(1, 2), torch.ones(1, 3))
    with pytest.raises(ValueError, match="use Hint"):
        AttentionTransfer()(torch.ones(1, 2), torch.ones(1, 2))
    with pytest.raises(ValueError, match="compare others"):
        AttentionTransfer()(torch.ones(1, 2, 3, 3), torch.ones(1, 2, 4, 4))


def test_values_of_a_prepared_network_are_what_layers_read() -> None:
    student, x = _student(), torch.randn(8, 1, 6, 6)
    with Recording(student, ["body.2", "x"]) as found:
        student(x)
    assert found.values["body.2"].unique().numel() <= 4
    assert found.values["body.2"].requires_grad
    before = found.values["x"]
    student(2 * x)
    assert found.values["x"] is before
    assert student.network.watchers == []


def test_names_of_any_other_network_are_submodules() -> None:
    network, x = Net(4), torch.randn(2, 1, 6, 6)
    with Recording(network, ["body", "body.0"]) as found:
        network(x)
    assert torch.equal(found.values["body.0"], network.body[0](x))
    assert found.values["body"].min() >= 0


def test_an_unknown_name_is_an_error_that_lists_the_nearest() -> None:
    with pytest.raises(ValueError, match=r'"body9".*body'):
        Recording(_student(), ["body9"])
    with pytest.raises(ValueError, match=r'"bod".*body'):
        Recording(Net(2), ["bod"])


@pytest.mark.parametrize("loss", [AttentionTransfer(), Hint(nn.Conv2d(4, 6, 1))])
def test_features_train_the_student(loss: AttentionTransfer | Hint) -> None:
    student, teacher = _student(), FrozenTeacher(Net(6))
    whole = Distilled(student, teacher, features=[Feature("body.2", "body", loss, 100.0)])
    x, labels = torch.randn(8, 1, 6, 6), torch.zeros(8, dtype=torch.int64)
    plain, _ = Distilled(student, teacher)(x, labels)
    total, _ = whole(x, labels)
    assert total > plain
    (total - plain).backward()
    weight = student.network.constant("body.0.weight")
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0
    assert all(p.grad is not None for p in loss.parameters())


def test_evaluation_leaves_features_out() -> None:
    student, teacher = _student(), FrozenTeacher(Net(4))
    whole = Distilled(student, teacher, features=[Feature("body.2", "body", Hint())])
    x, labels = torch.randn(8, 1, 6, 6), torch.zeros(8, dtype=torch.int64)
    whole.train()(x, labels)
    plain = Distilled(student, teacher).eval()
    assert torch.equal(whole.eval()(x, labels)[0], plain(x, labels)[0])
