"""A small one-dimensional convolutional network."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from itertools import pairwise
from typing import Annotated

from torch import Tensor, nn

from lth_bench.data.info import InputShape
from lth_bench.errors import UserError
from lth_bench.models.building import Gamma, Init, initialise
from lth_bench.models.inputs import Sequence
from lth_bench.params import Range

Channels = Annotated[int, Range(1, 65_536)]
Kernel = Annotated[int, Range(1, 1023)]


@dataclass(frozen=True)
class Conv1D:
    """The fully convolutional network for time series of Wang, Yan & Oates (2017), smaller.

    Each convolution keeps the length and is followed by batch norm and ReLU; the head reads the
    mean over the places. The paper has 128, 256 and 128 channels and a first kernel of 8, which has
    no middle. On digits' rows the defaults have 18,496 prunable weights. Places are the rows of an
    image, tokens (embedded), or the first dimension of features [T, F] or [T].
    """

    channels: tuple[Channels, ...] = (32, 64, 32)
    """Channels of the convolutions, from input to output."""
    kernels: tuple[Kernel, ...] = (7, 5, 3)
    """Their kernel sizes, odd numbers."""
    embedding: Channels = 32
    """Width of the embedding of tokens; without effect on other inputs."""
    _: KW_ONLY
    init: Init = "kaiming_normal"
    """Distribution of the initial weights."""
    gamma_init: Gamma = 1.0
    """Initial scale γ of batch norm."""

    def __post_init__(self) -> None:
        if not self.channels or len(self.channels) != len(self.kernels):
            raise ValueError(
                f"channels and kernels must have one number for each convolution, but got "
                f"{len(self.channels)} and {len(self.kernels)}"
            )
        even = [kernel for kernel in self.kernels if kernel % 2 == 0]
        if even:
            raise ValueError(f"kernels must be odd, so that they have a middle, but got {even[0]}")

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Takes images, tokens or features; gives logits [N, classes]."""
        if InputShape.of(input_shape).targets == "tokens":
            raise UserError(
                "conv1d answers once for a whole sequence, but the targets are tokens at every "
                "place; choose another model, such as transformer or lstm"
            )
        net = Conv1DNet(self, Sequence("conv1d", input_shape, self.embedding), classes)
        return initialise(net, self.init, self.gamma_init)


class Conv1DNet(nn.Module):
    """Convolutions over the places, mean over them, head."""

    def __init__(self, config: Conv1D, sequence: Sequence, outputs: int) -> None:
        super().__init__()
        self.sequence = sequence
        blocks = []
        sizes = pairwise((sequence.width, *config.channels))
        for (before, after), kernel in zip(sizes, config.kernels, strict=True):
            conv = nn.Conv1d(before, after, kernel, padding=kernel // 2, bias=False)
            blocks.append(nn.Sequential(conv, nn.BatchNorm1d(after), nn.ReLU()))
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(config.channels[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Examples [N, …] to logits [N, classes]."""
        h = self.blocks(self.sequence(x).transpose(1, 2))
        out: Tensor = self.head(h.mean(2))
        return out
