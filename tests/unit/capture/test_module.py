"""CapturedModule trains and evaluates as the original does, and shows every value."""

import copy
import gc
import weakref

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from intact.capture.export import capture
from intact.capture.module import from_graph
from intact.ir import float_ops as ops
from intact.ir.graph import Graph, Node, Value
from intact.numerics.formats import FP32
from tests.unit.capture.checks import Function, assert_same, draw, randomize


def network(dropout: float = 0.0) -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, momentum=0.2), nn.PReLU(4),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(4, 5),
    )  # fmt: skip
    return nn.Sequential(randomize(model))


def test_training_equals_the_originals() -> None:
    """Three steps of SGD: outputs, gradients, parameters and running statistics."""
    original = network()
    captured = from_graph(capture(original, draw((3, 6, 6))))
    original.train()
    assert captured.training
    optimizers = [torch.optim.SGD(m.parameters(), 0.1) for m in (original, captured)]
    for step in range(3):
        inputs = draw((3, 6, 6), batch=4, seed=step)
        outputs = [model(*inputs) for model in (original, captured)]
        assert_same(outputs[1], outputs[0])
        for optimizer, output in zip(optimizers, outputs, strict=True):
            optimizer.zero_grad()
            output.square().mean().backward()
            optimizer.step()
    state = captured.state_dict()
    for name, tensor in original.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(state[name], tensor, rtol=1e-4, atol=1e-6)
    original.eval()
    captured.eval()
    assert_same(captured(*draw((3, 6, 6))), original(*draw((3, 6, 6))))


def test_state_dict_has_the_originals_names() -> None:
    original = network()
    captured = from_graph(capture(original, draw((3, 6, 6))))
    ours, theirs = captured.state_dict(), original.state_dict()
    assert set(ours) == {name for name in theirs if not name.endswith("num_batches_tracked")}
    assert {n for n, _ in captured.named_parameters()} == {
        n for n, _ in original.named_parameters()
    }
    result = captured.load_state_dict(theirs, strict=False)
    assert result.missing_keys == []


def test_dropout_is_active_in_training_only() -> None:
    captured = from_graph(capture(nn.Dropout(0.5), draw((1000,))))
    ones = torch.ones(2, 1000)
    assert 0.4 < (captured(ones) == 0).float().mean() < 0.6
    assert torch.equal(captured.eval()(ones), ones)


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(3, 4))
        self.scale = nn.Buffer(torch.tensor(2.0))
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear((x + self.position) * self.scale)


def test_other_constants_train_if_named() -> None:
    graph = capture(Positions(), draw((3, 4)))
    names = {name for name, _ in from_graph(graph).named_parameters()}
    assert names == {"linear.weight", "linear.bias"}
    captured = from_graph(graph, train=["position"])
    assert {n for n, _ in captured.named_parameters()} == names | {"position"}
    captured(*draw((3, 4))).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in captured.parameters())


def test_bounds_of_channels_are_applied_and_not_trained() -> None:
    x, y = (Value(name, (-1, 2, 3), FP32) for name in "xy")
    bounds = tuple(Value(name, (2,), FP32) for name in ("low", "high"))
    constants = {
        "low": np.array([0, -np.inf], np.float32),
        "high": np.array([6, 0.5], np.float32),
    }
    node = Node(ops.ChannelClamp(), (x, *bounds), y)
    module = from_graph(Graph((x,), (y,), (node,), constants))
    assert not list(module.parameters())
    assert not module.state_dict()
    samples = torch.tensor([[[-1.0, 3, 9], [-7, 0.25, 1]]], requires_grad=True)
    output = module(samples)
    assert output.tolist() == [[[0, 3, 6], [-7, 0.25, 0.5]]]
    output.sum().backward()
    assert samples.grad is not None
    assert samples.grad.tolist() == [[[0, 1, 0], [1, 1, 0]]]


def test_to_graph_gives_the_present_parameters() -> None:
    graph = capture(network(), draw((3, 6, 6)))
    captured = from_graph(graph)
    with torch.no_grad():
        captured.constant("0.6.weight").fill_(0.5)
    updated = captured.to_graph()
    assert (updated.constants["0.6.weight"] == 0.5).all()
    assert not (graph.constants["0.6.weight"] == 0.5).all()
    assert updated.nodes == graph.nodes
    for name, array in graph.constants.items():
        assert updated.constants[name].dtype == array.dtype
        if name != "0.6.weight":
            np.testing.assert_array_equal(updated.constants[name], array)


def test_every_value_is_seen_once_in_order() -> None:
    graph = capture(network(), draw((3, 6, 6)))
    seen: dict[str, tuple[int, ...]] = {}
    constants: list[str] = []

    def see(name: str, tensor: Tensor) -> None:
        assert name not in seen
        seen[name] = tuple(tensor.shape)

    from_graph(graph).eval().run(
        draw((3, 6, 6), batch=4), see, lambda name, _: constants.append(name)
    )
    expected = [*graph.inputs, *(node.output for node in graph.nodes)]
    assert list(seen) == [value.name for value in expected]
    assert seen["0.0"] == (4, 4, 4, 4)
    assert set(constants) == set(graph.constants)


def test_a_hook_may_replace_values_and_constants() -> None:
    captured = from_graph(capture(Function(lambda x: x.relu() * 3), draw((4,)))).eval()
    ones = torch.ones(2, 4)
    assert torch.equal(
        captured.run([ones], lambda name, x: x + 1 if name == "relu" else None)[0], 6 * ones
    )
    assert torch.equal(captured.run([ones], on_constant=lambda _, x: x * 2)[0], 6 * ones)


def test_values_are_freed_after_their_last_reader() -> None:
    chain = nn.Sequential(*(nn.Tanh() for _ in range(6)))
    captured = from_graph(capture(chain, draw((4,)))).eval()
    alive: list[weakref.ref[Tensor]] = []
    most = 0

    def count(_: str, tensor: Tensor) -> None:
        nonlocal most
        alive.append(weakref.ref(tensor))
        most = max(most, sum(ref() is not None for ref in alive[1:]))

    gc.disable()
    try:
        with torch.no_grad():
            captured.run(draw((4,)), count)
    finally:
        gc.enable()
    assert most <= 2


def test_wrong_inputs_are_refused() -> None:
    captured = from_graph(capture(network(), draw((3, 6, 6))))
    with pytest.raises(ValueError, match="1 inputs, not 2"):
        captured(torch.ones(1), torch.ones(1))
    with pytest.raises(ValueError, match=r"shape \(2, 3, 6, 5\), but the network takes"):
        captured(torch.ones(2, 3, 6, 5))


def test_names_that_torch_modules_already_have() -> None:
    class Awkward(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.run = nn.Linear(4, 4)
            self.to_graph = nn.ModuleDict({"a": nn.Linear(4, 4)})

        def forward(self, x: Tensor) -> Tensor:
            return self.to_graph["a"](self.run(x))

    original = Awkward().eval()
    graph = capture(original, draw((4,)))
    captured = from_graph(graph).eval()
    assert_same(captured(*draw((4,))), original(*draw((4,))))
    assert set(captured.to_graph().constants) == set(original.state_dict())


def test_the_module_can_be_copied() -> None:
    captured = from_graph(capture(network(), draw((3, 6, 6)))).eval()
    twin = copy.deepcopy(captured)
    with torch.no_grad():
        twin.constant("0.6.bias").add_(1)
    inputs = draw((3, 6, 6))
    torch.testing.assert_close(twin(*inputs), captured(*inputs) + 1)


def test_dilation_of_a_kernel_of_one_is_harmless_channels_last() -> None:
    graph = capture(nn.Conv2d(5, 2, (2, 1), (2, 2), (2, 1), (1, 2)), torch.zeros(2, 5, 7, 1))
    x = torch.randn(3, 5, 7, 1)
    captured = from_graph(graph).eval()
    with torch.no_grad():
        for _ in range(50):
            images = x.contiguous(memory_format=torch.channels_last)
            assert torch.equal(captured(images), captured(images))


def test_the_batch_may_lie_along_any_axis() -> None:
    """A part of a transformer begins with (tokens, N, width)."""
    x = Value("x", (5, -1, 4), FP32)
    flat = Node(ops.Reshape((5, -4)), (x,), Value("flat", (5, -4), FP32))
    module = from_graph(Graph((x,), (flat.output,), (flat,), {}))
    (out,) = module.run([torch.zeros(5, 3, 4)])
    assert out.shape == (5, 12)
    with pytest.raises(ValueError, match=r"has shape \(6, 3, 4\), but the network takes"):
        module.run([torch.zeros(6, 3, 4)])
