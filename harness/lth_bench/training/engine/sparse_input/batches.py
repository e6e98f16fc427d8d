"""One member's batches, without the background."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from lth_bench.training.input.resident import ResidentData
from lth_bench.training.input.sparse_images import SparseImages, SparseLabelledBatch
from lth_bench.training.input.task_data import TaskData
from lth_bench.training.recipe import Recipe

AHEAD = 16
"""Batches prepared at a time, when the data is in memory."""


class SparseBatchSource:
    """Prepares several batches at a time and keeps as many as fit, since all trainings of a seed
    use the same batches. An epoch of MNIST takes 140 MB. Bits do not depend on where the data is
    stored.
    """

    static = False
    at_once = 1

    def __init__(self, data: TaskData, recipe: Recipe, dtype: torch.dtype) -> None:
        assert data.background is not None
        self._data, self._background, self._recipe = data, data.background, recipe
        self._dtype, self._size = dtype, recipe.batch_size
        self._per_epoch = recipe.steps_per_epoch(len(data.train))
        self._seed, self._start = 0, 0
        self._kept: Mapping[int, SparseLabelledBatch] = {}
        self._ready: dict[int, SparseLabelledBatch] = {}
        self._now: SparseLabelledBatch | None = None

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None:
        """The member's seed and start step."""
        (self._seed,), (self._start,) = seeds, starts
        self._ready = {}
        if isinstance(self._data, ResidentData):
            self._kept = self._data.kept.use(self._name)

    @property
    def _name(self) -> tuple[int, int, torch.dtype]:
        return self._seed, self._size, self._dtype

    def ahead(self, done: int) -> int:
        """Always 1: batches are prepared one at a time."""
        return 1

    def load(self, done: int, steps: int = 1) -> None:
        """Prepare the batch of the update that follows `done` updates."""
        assert steps == 1
        step = self._start + done
        found = self._kept.get(step) or self._ready.get(step)
        self._now = found or self._prepare(step)

    def _prepare(self, step: int) -> SparseLabelledBatch:
        data = self._data
        if isinstance(data, ResidentData):
            self._ready = self._prepared(data, step)
            data.kept.add(self._name, self._ready)
        else:
            x = data.pixels(step, self._seed, self._recipe)
            shades = self._background.shades.to(self._dtype)
            images = SparseImages(x, self._background.value, shades)
            (batch,) = images.batches(torch.arange(len(x)), len(x))
            epoch, position = divmod(step, self._per_epoch)
            rows = torch.split(data.order(self._seed, epoch), self._size)[position]
            self._ready = {step: (batch, data.train.y.index_select(0, rows))}
        return self._ready[step]

    def _prepared(self, data: ResidentData, step: int) -> dict[int, SparseLabelledBatch]:
        epoch, position = divmod(step, self._per_epoch)
        # always grouped the same way, wherever a training starts
        first = position - position % AHEAD
        last = min(first + AHEAD, self._per_epoch)
        rows = data.order(self._seed, epoch)[first * self._size : last * self._size]
        labels = torch.split(data.train.y.index_select(0, rows), self._size)
        images = data.train.without_background(self._background, self._dtype)
        made = zip(images.batches(rows, self._size), labels, strict=True)
        return {step - position + first + i: batch for i, batch in enumerate(made)}

    def batch(self) -> SparseLabelledBatch:
        """The images and their labels [N]."""
        assert self._now is not None
        return self._now
