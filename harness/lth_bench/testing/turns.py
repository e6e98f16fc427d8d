"""Experiments that run side by side and take turns, one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

T = TypeVar("T")
Swap = Callable[[], None]


class Turns:
    """Whose turn it is. Torch's global random state belongs to whoever has the turn."""

    def __init__(self, players: int) -> None:
        self._condition = threading.Condition()
        self._waiting = list(range(players))
        """Who is not done, the one whose turn it is first."""

    def begin(self, me: int) -> None:
        """Wait for the first turn."""
        with self._condition:
            self._condition.wait_for(lambda: self._waiting[0] == me)

    def swap(self, me: int) -> None:
        """Let the others have their turns first."""
        state = torch.get_rng_state()
        with self._condition:
            self._waiting.append(self._waiting.pop(0))
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._waiting[0] == me)
        torch.set_rng_state(state)

    def end(self, me: int) -> None:
        """Done."""
        with self._condition:
            self._waiting.remove(me)
            self._condition.notify_all()


def side_by_side(jobs: Sequence[Callable[[Swap], T]]) -> list[T]:
    """The jobs' results. Each calls the `swap` that it is given wherever others may go on."""
    turns = Turns(len(jobs))
    results: dict[int, T] = {}

    def run(me: int) -> None:
        torch.set_num_threads(1)
        turns.begin(me)
        try:
            results[me] = jobs[me](lambda: turns.swap(me))
        finally:
            turns.end(me)

    threads = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(len(jobs))]
    with torch.random.fork_rng(devices=[]):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return [results[i] for i in range(len(jobs))]
