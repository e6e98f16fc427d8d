"""A cohort's batches. Each member's are a function of (seed, step) alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from lth_bench.training.graphs import captures
from lth_bench.training.input.resident import ResidentData
from lth_bench.training.input.streamed_batches import StreamedBatchSource
from lth_bench.training.input.streaming import StreamedData
from lth_bench.training.input.task_data import WHOLE, Share, TaskData
from lth_bench.training.recipe import Recipe


class BatchSource(Protocol):
    """Call `begin` with each slot's seed and start step, then `load` and `batch` for every step."""

    static: bool
    """Whether `batch` only operates on tensors at fixed addresses, so that it can be captured."""
    at_once: int
    """Maximum number of batches that one `load` prepares."""

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None: ...

    def load(self, done: int, steps: int = 1) -> None:
        """Prepare the batches of the next `steps` updates, after `done` updates; `steps` is at most
        `ahead(done)`.
        """

    def ahead(self, done: int) -> int:
        """How many batches one `load` can prepare after `done` updates. If more than one, each
        further call or replay of `batch` returns the next.
        """

    def batch(self) -> tuple[Any, Tensor]: ...


def make_batch_source(
    data: TaskData,
    recipe: Recipe,
    cohort_size: int,
    example_major: bool,
    *,
    share: Share = WHOLE,
) -> BatchSource:
    """The batch source for this kind of data; of `share` of every batch."""
    if isinstance(data, StreamedData):
        return StreamedBatchSource(data, recipe, cohort_size, example_major, share=share)
    assert isinstance(data, ResidentData)
    return ResidentBatchSource(data, recipe, cohort_size, example_major, share=share)


class ResidentBatchSource:
    """Gathers batches from data on the device. The rows and the augmentation of a whole epoch are
    looked up at once.

    On a GPU the position in the epoch is stored on the device and advanced by `batch`, so that
    within an epoch only the captured step is launched.
    """

    static = True

    def __init__(
        self,
        data: ResidentData,
        recipe: Recipe,
        cohort_size: int,
        example_major: bool,
        *,
        share: Share = WHOLE,
    ) -> None:
        self.data, self.recipe, self.cohort_size, self.example_major = (
            data,
            recipe,
            cohort_size,
            example_major,
        )
        self.per_epoch = recipe.steps_per_epoch(len(data.train))
        self._first, self._size = share.first(recipe.batch_size), share.size(recipe.batch_size)
        self._stays = captures(data.device)
        self.at_once = self.per_epoch if self._stays else 1
        self._change = data.augmenter(recipe)
        # row; then the augmentation's numbers
        self._kinds = 1 if self._change is None else 1 + self._change.numbers
        self._used = self.per_epoch * recipe.batch_size
        # a table [kind, slot, example of the epoch], and its slice for a step; on a GPU also each
        # slot's first example of the next step, and the offsets of a step's examples from it
        device = data.device
        self._table = torch.zeros(
            self._kinds, cohort_size, self._used, dtype=torch.int64, device=device
        )
        self._step = self._table[:, :, : self._size]
        self._place = torch.zeros(cohort_size, 1, dtype=torch.int64, device=device)
        self._span = torch.arange(self._size, device=device)[None]
        self._next: int | None = None
        """Number of updates before the device's current batch; None before the first."""
        self._epochs: list[tuple[int, int] | None] = [None] * cohort_size
        self._seeds: Sequence[int] = ()
        self._starts: Sequence[int] = ()

    def begin(self, seeds: Sequence[int], starts: Sequence[int]) -> None:
        """Set each slot's seed and start step."""
        self._seeds, self._starts, self._next = seeds, starts, None
        self._offsets = sorted({start % self.per_epoch for start in starts})

    def ahead(self, done: int) -> int:
        """Steps until the first slot reaches the end of its epoch."""
        if not self._stays:
            return 1
        return min(self.per_epoch - (o + done) % self.per_epoch for o in self._offsets)

    def load(self, done: int, steps: int = 1) -> None:
        """Prepare the batches of the next `steps` updates, after `done` updates."""
        if self._next != done or any((o + done) % self.per_epoch == 0 for o in self._offsets):
            self._fill(done)
        if not self._stays:
            self._slice(done)
        elif self._next != done:
            places = [[self._position(start, done)] for start in self._starts]
            self._place.copy_(torch.tensor(places))
        self._next = done + steps

    def _position(self, start: int, done: int) -> int:
        return (start + done) % self.per_epoch * self.recipe.batch_size + self._first

    def _slice(self, done: int) -> None:
        """Select the step's slice of the table, unless a captured graph reads the table itself."""
        size = self._size
        if len(self._offsets) == 1:
            place = self._position(self._starts[0], done)
            self._step = self._table[:, :, place : place + size]
            return
        places = [self._position(start, done) for start in self._starts]
        rows = [self._table[:, slot, at : at + size] for slot, at in enumerate(places)]
        self._step = torch.stack(rows, dim=1)

    def _fill(self, done: int) -> None:
        """Look up the slots' current epochs, grouped by seed because the data caches its last
        permutations.
        """
        for slot in sorted(range(self.cohort_size), key=lambda s: self._seeds[s]):
            seed, epoch = self._seeds[slot], (self._starts[slot] + done) // self.per_epoch
            if self._epochs[slot] == (seed, epoch):
                continue
            self._table[0, slot] = self.data.order(seed, epoch)[: self._used]
            if self._change is not None:
                drawn = self.data.augmentation(seed, epoch, self.recipe)
                self._table[1:, slot] = drawn[:, : self._used]
            self._epochs[slot] = (seed, epoch)

    def batch(self) -> tuple[Tensor, Tensor]:
        """Pixels [rows, C, H, W] and labels [rows] of all members, member- or example-major."""
        step = self._taken() if self._stays else self._step
        flat = step.transpose(1, 2) if self.example_major else step
        flat = flat.reshape(flat.shape[0], -1)
        train = self.data.train
        x = train.x.index_select(0, flat[0])
        if self._change is not None:
            x = self._change(x, flat[1:])
        return self.data.normalise(x), train.y.index_select(0, flat[0])

    def _taken(self) -> Tensor:
        """The step's slice of the table at the positions stored on the device, which are then
        advanced.
        """
        places = (self._place + self._span).expand(self._kinds, -1, -1)
        found = self._table.gather(2, places)
        # modulo the epoch, so that warm-up calls do not read past the end
        self._place.add_(self.recipe.batch_size).remainder_(self._used)
        return found
