"""A dataset on the device: whole batches gathered, normalised and augmented there.

There is no data loader: for this field's small networks, converting images one by one costs more
than the training step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from lth_bench.data.arrays import Arrays
from lth_bench.data.splits import count_values, train_and_val
from lth_bench.training.input.prepare import Prepare, PrepareFeatures, as_float, as_is
from lth_bench.training.input.sparse_images import KEPT, KeptBatches, SparseImages
from lth_bench.training.input.task_data import Background, Examples, TaskData
from lth_bench.training.recipe import Recipe


@dataclass(frozen=True)
class ResidentSplit:
    """One split's examples on the device: x and y as `Arrays` has them."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def without_background(self, background: Background, dtype: torch.dtype) -> SparseImages:
        """The normalised images without their background; computed once."""
        known = self._sparse.get(dtype)
        if known is None or known[0] is not background:
            shades = background.shades.to(dtype)
            known = self._sparse[dtype] = (
                background,
                SparseImages(self.x, background.value, shades),
            )
        return known[1]

    @cached_property
    def _sparse(self) -> dict[torch.dtype, tuple[Background, SparseImages]]:
        return {}

    def take(self, index: Tensor) -> ResidentSplit:
        """The examples at positions int64 [n], as a new split."""
        return ResidentSplit(self.x[index], self.y[index])


class ResidentData(TaskData):
    """A task's training and validation splits, stored entirely on its device."""

    train: ResidentSplit
    val: ResidentSplit

    def __init__(
        self, arrays: Arrays, val_size: int, device: torch.device, keep: int = KEPT
    ) -> None:
        """`keep`: bytes of prepared batches that may be cached for later trainings."""
        train, val = train_and_val(arrays.train_y, arrays.targets, val_size, arrays.fingerprint())
        x = arrays.train_x[train]
        self.train = ResidentSplit(x.to(device), arrays.train_y[train].to(device))
        self.val = ResidentSplit(arrays.train_x[val].to(device), arrays.train_y[val].to(device))
        self.kept = KeptBatches(keep)
        if arrays.inputs == "images":
            super().__init__(arrays.info, device, counts=count_values(x))
        else:
            super().__init__(arrays.info, device, _prepare(arrays, x, device))

    def with_splits(self, train: Examples, val: Examples) -> Self:
        """Other examples on the device, prepared as these are."""
        other = super().with_splits(train, val)
        other.kept = KeptBatches(KEPT)
        return other

    def pixels(self, step: int, seed: int, recipe: Recipe) -> Tensor:
        """The batch's images, gathered on the device."""
        epoch, position = divmod(step, recipe.steps_per_epoch(len(self.train)))
        part = slice(position * recipe.batch_size, (position + 1) * recipe.batch_size)
        return self.train.x.index_select(0, self.order(seed, epoch)[part])


def _prepare(arrays: Arrays, train_x: Tensor, device: torch.device) -> Prepare:
    """Of inputs that are no images; `train_x` without the validation part."""
    if arrays.inputs == "tokens":
        return as_is
    return PrepareFeatures(train_x, device) if arrays.standardise else as_float
