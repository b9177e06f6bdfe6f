"""Each function of tensors alone: captured, run at another batch size, equal to the original."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.capture.export import capture
from intact.errors import UnsupportedOpError
from tests.unit.capture.checks import Function, assert_captured, kinds

ROW = torch.linspace(-1, 2, 4)
MATRIX = torch.linspace(-1, 2, 12).reshape(3, 4)
MASK = torch.tensor([[True, False, True, True]])


def in_place_chain(x: Tensor) -> Tensor:
    y = x * 2
    y += 1
    y.relu_().mul_(3)
    return y + x


def in_place_result_unused(x: Tensor) -> Tensor:
    y = x + 1
    torch.relu_(y)
    return y


def in_place_on_a_constant(x: Tensor) -> Tensor:
    table = torch.zeros(4)
    table[1:3] = 5.0
    table[0].add_(2)
    return x + table


def with_no_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        y = x.relu()
    return x + y


def folded_shape_arithmetic(x: Tensor) -> Tensor:
    batch, rows, columns = x.shape
    return x.reshape(batch * rows // 3, columns, rows).view(batch, -1, 2)


ARITHMETIC: list[tuple[str, Callable[..., object], list[tuple[int, ...]], list[str]]] = [
    ("add", torch.add, [(3, 4), (3, 4)], ["Add"]),
    ("add-broadcast", torch.add, [(3, 4), (1, 4)], ["Add"]),
    ("add-alpha", lambda a, b: torch.add(a, b, alpha=0.3), [(4,), (4,)], ["Mul", "Add"]),
    ("add-scalar", lambda x: x + 2, [(4,)], ["Add"]),
    ("add-constant-first", lambda x: ROW + x, [(3, 4)], ["Add"]),
    ("add-constant-alpha", lambda x: torch.add(x, ROW, alpha=2), [(4,)], ["Add"]),
    ("sub", torch.sub, [(4,), (4,)], ["Sub"]),
    ("sub-alpha", lambda a, b: torch.sub(a, b, alpha=3), [(4,), (4,)], ["Mul", "Sub"]),
    ("sub-scalar", lambda x: x - 0.5, [(4,)], ["Sub"]),
    ("rsub", lambda x: 1 - x, [(4,)], ["Sub"]),
    ("rsub-alpha", lambda a: torch.rsub(a, ROW, alpha=2), [(4,)], ["Mul", "Sub"]),
    ("mul", torch.mul, [(4,), (4,)], ["Mul"]),
    ("mul-scalar-first", lambda x: 3 * x, [(4,)], ["Mul"]),
    ("div-scalar", lambda x: x / 3, [(4,)], ["Mul"]),
    ("div-constant", lambda x: x / ROW.exp(), [(4,)], ["Mul"]),
    ("neg", torch.neg, [(4,)], ["Mul"]),
    ("square", lambda x: x**2, [(4,)], ["Mul"]),
    ("in-place", in_place_chain, [(4,)], ["Mul", "Add", "Relu", "Mul", "Add"]),
    ("in-place-unused-result", in_place_result_unused, [(4,)], ["Add", "Relu"]),
    ("in-place-constant", in_place_on_a_constant, [(4,)], ["Add"]),
    ("no-grad", with_no_grad, [(4,)], ["Relu", "Add"]),
    ("clamp", lambda x: x.clamp(-0.5, 1), [(9,)], ["Clamp"]),
    ("clamp-min", lambda x: x.clamp(min=0.2), [(9,)], ["Clamp"]),
    ("clamp-max", lambda x: torch.clamp_max(x, 0.2), [(9,)], ["Clamp"]),
    ("clamp-relu", lambda x: x.clamp(min=0), [(9,)], ["Relu"]),
    ("masked_fill-zero", lambda x: x.masked_fill(MASK, 0.0), [(3, 4)], ["Mul"]),
    ("masked_fill", lambda x: x.masked_fill(MASK, 2.5), [(3, 4)], ["Mul", "Add"]),
    ("where", lambda x: torch.where(MASK, x, 0.0), [(3, 4)], ["Mul"]),
    ("where-first", lambda x: torch.where(MASK, 0.0, x), [(3, 4)], ["Mul"]),
    ("mean-all-but-batch", lambda x: x.mean((1, 2)), [(3, 4)], ["Mean"]),
    ("mean-keepdim", lambda x: x.mean(-1, keepdim=True), [(3, 4)], ["Mean"]),
    ("sum", lambda x: x.sum(2), [(3, 4)], ["Mean", "Mul"]),
    ("float", lambda x: x.float().to(torch.float32).contiguous().clone().detach(), [(4,)], []),
]

PRODUCTS = [
    ("matmul", torch.matmul, [(3, 4), (4, 5)], ["MatMul"]),
    ("matmul-broadcast", lambda a, b: a @ b, [(2, 3, 4), (1, 4, 5)], ["MatMul"]),
    ("matmul-constant-right", lambda x: x @ MATRIX.t(), [(2, 4)], ["Linear"]),
    ("matmul-constant-left", lambda x: MATRIX @ x, [(4, 5)], ["MatMul"]),
    ("bmm", torch.bmm, [(3, 4), (4, 5)], ["MatMul"]),
    ("baddbmm", torch.baddbmm, [(3, 5), (3, 4), (4, 5)], ["MatMul", "Add"]),
    ("addmm", lambda x: torch.addmm(ROW, x, MATRIX), [(3,)], ["Linear"]),
    ("linear-function", lambda x: functional.linear(x, MATRIX, ROW[:3]), [(4,)], ["Linear"]),
    (
        "einsum",
        lambda a, b: torch.einsum("nij,nkj->nik", a, b),
        [(3, 4), (5, 4)],
        None,
    ),
]

SHAPES = [
    ("reshape", lambda x: x.reshape(x.shape[0], 6, 2), [(3, 4)], ["Reshape"]),
    ("view-minus-one", lambda x: x.view(-1, 4), [(3, 4)], ["Reshape"]),
    ("fold-batch", folded_shape_arithmetic, [(3, 4)], ["Reshape"]),
    ("flatten", lambda x: torch.flatten(x, 1), [(3, 4)], ["Reshape"]),
    ("unflatten", lambda x: x.unflatten(1, (3, 2)), [(6,)], ["Reshape"]),
    ("squeeze-unsqueeze", lambda x: x.unsqueeze(1).squeeze(1), [(3, 4)], []),
    ("squeeze-all", lambda x: x.squeeze(), [(1, 4, 1)], ["Reshape"]),
    ("transpose", lambda x: x.transpose(1, -1), [(3, 4)], ["Permute"]),
    ("permute", lambda x: x.permute(2, 0, -2), [(3, 4)], ["Permute"]),
    ("permute-twice", lambda x: x.mT.permute(0, 2, 1), [(3, 4)], []),
    ("t", lambda x: x.t(), [(3,)], ["Permute"]),
    ("movedim", lambda x: x.movedim(1, 2), [(3, 4)], ["Permute"]),
    ("expand", lambda x: x.expand(-1, 3, 4), [(1, 4)], ["Expand"]),
    ("expand-new-axis", lambda x: x.expand(2, *x.shape), [(3,)], ["Reshape", "Expand"]),
    ("expand-in-add", lambda a, b: a + b.expand_as(a), [(3, 4), (3, 1)], ["Add"]),
    (
        "expand-constant",
        lambda x: torch.cat([ROW.expand(x.shape[0], -1), x], 1),
        [(4,)],
        ["Reshape", "Expand", "Concat"],
    ),
    ("repeat-as-expand", lambda x: x.repeat(1, 3, 1), [(1, 4)], ["Expand"]),
    ("repeat", lambda x: x.repeat(1, 2, 3), [(2, 4)], ["Reshape", "Expand", "Reshape"]),
    ("repeat_interleave", lambda x: x.repeat_interleave(2, 1), [(3, 4)], None),
    ("slice", lambda x: x[:, 1:7:2], [(9, 2)], ["Slice"]),
    ("slice-negative", lambda x: x[:, -3:-1], [(9, 2)], ["Slice"]),
    ("slice-all", lambda x: x[:, :, :100], [(9, 2)], []),
    ("slice-batch-all", lambda x: x[:], [(9, 2)], []),
    ("focus", lambda x: torch.cat([x[..., ::2, ::2], x[..., 1::2, 1::2]], 1), [(2, 4, 4)], None),
    ("select", lambda x: x[:, -1], [(3, 4)], ["Slice", "Reshape"]),
    ("split", lambda x: x.split(2, 1), [(5, 2)], ["Slice"] * 3),
    ("split-unequal", lambda x: x.split([1, 3], -1), [(2, 4)], ["Slice"] * 2),
    ("split-one-used", lambda x: x.split(2, 1)[1], [(5, 2)], ["Slice"]),
    ("chunk", lambda x: x.chunk(2, 1), [(5, 2)], ["Slice"] * 2),
    ("unbind", lambda x: x.unbind(1), [(2, 3)], ["Slice", "Reshape"] * 2),
    ("cat", lambda a, b: torch.cat([a, b, a], -1), [(2, 3), (2, 4)], ["Concat"]),
    ("stack", lambda a, b: torch.stack([a, b], 1), [(3,), (3,)], ["Reshape"] * 2 + ["Concat"]),
    ("hstack", lambda a, b: torch.hstack([a, b]), [(3,), (2,)], ["Concat"]),
    ("flip", lambda x: x.flip(1, 2), [(3, 2)], None),
    ("roll", lambda x: x.roll((1, -2), (1, 2)), [(3, 5)], ["Slice", "Slice", "Concat"] * 2),
    ("pad", lambda x: functional.pad(x, (1, 2), value=-1), [(3, 4)], ["Pad"]),
    ("pad-channels", lambda x: functional.pad(x, (0, 0, 1, 2)), [(3, 4)], ["Pad"]),
    (
        "interpolate",
        lambda x: functional.interpolate(x, size=(6, 7)),
        [(2, 3, 5)],
        ["ResizeNearest"],
    ),
    (
        "max_pool-indices",
        lambda x: functional.max_pool2d(x, 2, return_indices=True)[0],
        [(2, 4, 4)],
        ["MaxPool"],
    ),
    ("zeros-of-the-batch", lambda x: torch.cat([x.new_zeros(x.shape[0], 2), x], 1), [(3,)], None),
    ("full", lambda x: x + torch.full((x.size(0), 1), 2.0), [(3,)], ["Add"]),
    ("arange", lambda x: x * torch.arange(3).float(), [(3,)], ["Mul"]),
]

CASES = [*ARITHMETIC, *PRODUCTS, *SHAPES]


@pytest.mark.parametrize(
    ("function", "shapes", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_function_computes_the_same(
    function: Callable[..., object], shapes: list[tuple[int, ...]], expected: list[str] | None
) -> None:
    graph = assert_captured(Function(function), *shapes)
    assert expected is None or kinds(graph) == expected


def test_division_by_a_constant_is_a_product_and_the_constant_stands_second() -> None:
    for function in (lambda x: x / 4, lambda x: 0.25 * x):
        graph = assert_captured(Function(function), (3,))
        (node,) = graph.nodes
        assert graph.constants[node.inputs[1].name] == 0.25


def test_parameters_on_the_right_of_a_product_are_transposed_weights() -> None:
    class Projection(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = nn.Parameter(torch.randn(4, 3))

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.matrix

    graph = assert_captured(Projection(), (4,))
    assert kinds(graph) == ["Linear"]
    assert graph.constants["matrix_t"].shape == (3, 4)


def test_a_transposed_parameter_keeps_its_name_and_layout() -> None:
    model = nn.Linear(4, 3)
    graph = assert_captured(Function(lambda x: x @ model.weight.t()), (4,))
    assert graph.nodes[0].op.__class__.__name__ == "Linear"


def test_what_torch_itself_cannot_trace_is_refused_by_name() -> None:
    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.rfft(x * 2).real.flatten(1)

    with pytest.raises(UnsupportedOpError, match="is not supported"):
        capture(Spectrum(), torch.zeros(2, 3, 8))
