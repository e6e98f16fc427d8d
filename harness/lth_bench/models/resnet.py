"""Residual networks for CIFAR: ResNet-20, ResNet-56 and ResNet-18."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.models.building import Gamma, Init, initialise


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al., 2016).

    Where the shape changes, the shortcut is a 1x1 convolution with batch norm (option B): unlike
    the padded option A it takes part in structured pruning.
    """

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        """[N, before, H, W] to [N, width, H / stride, W / stride]."""
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class CifarResNet(nn.Module):
    """A 3x3 stem without pooling, stages of basic blocks, global pooling, one linear layer."""

    def __init__(self, channels: int, classes: int, widths: list[int], blocks: list[int]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        stages, before = [], widths[0]
        for i, (width, depth) in enumerate(zip(widths, blocks, strict=True)):
            strides = [1 if i == 0 else 2] + [1] * (depth - 1)
            stage = []
            for stride in strides:
                stage.append(BasicBlock(before, width, stride))
                before = width
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.fc = nn.Linear(before, classes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to logits [N, classes]."""
        out = self.stages(F.relu(self.bn1(self.conv1(x))))
        return self.fc(F.adaptive_avg_pool2d(out, 1).flatten(1))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ResNet20:
    """ResNet-20 (He et al., 2016, section 4.2): 3 stages of 3 blocks, 16-32-64 channels."""

    gamma_init: Gamma = 1.0
    """Start of batch norm's γ; Early-Bird's recipe has 0.5."""
    init: Init = "kaiming_normal"
    """Initial values of the weights."""

    blocks: ClassVar[int] = 3

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Takes [N, C, H, W], gives logits [N, classes]."""
        net = CifarResNet(input_shape[0], classes, [16, 32, 64], [self.blocks] * 3)
        return initialise(net, self.init, self.gamma_init)


@dataclass(frozen=True)
class ResNet56(ResNet20):
    """ResNet-56: 3 stages of 9 blocks, 16-32-64 channels."""

    blocks: ClassVar[int] = 9


@dataclass(frozen=True)
class ResNet18:
    """ResNet-18 with the CIFAR stem (3x3, no pooling): 64-128-256-512 channels."""

    gamma_init: Gamma = 1.0
    """Start of batch norm's γ; Early-Bird's recipe has 0.5."""
    init: Init = "kaiming_normal"
    """Initial values of the weights."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Takes [N, C, H, W], gives logits [N, classes]."""
        net = CifarResNet(input_shape[0], classes, [64, 128, 256, 512], [2] * 4)
        return initialise(net, self.init, self.gamma_init)
