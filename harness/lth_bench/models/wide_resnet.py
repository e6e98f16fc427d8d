"""Wide residual networks (Zagoruyko & Komodakis, 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from lth_bench.models.building import Gamma, Init, initialise
from lth_bench.params import Range


@dataclass(frozen=True, kw_only=True)
class WideResNet:
    """WRN-depth-width for CIFAR; WRN-22-2 by default, RigL's network (Evci et al., 2020)."""

    depth: Annotated[int, Range(10)] = 22
    """Layers, 6n + 4: three stages of n blocks."""
    width: Annotated[int, Range(1)] = 2
    """Factor on the stages' 16, 32 and 64 channels."""
    dropout: Annotated[float, Range(0, 1, open_high=True)] = 0.0
    """Probability that a value between a block's convolutions is dropped in training."""
    init: Init = "kaiming_normal"
    """How weights are drawn."""
    gamma_init: Gamma = 1.0
    """Batch norm's scale at the start."""

    def __post_init__(self) -> None:
        if self.depth % 6 != 4:
            low = self.depth - (self.depth - 4) % 6
            raise ValueError(
                f"depth must be 6n + 4 (10, 16, 22, 28, …), but got {self.depth}; the nearest are "
                f"{low} and {low + 6}"
            )

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Layers conv1, stage1.0.conv1, …, fc."""
        net = PreActivationNet(
            input_shape[0], classes, self.width, (self.depth - 4) // 6, self.dropout
        )
        return initialise(net, self.init, self.gamma_init)


class PreActivationBlock(nn.Module):
    """Batch norm, ReLU and 3×3 convolution, twice; a 1×1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut: nn.Conv2d | None = None
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, ⌈H / stride⌉, ⌈W / stride⌉]."""
        active = F.relu(self.bn1(x))
        # a convolution on the shortcut reads the activated input, as in the authors' code
        passed = x if self.shortcut is None else self.shortcut(active)
        out = self.dropout(F.relu(self.bn2(self.conv1(active))))
        added: Tensor = self.conv2(out) + passed
        return added


class PreActivationNet(nn.Module):
    """A 3×3 stem of 16 channels, three stages of blocks, batch norm and a linear layer."""

    def __init__(
        self, channels: int, classes: int, width: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        inputs = 16
        stages = []
        for i, outputs in enumerate((16 * width, 32 * width, 64 * width)):
            stage = nn.Sequential()
            for j in range(blocks):
                stride = 2 if i > 0 and j == 0 else 1
                stage.append(PreActivationBlock(inputs, outputs, stride, dropout))
                inputs = outputs
            stages.append(stage)
        self.stage1, self.stage2, self.stage3 = stages
        self.bn = nn.BatchNorm2d(inputs)
        self.fc = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to logits [N, classes]."""
        x = self.stage3(self.stage2(self.stage1(self.conv1(x))))
        logits: Tensor = self.fc(F.relu(self.bn(x)).mean((2, 3)))
        return logits
