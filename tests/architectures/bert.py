"""BERT encoder (Devlin et al. 2019); module names after Hugging Face's, without its nesting."""

import torch
from torch import Tensor, nn
from torch.nn import functional

_EPS = 1e-12


class Embeddings(nn.Module):
    """Token, position and type embeddings, summed and normalised; every token has type 0."""

    position_ids: Tensor

    def __init__(self, vocabulary: int, max_tokens: int, width: int) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position_embeddings = nn.Embedding(max_tokens, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.layer_norm = nn.LayerNorm(width, eps=_EPS)
        self.register_buffer("position_ids", torch.arange(max_tokens)[None], persistent=False)

    def forward(self, token_ids: Tensor) -> Tensor:
        """Int64 (N, T) -> (N, T, width)."""
        positions = self.position_ids[:, : token_ids.shape[1]]
        words = self.word_embeddings(token_ids)
        types = self.token_type_embeddings(torch.zeros_like(token_ids))
        return self.layer_norm(words + types + self.position_embeddings(positions))


class SelfAttention(nn.Module):
    """Softmax(q k^T / sqrt(width / heads)) v for each head, then a linear layer."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) -> (N, T, width)."""
        q, k, v = (self._split(linear(x)) for linear in (self.query, self.key, self.value))
        attended = functional.scaled_dot_product_attention(q, k, v)
        return self.dense(attended.transpose(1, 2).reshape(x.shape))

    def _split(self, x: Tensor) -> Tensor:
        """(N, T, width) -> (N, heads, T, width / heads)."""
        batch, tokens, width = x.shape
        return x.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)


class Layer(nn.Module):
    """Post-norm attention and MLP with GELU."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = SelfAttention(width, heads)
        self.attention_norm = nn.LayerNorm(width, eps=_EPS)
        self.intermediate = nn.Linear(width, 4 * width)
        self.output = nn.Linear(4 * width, width)
        self.output_norm = nn.LayerNorm(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) -> (N, T, width)."""
        x = self.attention_norm(x + self.attention(x))
        return self.output_norm(x + self.output(functional.gelu(self.intermediate(x))))


class Bert(nn.Module):
    """BERT-Base, uncased, at the default arguments."""

    def __init__(
        self,
        *,
        vocabulary: int = 30522,
        max_tokens: int = 512,
        width: int = 768,
        heads: int = 12,
        depth: int = 12,
    ) -> None:
        super().__init__()
        self.embeddings = Embeddings(vocabulary, max_tokens, width)
        self.encoder = nn.Sequential(*(Layer(width, heads) for _ in range(depth)))
        self.pooler = nn.Linear(width, width)

    def forward(self, token_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Int64 (N, T) -> every token's state (N, T, width) and the pooled first (N, width)."""
        states = self.encoder(self.embeddings(token_ids))
        return states, torch.tanh(self.pooler(states[:, 0]))
