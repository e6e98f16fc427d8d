"""The batches of one member, less the background."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from lth_bench.devices import cores, host_memory
from lth_bench.training.recipe import Recipe
from lth_bench.training.resident import ResidentData
from lth_bench.training.sparse_input.images import SparseBatch

AHEAD = 16
"""Batches prepared at a time."""
KEPT, SHARE = 2**30, 1 / 8
"""Bytes of batches that are kept, at most, and at most which share of the memory a core has."""

Batch = tuple[SparseBatch, Tensor]


class SparseFeed:
    """Prepares some batches at a time, and keeps as many as there is room for: every training of a
    seed has the same ones. An epoch of MNIST takes 140 MB.
    """

    static = False

    def __init__(self, data: ResidentData, recipe: Recipe, dtype: torch.dtype) -> None:
        assert data.background is not None
        self._data, self._size = data, recipe.batch_size
        self._per_epoch = recipe.steps_per_epoch(len(data.train))
        self._images = data.train.without_background(data.background, dtype)
        self._room = min(KEPT, int(SHARE * host_memory() / cores()))
        self._kept: dict[int, dict[int, Batch]] = {}
        self._bytes: dict[int, int] = {}
        self._seed, self._start = 0, 0
        self._ready: dict[int, Batch] = {}
        self._now: Batch | None = None

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None:
        """The member's seed and the step that it starts from."""
        (self._seed,), (self._start,) = seeds, starts
        self._ready = {}
        # the last used stays longest
        self._kept[self._seed] = self._kept.pop(self._seed, {})

    def load(self, done: int) -> None:
        """Get the batch of the update after `done` updates ready."""
        step = self._start + done
        found = self._kept[self._seed].get(step) or self._ready.get(step)
        self._now = found or self._prepare(step)

    def _prepare(self, step: int) -> Batch:
        epoch, position = divmod(step, self._per_epoch)
        # always the same ones together, wherever a training starts
        first = position - position % AHEAD
        last = min(first + AHEAD, self._per_epoch)
        rows = self._data.order(self._seed, epoch)[first * self._size : last * self._size]
        labels = torch.split(self._data.train.y.index_select(0, rows), self._size)
        made = zip(self._images.batches(rows, self._size), labels, strict=True)
        self._ready = {step - position + first + i: batch for i, batch in enumerate(made)}
        self._keep(self._ready)
        return self._ready[step]

    def _keep(self, batches: dict[int, Batch]) -> None:
        size = sum(x.by_image.bytes + x.by_pixel.bytes for x, _ in batches.values())
        for seed in [s for s in self._kept if s != self._seed]:
            if sum(self._bytes.values()) + size > self._room:
                del self._kept[seed]
                self._bytes.pop(seed, 0)
        if sum(self._bytes.values()) + size <= self._room:
            self._kept[self._seed].update(batches)
            self._bytes[self._seed] = self._bytes.get(self._seed, 0) + size

    def batch(self) -> Batch:
        """The images and their labels [N]."""
        assert self._now is not None
        return self._now
