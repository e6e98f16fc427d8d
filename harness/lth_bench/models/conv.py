"""Conv-2, Conv-4 and Conv-6 (Frankle & Carbin, 2019): scaled-down VGGs without batch norm."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from lth_bench.models.building import Init, initialise, require_size


@dataclass(frozen=True)
class Conv2:
    """Conv-2: 4,300,992 weights on CIFAR-10, 38,592 of them convolutional."""

    init: Init = "glorot_normal"
    """How weights are drawn."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Layers conv1, conv2, then fc1, fc2 and fc3."""
        return initialise(conv_net("conv2", (64,), input_shape, classes), self.init)


@dataclass(frozen=True)
class Conv4:
    """Conv-4: 2,425,024 weights on CIFAR-10, 259,776 of them convolutional."""

    init: Init = "glorot_normal"
    """How weights are drawn."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Layers conv1 to conv4, then fc1, fc2 and fc3."""
        return initialise(conv_net("conv4", (64, 128), input_shape, classes), self.init)


@dataclass(frozen=True)
class Conv6:
    """Conv-6: 2,261,184 weights on CIFAR-10, 1,144,512 of them convolutional."""

    init: Init = "glorot_normal"
    """How weights are drawn."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Layers conv1 to conv6, then fc1, fc2 and fc3."""
        return initialise(conv_net("conv6", (64, 128, 256), input_shape, classes), self.init)


def conv_net(
    model: str, blocks: tuple[int, ...], input_shape: tuple[int, int, int], classes: int
) -> nn.Sequential:
    """A block for each number of channels, then fully connected layers of 256 and 256 neurons.

    A block is two 3×3 convolutions, padded, with ReLU, then 2×2 max pooling.
    """
    require_size(model, input_shape, 2 ** len(blocks), f"{len(blocks)} poolings by 2")
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels, height, width = input_shape
    for i, out in enumerate(blocks, start=1):
        for j in (2 * i - 1, 2 * i):
            parts[f"conv{j}"] = nn.Conv2d(channels, out, 3, padding=1)
            parts[f"relu{j}"] = nn.ReLU()
            channels = out
        parts[f"pool{i}"] = nn.MaxPool2d(2)
        height, width = height // 2, width // 2
    parts["flatten"] = nn.Flatten()
    inputs = channels * height * width
    for i in (1, 2):
        parts[f"fc{i}"] = nn.Linear(inputs, 256)
        parts[f"fc_relu{i}"] = nn.ReLU()
        inputs = 256
    parts["fc3"] = nn.Linear(256, classes)
    return nn.Sequential(parts)
