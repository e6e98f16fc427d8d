"""A small MLP-Mixer."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.models.inputs import Patches, PatchSize, patches_of
from lth_bench.models.transformer import Size
from lth_bench.params import Range


@dataclass(frozen=True)
class MLPMixer:
    """MLP-Mixer (Tolstikhin et al., 2021), tiny by default: for 8×8 to 64×64 pixels.

    Each block mixes first the patches of every channel, then the channels of every patch, each by
    an MLP with GELU after a layer norm and added to what it read; the head reads the mean over the
    patches. Deviation: the patches' MLP has no last bias, which the norms would cancel. With the
    defaults on CIFAR-10 85,632 weights are prunable: all but biases and norms.
    """

    patch: PatchSize = 4
    """Side of a patch in pixels; it must divide both sides of the image."""
    width: Size = 64
    """Channels by which a patch is represented."""
    depth: Annotated[int, Range(1, 100)] = 4
    """Blocks."""
    tokens_mlp: Size = 32
    """Hidden neurons of the MLP over the patches."""
    _: KW_ONLY
    channels_mlp: Size = 128
    """Hidden neurons of the MLP over the channels."""

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Takes images [N, C, H, W]; gives logits [N, classes]."""
        places = patches_of("mlp_mixer", input_shape, self.patch)
        return MixerNet(self, Patches(input_shape[0], self.width, self.patch), places, classes)


class MixerNet(nn.Module):
    """Patches, blocks, norm, mean over the patches, head."""

    def __init__(self, config: MLPMixer, patches: Patches, places: int, outputs: int) -> None:
        super().__init__()
        self.patches = patches
        self.blocks = nn.Sequential(*(MixerBlock(config, places) for _ in range(config.depth)))
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to logits [N, classes]."""
        out: Tensor = self.head(self.norm(self.blocks(self.patches(x))).mean(1))
        return out


class MixerBlock(nn.Module):
    """Two MLPs: over the patches, and over the channels."""

    def __init__(self, config: MLPMixer, places: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(config.width), nn.LayerNorm(config.width)
        self.token_up = nn.Linear(places, config.tokens_mlp)
        # a bias would add one number to all channels of a patch, which the norms take off again
        self.token_down = nn.Linear(config.tokens_mlp, places, bias=False)
        self.channel_up = nn.Linear(config.width, config.channels_mlp)
        self.channel_down = nn.Linear(config.channels_mlp, config.width)

    def forward(self, h: Tensor) -> Tensor:
        """[N, patches, width] to the same."""
        mixed = self.token_down(F.gelu(self.token_up(self.norm1(h).transpose(1, 2))))
        h = h + mixed.transpose(1, 2)
        out: Tensor = h + self.channel_down(F.gelu(self.channel_up(self.norm2(h))))
        return out
