"""A small convolutional network with batch norm, for images of a few pixels."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from lth_bench.models.building import Gamma, Init, initialise, require_size


@dataclass(frozen=True)
class ConvBN:
    """Three 3×3 convolutions (16, 32, 32 channels) with batch norm: 14,288 weights on digits."""

    init: Init = "kaiming_normal"
    """How weights are drawn."""
    gamma_init: Gamma = 1.0
    """Batch norm's scale at the start."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Layers conv1, conv2, conv3 with bn1, bn2, bn3, and fc on the mean over positions."""
        require_size("conv_bn", input_shape, 2, "one pooling by 2")
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        channels = input_shape[0]
        for i, out in enumerate((16, 32, 32), start=1):
            parts[f"conv{i}"] = nn.Conv2d(channels, out, 3, padding=1, bias=False)
            parts[f"bn{i}"] = nn.BatchNorm2d(out)
            parts[f"relu{i}"] = nn.ReLU()
            if i == 1:
                # early, for speed: 200 steps on digits take 0.6 s on one core, unpooled 1.5 s
                parts["pool"] = nn.MaxPool2d(2)
            channels = out
        parts["mean"] = nn.AdaptiveAvgPool2d(1)
        parts["flatten"] = nn.Flatten()
        parts["fc"] = nn.Linear(channels, classes)
        return initialise(nn.Sequential(parts), self.init, self.gamma_init)
