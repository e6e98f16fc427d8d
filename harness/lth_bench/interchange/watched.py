"""What `measure` is doing, and how long what is left will take."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from lth_bench.interchange.timing import Tell


@dataclass(frozen=True, kw_only=True)
class Doing:
    """What is done at a moment."""

    number: int
    """Of the ticket, from 1."""
    tickets: int
    name: str
    """Of the ticket: label, task, density and seed."""
    share: float = 0.0
    """Of the whole work, in [0, 1]."""
    what: str = ""
    """Batch size, form and round, in words; empty before a ticket's first and after its last."""
    seconds_left: float | None = None
    """None until every batch size that is left has been timed once."""


def unwatched(doing: Doing) -> None:
    """Takes it and does nothing."""


class Watched:
    """Tells of one ticket after another, at one batch size after another, what is being done.

    Batch sizes take very different times, tickets of a size similar ones: a size is expected to
    take what its tickets took so far on the average.
    """

    def __init__(self, sizes: Sequence[Sequence[int]], now: Callable[[Doing], None]) -> None:
        """Of the batch sizes of each ticket in turn."""
        self.number = 0
        self._sizes, self._now = [list(one) for one in sizes], now
        self._all = sum(map(len, sizes))
        self._took: dict[int, list[float]] = {}
        self._doing = Doing(number=0, tickets=len(sizes), name="")

    def begin(self, name: str) -> None:
        """The next ticket."""
        self.number += 1
        self._doing = replace(self._doing, number=self.number, name=name)
        self._tell("reading it")

    @contextmanager
    def size(self, batch_size: int) -> Iterator[Tell]:
        """The ticket is timed at a batch size; takes what is done meanwhile."""
        began = time.monotonic()
        head = f"batch of {batch_size}"
        yield lambda what, share: self._tell(
            f"{head}: {what}", share, size=batch_size, so_far=time.monotonic() - began
        )
        self._took.setdefault(batch_size, []).append(time.monotonic() - began)
        self._sizes[self.number - 1].remove(batch_size)

    def end(self) -> None:
        """The ticket is done, whether it could be timed or not."""
        self._sizes[self.number - 1].clear()
        self._tell("")

    def _tell(
        self, what: str, share: float = 0.0, *, size: int | None = None, so_far: float = 0.0
    ) -> None:
        left = [one for sizes in self._sizes for one in sizes]
        done = (self._all - len(left) + share) / self._all
        seconds = self._left(left, size, so_far)
        self._now(replace(self._doing, what=what, share=done, seconds_left=seconds))

    def _left(self, sizes: Sequence[int], size: int | None, so_far: float) -> float | None:
        """Of `sizes`, `size` is being timed for `so_far` seconds."""
        if not self._took.keys() >= set(sizes):
            return None
        mean = {one: math.fsum(took) / len(took) for one, took in self._took.items()}
        # one that takes longer than the others says nothing of those after it
        spent = 0.0 if size is None else min(so_far, mean[size])
        return max(0.0, math.fsum(mean[one] for one in sizes) - spent)
