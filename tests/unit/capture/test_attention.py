"""Attention in the forms that networks write it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from intact.capture.aten_linear import MASKED
from intact.capture.export import capture
from intact.errors import UnsupportedOpError
from intact.ir import float_ops as ops
from tests.unit.capture.checks import Function, assert_captured, draw, kinds, randomize

QKV = [(2, 5, 4)] * 3
ALLOWED = torch.ones(5, 5).tril().bool()
BIAS = torch.linspace(-1, 1, 25).reshape(5, 5)

SDPA: list[tuple[str, Callable[..., object]]] = [
    ("plain", functional.scaled_dot_product_attention),
    ("scale", lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, scale=0.3)),
    ("causal", lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, is_causal=True)),
    ("boolean", lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, ALLOWED)),
    ("bias", lambda q, k, v: functional.scaled_dot_product_attention(q, k, v, BIAS)),
    (
        "infinite",
        lambda q, k, v: functional.scaled_dot_product_attention(
            q, k, v, torch.zeros(5, 5).masked_fill(~ALLOWED, float("-inf"))
        ),
    ),
]


@pytest.mark.parametrize("function", [case[1] for case in SDPA], ids=[case[0] for case in SDPA])
def test_scaled_dot_product_attention_is_taken_apart(function: Callable[..., object]) -> None:
    graph = assert_captured(Function(function), *QKV)
    names = [node.name for node in graph.nodes]
    assert [name for name in names if name != "mask"] == [
        "scale", "permute", "scores", "softmax", "context",
    ]  # fmt: skip
    assert all(array.min() >= MASKED for array in graph.constants.values())


def test_a_large_negative_addend_that_is_no_mask_is_kept() -> None:
    graph = assert_captured(Function(lambda x: x + torch.tensor([-20000.0, 1.0])), (2,))
    assert graph.constants["add.constant"].tolist() == [-20000, 1]


def test_sequences_of_different_length() -> None:
    assert_captured(
        Function(functional.scaled_dot_product_attention), (2, 3, 4), (2, 7, 4), (2, 7, 6)
    )


def test_a_float_mask_may_be_an_input() -> None:
    graph = assert_captured(Function(functional.scaled_dot_product_attention), *QKV, (1, 5, 5))
    assert "Add" in kinds(graph)


def test_a_boolean_mask_may_not_be_an_input() -> None:
    inputs = (*draw(*QKV), torch.ones(2, 1, 5, 5, dtype=torch.bool))
    with pytest.raises(UnsupportedOpError, match="must be of floats"):
        capture(Function(functional.scaled_dot_product_attention), inputs)


@pytest.mark.parametrize("fill", [float("-inf"), -1e9, torch.finfo(torch.float32).min])
def test_masked_scores_of_a_hand_written_attention(fill: float) -> None:
    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ k.transpose(-2, -1) / 2
        return scores.masked_fill(~ALLOWED, fill).softmax(-1) @ v

    graph = assert_captured(Function(attention), *QKV)
    assert kinds(graph) == ["Permute", "MatMul", "Mul", "Add", "Softmax", "MatMul"]
    assert [n.name for n in graph.nodes if isinstance(n.op, ops.MatMul)] == ["scores", "context"]


class SelfAttention(nn.Module):
    def __init__(self, *, need_weights: bool, mask: Tensor | None, **options: bool) -> None:
        super().__init__()
        self.need_weights = need_weights
        self.mask = mask
        self.attn = nn.MultiheadAttention(6, 2, dropout=0.1, batch_first=True, **options)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        result, weights = self.attn(x, x, x, need_weights=self.need_weights, attn_mask=self.mask)
        return result if weights is None else (result, weights)


@pytest.mark.parametrize("mask", [None, ~ALLOWED, BIAS], ids=["free", "boolean", "float"])
@pytest.mark.parametrize("need_weights", [False, True], ids=["alone", "weights"])
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
def test_multihead_attention_in_both_modes(
    mode: str, need_weights: bool, mask: Tensor | None, bias: bool
) -> None:
    model = randomize(SelfAttention(need_weights=need_weights, mask=mask, bias=bias))
    graph = assert_captured(model, (5, 6))
    if mode == "train":
        again = capture(model.train(), draw((5, 6)))
        assert [node.op for node in again.nodes] == [node.op for node in graph.nodes]
        assert model.attn.training
    names = {node.name for node in graph.nodes}
    assert {
        "attn.in_proj", "attn.scores", "attn.softmax", "attn.dropout", "attn.context",
        "attn.out_proj", "attn",
    } <= names  # fmt: skip
    assert set(graph.constants) >= {"attn.in_proj_weight", "attn.out_proj.weight"}


def test_attention_to_other_sequences() -> None:
    class Cross(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attn = nn.MultiheadAttention(6, 3, kdim=4, vdim=5, batch_first=True)

        def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return self.attn(q, k, v)[0]

    assert_captured(randomize(Cross()), (3, 6), (7, 4), (7, 5))


@pytest.mark.parametrize("norm_first", [False, True])
def test_the_layers_of_a_transformer_encoder_show(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 8, 0.1, batch_first=True, norm_first=norm_first)
    graph = assert_captured(randomize(layer), (5, 6))
    assert {"self_attn", "linear1", "linear2", "norm1"} <= {node.name for node in graph.nodes}
    assert kinds(graph).count("Dropout") == 4


def test_a_transformer_encoder_with_a_causal_mask() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 8, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    mask = nn.Transformer.generate_square_subsequent_mask(5)

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, x: Tensor) -> Tensor:
            return self.encoder(x, mask, is_causal=True)

    graph = assert_captured(randomize(Model()), (5, 6))
    assert "encoder.layers.1.self_attn.scores" in {node.name for node in graph.nodes}
