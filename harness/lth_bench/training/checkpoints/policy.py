"""When running trainings write checkpoints: periodically, and before the process ends."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from lth_bench.errors import Unwinding, UserError

EVERY = 60.0
"""Seconds of training between checkpoints."""
VARIABLE = "LTH_BENCH_CHECKPOINT_SECONDS"


def checkpoint_seconds() -> float:
    """Seconds between checkpoints, from the environment. UserError for an invalid value."""
    given = os.environ.get(VARIABLE, "")
    if not given:
        return EVERY
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise UserError(
            f"{VARIABLE} must be the seconds between a training's checkpoints, 0 or more, but got "
            f"{given!r}; unset it for the default, {EVERY:g}"
        )
    return seconds


class Preempted(Unwinding):
    """The process was told to end, and its trainings have written checkpoints."""


class CheckpointPolicy:
    """Checkpointing of all trainings in one process."""

    def __init__(self, every: float = EVERY) -> None:
        self.every = every
        self.preempted = False
        self._training = False

    def preempt(self) -> bool:
        """Ask the trainings to write checkpoints and then raise `Preempted`. Returns False if none
        is running, so that the process can end at once. Safe in a signal handler.
        """
        if self._training:
            self.preempted = True
        return self._training

    @contextlib.contextmanager
    def training(self) -> Iterator[None]:
        """Marks a block that trains. A training that finishes is still stored before the process
        ends.
        """
        self._training = True
        try:
            yield
        finally:
            self._training = False
        if self.preempted:
            raise Preempted
