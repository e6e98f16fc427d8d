"""The batches of a cohort: each member's own, a function of (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from lth_bench.training.data import TaskData, augment
from lth_bench.training.graphs import captures
from lth_bench.training.recipe import Recipe
from lth_bench.training.resident import ResidentData
from lth_bench.training.streamed_feed import StreamedFeed
from lth_bench.training.streaming import StreamedData


class Feed(Protocol):
    """`begin` with each slot's seed and first step; then `load` and `batch` for every step."""

    static: bool
    """Whether `batch` is made of operations on tensors that stay where they are."""

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None: ...
    def load(self, done: int) -> None: ...
    def batch(self) -> tuple[Any, Tensor]: ...


def make_feed(data: TaskData, recipe: Recipe, width: int, example_major: bool) -> Feed:
    """The feed of a data source."""
    if isinstance(data, StreamedData):
        return StreamedFeed(data, recipe, width, example_major)
    assert isinstance(data, ResidentData)
    return ResidentFeed(data, recipe, width, example_major)


class ResidentFeed:
    """Gathers from data on the device. What changes from step to step is which rows, and the
    draws of the augmentation: both are looked up once an epoch.
    """

    static = True

    def __init__(self, data: ResidentData, recipe: Recipe, width: int, example_major: bool) -> None:
        self.data, self.recipe, self.width, self.example_major = data, recipe, width, example_major
        self.per_epoch = recipe.steps_per_epoch(len(data.train))
        self._stays = captures(data.device)
        self._augments = bool(recipe.crop or recipe.flip)
        kinds = 4 if self._augments else 1  # row; then offset down, offset right, flipped
        used = self.per_epoch * recipe.batch_size
        # one table [kind, slot, example of the epoch], and its slice for the step
        self._table = torch.zeros(kinds, width, used, dtype=torch.int64, device=data.device)
        self._step = self._table[:, :, : recipe.batch_size].clone()
        self._epochs: list[tuple[int, int] | None] = [None] * width
        self._seeds: Sequence[int] = ()
        self._starts: Sequence[int] = ()

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None:
        """Each slot's seed and the step that it starts from."""
        self._seeds, self._starts = seeds, starts

    def load(self, done: int) -> None:
        """Get the batch of the update after `done` updates ready."""
        size = self.recipe.batch_size
        places = []
        for slot, (seed, start) in enumerate(zip(self._seeds, self._starts, strict=True)):
            epoch, position = divmod(start + done, self.per_epoch)
            if self._epochs[slot] != (seed, epoch):
                self._fill(slot, seed, epoch)
            places.append(position * size)
        if len(set(places)) == 1:
            part = self._table[:, :, places[0] : places[0] + size]
            if self._stays:
                self._step.copy_(part)
            else:
                self._step = part  # nothing was captured that would miss the old place
            return
        rows = [self._table[:, slot, at : at + size] for slot, at in enumerate(places)]
        self._step = torch.stack(rows, dim=1, out=self._step if self._stays else None)

    def _fill(self, slot: int, seed: int, epoch: int) -> None:
        used = self._table.shape[2]
        self._table[0, slot] = self.data.order(seed, epoch)[:used]
        if self._augments:
            self._table[1:, slot] = self.data.draws(seed, epoch, self.recipe)[:, :used]
        self._epochs[slot] = (seed, epoch)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Pixels [rows, C, H, W] and labels [rows] of all members, member- or example-major."""
        flat = self._step.transpose(1, 2) if self.example_major else self._step
        flat = flat.reshape(flat.shape[0], -1)
        train = self.data.train
        x = train.x.index_select(0, flat[0])
        if self._augments:
            x = augment(x, self.recipe.crop, flat[1], flat[2], flat[3])
        return self.data.normalise(x), train.y.index_select(0, flat[0])
