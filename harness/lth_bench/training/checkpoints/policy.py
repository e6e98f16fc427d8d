"""When trainings save themselves in mid-way: from time to time, and before the process ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lth_bench.errors import Unwinding, UserError

EVERY = 60.0
"""Seconds of training between two checkpoints."""
VARIABLE = "LTH_BENCH_CHECKPOINT_SECONDS"


def checkpoint_seconds() -> float:
    """Seconds between checkpoints, as the environment has them. UserError for what is none."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        return EVERY
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise UserError(
            f"{VARIABLE} is the seconds between two checkpoints of a training, 0 or more, but got "
            f"{given!r}; unset it for {EVERY:g}"
        )
    return seconds


class Preempted(Unwinding):
    """The process was told to end, and its trainings have saved themselves."""


class CheckpointPolicy:
    """What the trainings of one process go by."""

    def __init__(self, every: float = EVERY) -> None:
        self.every = every
        self.preempted = False
        self._training = False

    def preempt(self) -> bool:
        """Ask the trainings to save themselves, after which `Preempted` is raised. False where
        none is under way, so that the process can end at once. For a signal handler.
        """
        if self._training:
            self.preempted = True
        return self._training

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Trainings are under way; what is finished is still kept before the process ends."""
        self._training = True
        try:
            yield
        finally:
            self._training = False
        if self.preempted:
            raise Preempted
