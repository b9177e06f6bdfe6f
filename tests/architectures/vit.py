"""Vision transformer (Dosovitskiy et al. 2021); module names as in torchvision."""

from collections import OrderedDict
from functools import partial

import torch
from torch import Tensor, nn

_LayerNorm = partial(nn.LayerNorm, eps=1e-6)


class EncoderBlock(nn.Module):
    """Pre-norm attention and MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = _LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = _LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) -> (N, T, width)."""
        y = self.ln_1(x)
        attended, _ = self.self_attention(y, y, y, need_weights=False)
        x = x + attended
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Position embedding, `depth` blocks and the last norm."""

    def __init__(self, tokens: int, width: int, heads: int, depth: int) -> None:
        super().__init__()
        self.pos_embedding = nn.Parameter(torch.empty(1, tokens, width).normal_(std=0.02))
        self.layers = nn.Sequential(
            OrderedDict((f"encoder_layer_{i}", EncoderBlock(width, heads)) for i in range(depth))
        )
        self.ln = _LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, width) -> (N, T, width)."""
        return self.ln(self.layers(x + self.pos_embedding))


class VisionTransformer(nn.Module):
    """ViT-Tiny (Touvron et al. 2021) at the default arguments."""

    def __init__(
        self,
        *,
        image_size: int = 224,
        patch_size: int = 16,
        width: int = 192,
        heads: int = 3,
        depth: int = 12,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        patches = (image_size // patch_size) ** 2
        self.conv_proj = nn.Conv2d(3, width, patch_size, stride=patch_size)
        self.class_token = nn.Parameter(torch.empty(1, 1, width).normal_(std=0.02))
        self.encoder = Encoder(patches + 1, width, heads, depth)
        self.heads = nn.Sequential(OrderedDict(head=nn.Linear(width, num_classes)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, image_size, image_size) -> logits (N, num_classes)."""
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        class_token = self.class_token.expand(x.shape[0], -1, -1)
        tokens = self.encoder(torch.cat([class_token, patches], dim=1))
        return self.heads(tokens[:, 0])
