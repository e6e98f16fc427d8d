"""VGG with batch norm in its CIFAR form: one linear layer after the convolutions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from lth_bench.models.building import Gamma, Init, initialise, require_size


@dataclass(frozen=True)
class VGG16BN:
    """VGG-16 (Simonyan & Zisserman, 2015) with batch norm: 13 convolutions, 5 poolings, 14.7M
    weights on CIFAR-10.
    """

    gamma_init: Gamma = 1.0
    """Start of batch norm's γ; Early-Bird's recipe has 0.5."""
    init: Init = "kaiming_normal"
    """Initial values of the weights."""

    stages: ClassVar[tuple[tuple[int, int], ...]] = (
        (64, 2), (128, 2), (256, 3), (512, 3), (512, 3),
    )  # fmt: skip
    """Channels and number of convolutions before each pooling."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Takes [N, C, H, W] of at least 32x32, gives logits [N, classes]."""
        require_size(type(self).__name__, input_shape, 32, "five poolings")
        parts: list[nn.Module] = []
        channels = input_shape[0]
        for width, count in self.stages:
            for _ in range(count):
                parts += [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
                parts += [nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
            parts.append(nn.MaxPool2d(2))
        parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]
        return initialise(nn.Sequential(*parts), self.init, self.gamma_init)


@dataclass(frozen=True)
class VGG19BN(VGG16BN):
    """VGG-19 with batch norm: 16 convolutions, 20.0M weights on CIFAR-10."""

    stages: ClassVar[tuple[tuple[int, int], ...]] = (
        (64, 2), (128, 2), (256, 4), (512, 4), (512, 4),
    )  # fmt: skip
