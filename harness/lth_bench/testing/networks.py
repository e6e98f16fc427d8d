"""The tiny networks that strategies are tested on, one for each typical difficulty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.models.building import initialise

NetworkKind = Literal["linear", "conv", "batch_norm", "residual"]
DEAD = "dead"
"""Name of the dead layer, in a network that has one."""


@dataclass(frozen=True)
class TinyNetwork:
    """A model like those of suites, of a few hundred weights.

    - `linear`: two linear layers; no convolution, no norm.
    - `conv`: two convolutions with biases and a linear layer; no norm.
    - `batch_norm`: two convolutions with batch norm and a linear layer.
    - `residual`: a stem, a block of two convolutions around which the input is added, a linear
      layer; no norm, so that what trips here are the coupled channels.
    """

    kind: NetworkKind = "batch_norm"
    """Which of these networks."""
    dead: bool = False
    """Add a layer `dead` with zero weights whose input, and so whose gradient, is zero too."""

    def build(self, input_shape: tuple[int, ...], classes: int) -> nn.Module:
        """Maps [N, C, H, W] to logits [N, classes]."""
        if self.kind == "linear":
            body: nn.Module = _linear(input_shape)
            width, conv = 8, False
        else:
            body = {"conv": _conv, "batch_norm": _batch_norm, "residual": _Residual}[self.kind](
                input_shape[0]
            )
            width, conv = 6, True
        module = initialise(_Tiny(body, width, conv, classes, self.dead), "kaiming_normal")
        if self.dead:
            nn.init.zeros_(module.dead.weight)  # type: ignore[arg-type, union-attr]
        return module


class _Tiny(nn.Module):
    """A body, optionally a dead layer beside it, and the output layer."""

    def __init__(self, body: nn.Module, width: int, conv: bool, classes: int, dead: bool) -> None:
        super().__init__()
        self.body = body
        self.dead: nn.Module | None = None
        if dead:
            layer: Callable[..., nn.Module] = nn.Conv2d if conv else nn.Linear
            options = {"kernel_size": 1} if conv else {}
            self.dead = layer(width, width, bias=False, **options)
        self.conv = conv
        self.fc = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        if self.dead is not None:
            out = out + self.dead(0 * out)
        if self.conv:
            out = F.adaptive_avg_pool2d(out, 1).flatten(1)
        return self.fc(out)  # type: ignore[no-any-return]


def _linear(input_shape: tuple[int, ...]) -> nn.Module:
    channels, height, width = input_shape
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * height * width, 8), nn.ReLU())


def _conv(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.ReLU(),
    )


def _batch_norm(channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
    )


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 6, 3, padding=1)
        self.conv1 = nn.Conv2d(6, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.stem(x)), 2)
        return F.relu(x + self.conv2(F.relu(self.conv1(x))))
