"""A cohort's batches if its data is streamed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lth_bench.training.input.streaming import StreamedData
from lth_bench.training.input.task_data import WHOLE, Share
from lth_bench.training.recipe import Recipe


@dataclass(frozen=True)
class _Epoch:
    """Lookups for one epoch of a seed, on the device."""

    labels: Tensor
    """int64 [N], in the epoch's order."""
    augmentation: Tensor
    """int64 [numbers, N]; see `TaskData.augmentation`."""


class StreamedBatchSource:
    """Copies batches that were read ahead to fixed addresses, so that everything after it can be
    captured.

    Slots at the same seed and step share one read.
    """

    static = True
    at_once = 1

    def __init__(
        self,
        data: StreamedData,
        recipe: Recipe,
        cohort_size: int,
        example_major: bool,
        *,
        share: Share = WHOLE,
    ) -> None:
        self.data, self.recipe, self.cohort_size, self.share = data, recipe, cohort_size, share
        self.per_epoch = recipe.steps_per_epoch(len(data.train))
        self._change = data.augmenter(recipe)
        data.expect(cohort_size)

        def rows(dtype: torch.dtype, *shape: int) -> tuple[Tensor, tuple[Tensor, ...]]:
            """All members' rows in the network's order, and a view for each slot."""
            size = share.size(recipe.batch_size)
            leading = (size, cohort_size) if example_major else (cohort_size, size)
            whole = torch.zeros((*leading, *shape), dtype=dtype, device=data.device)
            return whole.flatten(0, 1), whole.unbind(1 if example_major else 0)

        self._x, self._slots_x = rows(torch.uint8, *data.train.x.shape[1:])
        self._y, self._slots_y = rows(torch.int64)
        numbers = 0 if self._change is None else self._change.numbers
        self._drawn, self._slots_drawn = rows(torch.int64, numbers)
        self._epochs: dict[tuple[int, int], _Epoch] = {}
        self._seeds: Sequence[int] = ()
        self._starts: Sequence[int] = ()

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None:
        """Set each slot's seed and start step."""
        self._seeds, self._starts = seeds, starts

    def ahead(self, done: int) -> int:
        """Always 1: batches are prepared one at a time."""
        return 1

    def load(self, done: int, steps: int = 1) -> None:
        """Prepare the batch of the update that follows `done` updates."""
        assert steps == 1
        batch_size, share = self.recipe.batch_size, self.share
        used = {}
        for slot, (seed, start) in enumerate(zip(self._seeds, self._starts, strict=True)):
            epoch, position = divmod(start + done, self.per_epoch)
            used[seed, epoch] = about = self._epochs.get((seed, epoch)) or self._about(seed, epoch)
            self._epochs[seed, epoch] = about
            first = position * batch_size + share.first(batch_size)
            part = slice(first, first + share.size(batch_size))
            pixels = self.data.host_pixels(start + done, seed, self.recipe, share)
            self._slots_x[slot].copy_(pixels, non_blocking=True)
            self._slots_y[slot].copy_(about.labels[part])
            if self._change is not None:
                self._slots_drawn[slot].copy_(about.augmentation[:, part].T)
        self._epochs = used

    def _about(self, seed: int, epoch: int) -> _Epoch:
        data, drawn = self.data, torch.empty(0)
        if self._change is not None:
            drawn = data.augmentation(seed, epoch, self.recipe)
        return _Epoch(data.train.y[data.order(seed, epoch)], drawn)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Pixels [rows, C, H, W] and labels [rows] of all members, member- or example-major."""
        x = self._x
        if self._change is not None:
            x = self._change(x, self._drawn.T)
        return self.data.normalise(x), self._y
