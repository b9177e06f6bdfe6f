import numpy as np
import pytest
import torch
from torch import nn

import intact
from intact.api.compare import compare

X = torch.from_numpy(np.random.default_rng(0).normal(size=(16, 3, 4, 4)).astype(np.float32))


class Net(nn.Module):
    def __init__(self, *, longer: bool = False, named: str = "conv") -> None:
        super().__init__()
        torch.manual_seed(0)
        self.named = named
        self.add_module(named, nn.Conv2d(3, 4, 3, padding=1))
        self.fc = nn.Linear(4, 5)
        self.extra = nn.Linear(5, 5) if longer else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.fc(torch.relu(getattr(self, self.named)(x)).mean((2, 3)))
        return x if self.extra is None else torch.sigmoid(self.extra(x))


def _narrow(bits: int) -> intact.PtqRule:
    weight = intact.Nearest(intact.Int(bits, narrow=True))
    return intact.PtqRule(weight=weight, activation=intact.MinMax(intact.Int(8)))


def made(
    recipe: str | list[intact.PtqRule] = "W8A8", *, longer: bool = False, named: str = "conv"
) -> intact.QuantizedNetwork:
    return intact.quantize(Net(longer=longer, named=named).eval(), [X], recipe=recipe)


def test_equal_networks_have_no_difference() -> None:
    found = compare(made(), made(), [X])
    assert (found.removed, found.added, found.changed) == ((), (), ())
    assert found.a == found.b
    assert found.same == found.a.layers
    assert found.outputs is not None
    assert found.outputs.agreement == 1
    assert found.outputs.sqnr_db == np.inf
    assert found.outputs.first_difference is None


def test_a_layer_more_is_added() -> None:
    found = compare(made(), made(longer=True))
    assert found.removed == ("fc",)  # which made the output real
    assert "extra.codes" in found.added or "extra" in found.added
    assert found.outputs is None


def test_a_layer_of_another_name_with_the_same_codes_is_the_same() -> None:
    found = compare(made(), made(named="renamed"))
    assert not any("conv" in name for name in found.removed)
    assert not any("renamed" in name for name in found.added)


def test_a_fused_activation_is_neither_removed_nor_added() -> None:
    graph = intact.to_graph(Net(longer=False, named="conv").eval(), X)
    found = compare(graph, made())
    assert found.removed == ()
    assert "relu" not in found.added
    back = compare(made(), graph)
    assert back.added == ()


def test_formats_scales_and_codes_that_changed_are_told() -> None:
    found = compare(*(made([_narrow(bits)]) for bits in (8, 4)))
    change = next(change for change in found.changed if change.name == "relu")
    assert change.weight_format == ("int8", "int4")
    assert change.weight_scale == pytest.approx(127 / 7, rel=1e-5)
    assert change.format[0] == change.format[1]
    assert found.b.bytes < found.a.bytes


def test_outputs_are_compared_on_labelled_samples() -> None:
    labels = torch.zeros(16, dtype=torch.int64)
    found = compare(made(), made("W4A8"), [(X, labels)])
    assert found.outputs is not None
    assert found.outputs.samples == 16
    assert found.outputs.top1 is not None
    assert found.outputs.first_difference is not None
    assert found.outputs.first_difference.layer == "relu"
    assert 5 < found.outputs.sqnr_db < 40


def test_a_float_network_is_compared_with_its_integers() -> None:
    graph = intact.to_graph(Net().eval(), X[:1])
    found = compare(graph, made(), [X])
    conv = next(change for change in found.changed if change.name == "conv")
    assert conv.op == ("Conv", "QConv2d")
    assert conv.new_name == "relu"
    assert found.a.arena_bytes is None
    assert found.outputs is not None
    assert found.outputs.sqnr_db > 25
