"""A dataset on the device: uint8 pixels, whole batches gathered, normalised and augmented there.

No loader and no worker: on the small networks of this field, per-image conversion costs more
than the training step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from lth_bench.data.arrays import Arrays
from lth_bench.data.splits import channel_stats, split
from lth_bench.training.randomness import generator
from lth_bench.training.recipe import Recipe


@dataclass(frozen=True)
class Split:
    """Examples of one split: x uint8 [N, C, H, W], y int64 [N], on the device."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return self.y.numel()


class ResidentData:
    """The training and validation splits of a task on a device. The test split is not here."""

    def __init__(self, arrays: Arrays, val_size: int, device: torch.device) -> None:
        train, val = split(len(arrays.train_y), arrays.train_y, val_size, arrays.fingerprint())
        self.train = Split(arrays.train_x[train].to(device), arrays.train_y[train].to(device))
        self.val = Split(arrays.train_x[val].to(device), arrays.train_y[val].to(device))
        mean, std = channel_stats(arrays.train_x[train])
        # (x / 255 − mean) / std as one multiply and one add; a constant channel keeps std 1
        std = torch.where(std > 0, std, torch.ones_like(std))
        self._scale = (1 / (255 * std)).view(1, -1, 1, 1).to(device)
        self._shift = (-mean / std).view(1, -1, 1, 1).to(device)
        self.device = device
        channels, height, width = arrays.train_x.shape[1:]
        self.input_shape = (channels, height, width)
        self.classes = arrays.classes
        self.order = lru_cache(maxsize=4)(self._order)

    def normalise(self, x: Tensor) -> Tensor:
        """uint8 pixels [N, C, H, W] to float32 with mean 0 and deviation 1 a channel."""
        return x.to(torch.float32).mul_(self._scale).add_(self._shift)

    def _order(self, seed: int, epoch: int) -> Tensor:
        """The epoch's permutation of the training split, int64 [N] on the device."""
        n = len(self.train)
        return torch.randperm(n, generator=generator("order", seed, epoch)).to(self.device)

    def batch(self, step: int, seed: int, recipe: Recipe) -> tuple[Tensor, Tensor]:
        """The batch of the update that leads from `step` to `step + 1`: float [N, C, H, W], [N].

        A pure function of (seed, step) and the batch size, so that a training that starts late
        continues with the data that the dense run would have seen.
        """
        per_epoch = recipe.steps_per_epoch(len(self.train))
        epoch, position = divmod(step, per_epoch)
        start = position * recipe.batch_size
        index = self.order(seed, epoch)[start : start + recipe.batch_size]
        x = self.train.x.index_select(0, index)
        if recipe.crop or recipe.flip:
            x = _augment(x, recipe, generator("augment", seed, step))
        return self.normalise(x), self.train.y.index_select(0, index)


def _augment(x: Tensor, recipe: Recipe, draws: torch.Generator) -> Tensor:
    """Per-image random crop and flip of uint8 [N, C, H, W], padded with black."""
    n, channels, height, width = x.shape
    pad = recipe.crop
    rows = torch.arange(height).expand(n, -1)
    columns = torch.arange(width).expand(n, -1)
    if recipe.flip:
        flipped = torch.rand(n, 1, generator=draws) < 0.5
        columns = torch.where(flipped, width - 1 - columns, columns)
    if pad:
        x = F.pad(x, (pad, pad, pad, pad))
        offsets = torch.randint(0, 2 * pad + 1, (2, n, 1), generator=draws)
        rows, columns = rows + offsets[0], columns + offsets[1]
    image = torch.arange(n, device=x.device)[:, None, None, None]
    channel = torch.arange(channels, device=x.device)[None, :, None, None]
    rows, columns = rows.to(x.device), columns.to(x.device)
    return x[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
