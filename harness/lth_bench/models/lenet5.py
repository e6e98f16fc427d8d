"""LeNet-5 in the form that pruning papers use."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from torch import nn

from lth_bench.models.building import Init, initialise, require_size


@dataclass(frozen=True)
class LeNet5:
    """Caffe's LeNet-5: 5×5 convolutions of 20 and 50 channels; 430,500 weights on MNIST."""

    init: Init = "glorot_normal"
    """How weights are drawn."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Layers conv1, conv2, fc1 (500 neurons) and fc2. Convolutions are not padded."""
        require_size("lenet5", input_shape, 16, "two 5×5 convolutions, each pooled by 2")
        channels, height, width = input_shape
        rows, columns = (((size - 4) // 2 - 4) // 2 for size in (height, width))
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv1=nn.Conv2d(channels, 20, 5),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(20, 50, 5),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(50 * rows * columns, 500),
            relu3=nn.ReLU(),
            fc2=nn.Linear(500, classes),
        )
        return initialise(nn.Sequential(parts), self.init)
