"""What an example becomes on its way into a network, by the kind of input."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from lth_bench.data.splits import stats_of_counts


class Prepare(Protocol):
    """Called with a batch as the dataset has it, [N, …]; returns what the network is given."""

    def __call__(self, x: Tensor) -> Tensor: ...


class PreparePixels:
    """uint8 [N, C, H, W] to float32 with mean 0 and deviation 1 a channel."""

    def __init__(self, counts: Tensor, device: torch.device) -> None:
        """`counts` are the occurrences of each value in the training split, int64 [C, 256]."""
        mean, std = stats_of_counts(counts)
        # (x / 255 − mean) / std as one multiply and one add; a constant channel keeps std 1
        std = torch.where(std > 0, std, torch.ones_like(std))
        self._scale = (1 / (255 * std)).view(1, -1, 1, 1).to(device)
        self._shift = (-mean / std).view(1, -1, 1, 1).to(device)

    def __call__(self, x: Tensor) -> Tensor:
        return x.to(torch.float32).mul_(self._scale).add_(self._shift)


class PrepareFeatures:
    """Floating point [N, …] to float32, every feature with mean 0 and deviation 1.

    The difference is taken in the precision that the data has: of a year, say, the mean is a
    thousand times the deviation.
    """

    def __init__(self, train: Tensor, device: torch.device) -> None:
        """`train` is the training split, [N, …]. A constant feature keeps deviation 1."""
        x = train.double()
        # the deviation of equal numbers may be a rounding error above 0
        constant = x.amin(0) == x.amax(0)
        std = x.std(0, correction=0).masked_fill(constant, 1.0)
        self._mean = x.mean(0).to(train.dtype).to(device)
        self._scale = (1 / std).to(train.dtype).to(device)

    def __call__(self, x: Tensor) -> Tensor:
        return x.sub(self._mean).mul_(self._scale).to(torch.float32)


def as_float(x: Tensor) -> Tensor:
    """Features that are left as they are: float32."""
    return x.to(torch.float32)


def as_is(x: Tensor) -> Tensor:
    """Tokens."""
    return x
