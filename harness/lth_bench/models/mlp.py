"""Fully connected networks."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

from torch import nn

from lth_bench.models.building import Init, initialise
from lth_bench.params import Range

Width = Annotated[int, Range(1, 1_000_000)]


@dataclass(frozen=True)
class MLP:
    """Linear layers with ReLU between them, on the flattened input."""

    hidden: tuple[Width, ...] = (300, 100)
    """Widths of the hidden layers; empty for a linear classifier."""
    width: Annotated[float, Range(0, 1000, open_low=True)] = 1.0
    """Factor on every hidden width, rounded, for width sweeps."""
    dropout: Annotated[float, Range(0, 1, open_high=True)] = 0.0
    """Probability that a hidden activation is dropped in training."""
    init: Init = "glorot_normal"
    """Initial values of the weights."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Layers fc1, fc2, … on the flattened [N, C, H, W]; logits [N, classes]."""
        hidden = [max(1, round(n * self.width)) for n in self.hidden]
        sizes = [math.prod(input_shape), *hidden]
        parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes), start=1):
            parts[f"fc{i}"] = nn.Linear(fan_in, fan_out)
            parts[f"relu{i}"] = nn.ReLU()
            if self.dropout:
                parts[f"dropout{i}"] = nn.Dropout(self.dropout)
        parts[f"fc{len(sizes)}"] = nn.Linear(sizes[-1], classes)
        return initialise(nn.Sequential(parts), self.init)


@dataclass(frozen=True)
class LeNet300100:
    """LeNet-300-100 (LeCun et al., 1998): 266,200 weights on MNIST."""

    init: Init = "glorot_normal"
    """Initial values of the weights; Frankle & Carbin (2019) have Gaussian Glorot."""

    def build(self, input_shape: tuple[int, int, int], classes: int) -> nn.Module:
        """Takes [N, C, H, W], gives logits [N, classes]."""
        return MLP(hidden=(300, 100), init=self.init).build(input_shape, classes)
