"""A small vision transformer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.models.inputs import Patches, PatchSize, patches_of
from lth_bench.models.transformer import Block, Size, Transformer
from lth_bench.params import Range


@dataclass(frozen=True)
class ViT:
    """A vision transformer (Dosovitskiy et al., 2021), tiny by default: for 8×8 to 64×64 pixels.

    A class token is put before the patches, positions are learnt, blocks normalise before attention
    and MLP (GELU), and the head reads the class token. Deviations: keys have no bias, which softmax
    would cancel, and there is no dropout. With the defaults on CIFAR-10 134,784 weights are
    prunable: those of the patches' projection, of queries, keys, values and outputs, of the MLPs
    and of the head; class token, positions and norms are not.
    """

    patch: PatchSize = 4
    """Side of a patch in pixels; it must divide both sides of the image."""
    width: Size = 64
    """Numbers by which a patch is represented; a multiple of `heads`."""
    depth: Annotated[int, Range(1, 100)] = 4
    """Blocks."""
    heads: Annotated[int, Range(1, 256)] = 4
    """Heads of attention."""
    _: KW_ONLY
    mlp: Size = 128
    """Hidden neurons of a block's MLP."""

    def __post_init__(self) -> None:
        self._blocks()  # which checks that heads divide the width

    def _blocks(self) -> Transformer:
        return Transformer(
            depth=self.depth, width=self.width, heads=self.heads, mlp=self.mlp, causal=False
        )

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Takes images [N, C, H, W]; gives logits [N, classes]."""
        places = 1 + patches_of("vit", input_shape, self.patch)
        patches = Patches(input_shape[0], self.width, self.patch)
        return ViTNet(patches, self._blocks(), places, classes)


class ViTNet(nn.Module):
    """Patches and class token, positions, blocks, norm, head."""

    def __init__(self, patches: Patches, config: Transformer, places: int, outputs: int) -> None:
        super().__init__()
        self.patches = patches
        self.token = nn.Parameter(torch.empty(1, 1, config.width))
        self.position = nn.Parameter(torch.empty(1, places, config.width))
        self.blocks = nn.Sequential(*(GeluBlock(config) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, outputs)
        for parameter in (self.token, self.position):
            nn.init.normal_(parameter, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to logits [N, classes]."""
        h = self.patches(x)
        h = torch.cat([self.token.expand(len(h), -1, -1), h], 1) + self.position
        out: Tensor = self.head(self.norm(self.blocks(h)[:, 0]))
        return out


class GeluBlock(Block):
    """The transformer's block, with GELU in its MLP."""

    def forward(self, h: Tensor) -> Tensor:
        """[N, places, width] to the same."""
        h = h + self._attend(self.norm1(h))
        out: Tensor = h + self.down(F.gelu(self.up(self.norm2(h))))
        return out
