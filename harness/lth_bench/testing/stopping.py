"""Trainings that end in mid-way, as in a worker that is killed, with a checkpoint on disk."""

from __future__ import annotations

from pathlib import Path

from lth_bench.errors import Ending
from lth_bench.training.checkpoints.checkpoint import CheckpointStore, TrainingCheckpoint

AFTER = (2, 4)
"""Steps after which a training is stopped; those of the tiny task have six at most."""
MOST = 8
"""Stops of an experiment: it is played once more after each."""


class Stopped(Ending):
    """The process has ended. Strategies catch no such thing."""


class Stopping(CheckpointStore):
    """Checkpoints, after some of which the process ends. Each is written and read as always."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._seen: set[tuple[str, int]] = set()

    @property
    def stops(self) -> int:
        """How often the process has ended."""
        return len(self._seen)

    def put(self, key: str, checkpoint: TrainingCheckpoint) -> None:
        """Keep the state of a training; Stopped where it is one to stop after, the first time."""
        super().put(key, checkpoint)
        place = (key, checkpoint.head.done)
        if checkpoint.head.done in AFTER and place not in self._seen and self.stops < MOST:
            self._seen.add(place)
            raise Stopped
