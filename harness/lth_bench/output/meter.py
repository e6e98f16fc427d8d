"""How far a run is, and how long what is left will take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any


class Meter:
    """Planned and finished work in steps. Trainings that are found count as finished at once."""

    def __init__(self) -> None:
        self.weights: dict[str, int] = {}
        self.expected: float | None = None
        self.done_steps = 0
        self.done = 0
        self.failed = 0
        self.trained_steps = 0
        self._counted: dict[str, int] = {}
        self._tickets: set[str] = set()
        self.began = time.monotonic()
        self._moved = self.began

    def start(self, weights: Mapping[str, int], expected: float | None, elapsed: float) -> None:
        """Of a run that began so many seconds ago, and is expected to take so many."""
        self.weights, self.expected = dict(weights), expected
        self.began = self._moved = time.monotonic() - elapsed

    def add(self, weights: Mapping[str, int]) -> None:
        """More is planned. What was expected to be left grows with it."""
        before = self.total
        self.weights |= weights
        if self.expected is not None and before:
            self.expected *= self.total / before

    @property
    def total(self) -> int:
        return sum(self.weights.values())

    def ticket(self, record: Mapping[str, Any]) -> None:
        """A finished round counts once: an experiment that changes the worker repeats it."""
        if record["ticket_id"] in self._tickets:
            return
        self._tickets.add(record["ticket_id"])
        identity = record["experiment_id"]
        weight, before = self.weights.get(identity, 0), self._counted.get(identity, 0)
        step = min(int(record["cost"]["steps"]), weight - before)
        self._counted[identity] = before + step
        self._move(step)

    def finished(self, record: Mapping[str, Any]) -> None:
        """An experiment's end: what remained of its weight is done too."""
        identity = record["experiment_id"]
        weight = self.weights.get(identity, 0)
        self._move(weight - self._counted.get(identity, 0))
        self._counted[identity] = weight
        self.done += 1
        self.failed += record["status"] not in ("ok", "skipped")

    def _move(self, steps: int) -> None:
        if steps:
            self.done_steps += steps
            self._moved = time.monotonic()

    def remaining(self) -> float | None:
        """Seconds left, or None while that would be a guess.

        At first what earlier runs let expect; the more is done, the more the rate so far counts.
        Between rounds, which is when it is learnt, it counts down.
        """
        now = time.monotonic()
        elapsed, share = now - self.began, self.done_steps / max(1, self.total)
        if self.expected is not None:
            total = (1 - share) * self.expected + (self._moved - self.began)
            left = (1 - share) * total - (now - self._moved)
            if left > 0 or share in (0, 1):
                return left if left > 0 else None
        if share < 0.1 or elapsed < 3:
            return None
        return elapsed * (1 - share) / share

    def rate(self) -> float:
        """Steps a second that were really trained."""
        return self.trained_steps / max(1e-9, time.monotonic() - self.began)
