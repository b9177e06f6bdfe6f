"""What capture takes, what it refuses and how it says so, and that it leaves the model alone."""

import copy
import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.capture.export import capture, capture_exported
from intact.capture.module import from_graph
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from intact.numerics.formats import FP32, Int
from tests.unit.capture.checks import Function, assert_same, draw, kinds, randomize


def small() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(0.3),
        nn.Flatten(), nn.Linear(16, 5),
    )  # fmt: skip


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_batch_of_the_example_does_not_matter(batch: int) -> None:
    model = randomize(small())
    graph = capture(model, draw((3, 4, 4), batch=batch))
    assert graph.inputs[0].shape == (-1, 3, 4, 4)
    assert graph.outputs[0].shape == (-1, 5)
    for size in (1, 5):
        inputs = draw((3, 4, 4), batch=size)
        assert_same(from_graph(graph).eval()(*inputs), model(*inputs))


def test_a_fixed_batch_gives_fixed_shapes() -> None:
    graph = capture(small(), draw((3, 4, 4), batch=3), dynamic_batch=False)
    assert graph.inputs[0].shape == (3, 3, 4, 4)
    assert graph.outputs[0].shape == (3, 5)


def test_inputs_of_several_dtypes() -> None:
    model = Function(lambda x, indices: functional.embedding(indices, torch.eye(4)) + x)
    graph = capture(model, (torch.ones(1, 3, 4), torch.zeros(1, 3, dtype=torch.int32)))
    assert [value.dtype for value in graph.inputs] == [FP32, Int(32)]


def test_training_and_evaluation_give_the_same_graph() -> None:
    model = randomize(small())
    evaluation = capture(model.eval(), draw((3, 4, 4)))
    training = capture(model.train(), draw((3, 4, 4)))
    assert evaluation.nodes == training.nodes
    assert kinds(training) == ["Conv", "BatchNorm", "Relu", "Dropout", "Reshape", "Linear"]


def test_the_model_is_left_as_it_was() -> None:
    model = randomize(small())
    model.train()
    model[1].eval()
    before = copy.deepcopy(model.state_dict())
    modes = [part.training for part in model.modules()]
    capture(model, draw((3, 4, 4)))
    with pytest.raises(ValueError, match="fails on an example"):
        capture(model, draw((5, 4, 4)))
    assert [part.training for part in model.modules()] == modes
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_constants_are_copies() -> None:
    model = nn.Linear(3, 2)
    graph = capture(model, draw((3,)))
    with torch.no_grad():
        model.weight.zero_()
    assert graph.constants["weight"].any()


@pytest.mark.parametrize("decomposed", [False, True], ids=["training-ir", "core-aten"])
def test_a_saved_program(decomposed: bool) -> None:
    model = randomize(small())
    inputs = draw((3, 4, 4))
    program = torch.export.export(model, inputs, dynamic_shapes=({0: torch.export.Dim("n")},))
    if decomposed:
        program = program.run_decompositions()
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    graph = capture_exported(torch.export.load(file))
    assert graph.inputs[0].shape == (-1, 3, 4, 4)
    assert {"0", "1", "2"} <= {node.name for node in graph.nodes}
    assert set(graph.constants) == set(model.state_dict()) - {"1.num_batches_tracked"}
    inputs = draw((3, 4, 4), batch=5)
    assert_same(from_graph(graph).eval()(*inputs), model(*inputs))


@pytest.mark.parametrize("batch", [False, True], ids=["alone", "beside-the-batch"])
def test_a_program_whose_image_size_varies_is_refused(batch: bool) -> None:
    sizes = {2: torch.export.Dim("height", min=5)} | ({0: torch.export.Dim("n")} if batch else {})
    program = torch.export.export(nn.Conv2d(3, 4, 3), draw((3, 8, 8)), dynamic_shapes=(sizes,))
    with pytest.raises(UnsupportedOpError, match="only the batch axis may vary"):
        capture_exported(program)


@pytest.mark.parametrize(
    ("example", "message"),
    [
        ("image", "a tensor or a tuple"),
        ((), "a tensor or a tuple"),
        ((torch.ones(2, 3), 5), "consist of tensors, not int"),
        (torch.ones(0, 3), r"needs a batch, but has shape \(0, 3\)"),
        (torch.tensor(1.0), "needs a batch"),
        ((torch.ones(2, 3), torch.ones(3, 3)), "axis 0 of every input is the batch"),
        (torch.ones(2, 9), r"the model fails on an example of shape \(2, 9\)"),
    ],
)
def test_a_wrong_example_is_refused(example: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        capture(nn.Linear(3, 2), example)


class Head(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.topk = Function(lambda x: x.sort(1)[0])

    def forward(self, x: Tensor) -> Tensor:
        return self.topk(x)


def test_an_unknown_operation_is_named_with_its_place() -> None:
    with pytest.raises(UnsupportedOpError) as caught:
        capture(nn.Sequential(nn.Linear(3, 3), Head()), draw((3,)))
    assert str(caught.value) == (
        'aten.sort at "1.topk" is not supported. Replace it in the model, or cut the model before'
        " it and run it after the network."
    )


def write_to_part(x: Tensor) -> Tensor:
    y = x * 2
    y[:, :2].relu_()
    return y


REFUSED: list[tuple[str, Callable[[Tensor], object], str]] = [
    ("branch", lambda x: x if x.sum() > 0 else -x, "torch.export cannot trace the model: "),
    ("fixed-batch", lambda x: x.view(2, 2, 2), "dynamic_batch=False"),
    ("write-to-part", write_to_part, "Compute a new tensor instead"),
    ("across-batch", lambda x: x.mean(0), "across the samples of a batch"),
    ("batch-softmax", lambda x: x.softmax(0), "across the samples of a batch"),
    ("batch-slice", lambda x: x[1:], "fixes its batch size"),
    ("batch-join", lambda x: torch.cat([x, x]), "It joins batches"),
    ("division", lambda x: x / x.sum(1, keepdim=True), "Only a constant may divide"),
    ("random", lambda x: x + torch.rand(4), 'aten.rand at "rand"'),
    ("half", lambda x: x.half(), "casts to torch.float16"),
    ("constant-output", lambda x: (x, torch.ones(2)), "output 1 of the model is a constant"),
    ("complex", lambda x: torch.complex(x, x), "aten.complex"),
    (
        "scale-factor",
        lambda x: functional.interpolate(x[:, None], scale_factor=1.3),
        "Give interpolate a size",
    ),
    ("custom-bounds", lambda x: x.clamp(x * 0), "aten.clamp"),
    (
        "indices",
        lambda x: functional.max_pool1d(x[:, None], 2, return_indices=True),
        "result 1 of aten.max_pool1d_with_indices",
    ),
    ("dynamic-weight", lambda x: functional.prelu(x, x[0, :1]), "across the samples"),
]


@pytest.mark.parametrize(
    ("function", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_a_graph_cannot_express_is_refused(
    function: Callable[[Tensor], object], message: str
) -> None:
    with pytest.raises(UnsupportedOpError, match=message):
        capture(Function(function), draw((4,)))


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (nn.Conv3d(3, 4, 1), (3, 2, 2, 2), "Only 1d and 2d"),
        (nn.ConvTranspose1d(3, 4, 1), (3, 5), "Only 2d transposed"),
        (nn.BatchNorm2d(3, track_running_stats=False), (3, 2, 2), "track_running_stats"),
        (nn.AvgPool2d(2, divisor_override=3), (3, 4, 4), "divisor_override"),
        (nn.AdaptiveMaxPool2d(3), (3, 4, 4), "divide the input"),
        (nn.Upsample(scale_factor=2, mode="bicubic"), (3, 4, 4), "aten.upsample_bicubic2d"),
    ],
    ids=["conv3d", "conv_transpose1d", "batch_norm", "avg_pool", "adaptive_max_pool", "bicubic"],
)
def test_a_layer_out_of_reach_is_refused(
    model: nn.Module, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(UnsupportedOpError, match=message):
        capture(model, draw(shape))


def test_control_flow_operators_are_refused() -> None:
    def branch(x: Tensor) -> Tensor:
        return torch.cond(x.shape[0] > 3, lambda y: y * 2, lambda y: y + 1, (x,))

    with pytest.raises(UnsupportedOpError):
        capture(Function(branch), draw((4,)))


def test_dropout_probability_is_kept() -> None:
    (node,) = capture(nn.Dropout(0.25), draw((4,))).nodes
    assert node.op == ops.Dropout(0.25)
