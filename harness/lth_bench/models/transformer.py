"""A small transformer on sequences of tokens."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from lth_bench.errors import UserError
from lth_bench.models.building import require_tokens
from lth_bench.params import Range

Size = Annotated[int, Range(1, 65_536)]


@dataclass(frozen=True)
class Transformer:
    """A transformer (Vaswani et al., 2017), tiny by default; its linear layers are prunable.

    Blocks normalise before attention and MLP, and positions are learnt. Where targets are tokens it
    answers at every place; otherwise once, from the last place if `causal` and else from the mean
    over the places.
    """

    depth: Annotated[int, Range(1, 100)] = 1
    """Blocks."""
    width: Size = 64
    """Numbers by which a token is represented; a multiple of `heads`."""
    heads: Annotated[int, Range(1, 256)] = 4
    """Heads of attention."""
    mlp: Size = 256
    """Hidden neurons of a block's MLP."""
    _: KW_ONLY
    causal: bool = True
    """Whether a place sees only those up to it (decoder), or all of them (encoder)."""
    dropout: Annotated[float, Range(0, 1, open_high=True)] = 0.0
    """Probability that a number is dropped before it is added to a block's sum."""

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ValueError(
                f"width must be a multiple of heads, but got width = {self.width} and heads = "
                f"{self.heads}"
            )

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Takes int64 [N, T]; gives logits [N, T, classes] or [N, classes]."""
        shape = require_tokens("transformer", input_shape)
        if shape.targets == "tokens" and not self.causal:
            raise UserError(
                "transformer: with causal = false a place sees the token that it is to predict; "
                "leave causal out where targets are tokens"
            )
        return TransformerNet(self, shape[0], shape.vocabulary, classes, shape.targets == "tokens")


class TransformerNet(nn.Module):
    """Embedding, blocks, norm, head."""

    def __init__(
        self, config: Transformer, places: int, vocabulary: int, outputs: int, everywhere: bool
    ) -> None:
        super().__init__()
        self.causal, self.everywhere = config.causal, everywhere
        self.embedding = nn.Embedding(vocabulary, config.width)
        self.position = nn.Embedding(places, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, outputs, bias=False)
        for embedding in (self.embedding, self.position):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, tokens: Tensor) -> Tensor:
        places = torch.arange(tokens.shape[1], device=tokens.device)
        h = self.embedding(tokens) + self.position(places)
        for block in self.blocks:
            h = block(h)
        if not self.everywhere:
            h = h[:, -1] if self.causal else h.mean(1)
        out: Tensor = self.head(self.norm(h))
        return out


class Block(nn.Module):
    """Attention and an MLP, each added to what it reads."""

    def __init__(self, config: Transformer) -> None:
        super().__init__()
        self.heads, self.causal = config.heads, config.causal
        self.norm1 = nn.LayerNorm(config.width)
        self.query, self.value, self.out = (nn.Linear(config.width, config.width) for _ in range(3))
        # a bias would add one number to all scores of a query, which softmax takes off again
        self.key = nn.Linear(config.width, config.width, bias=False)
        self.norm2 = nn.LayerNorm(config.width)
        self.up = nn.Linear(config.width, config.mlp)
        self.down = nn.Linear(config.mlp, config.width)
        self.dropout = nn.Dropout(config.dropout) if config.dropout else nn.Identity()

    def forward(self, h: Tensor) -> Tensor:
        """[N, T, width] to the same."""
        h = h + self.dropout(self._attend(self.norm1(h)))
        hidden = torch.relu(self.up(self.norm2(h)))
        out: Tensor = h + self.dropout(self.down(hidden))
        return out

    def _attend(self, h: Tensor) -> Tensor:
        n, places, width = h.shape
        # [N, heads, T, width / heads]
        q, k, v = (
            part(h).view(n, places, self.heads, -1).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )
        # written out: torch.func has no stacked form of the fused one
        scores = q @ k.transpose(2, 3) / math.sqrt(width / self.heads)
        if self.causal:
            later = torch.ones(places, places, dtype=torch.bool, device=h.device).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        mixed = scores.softmax(3) @ v
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(n, places, width))
        return out
