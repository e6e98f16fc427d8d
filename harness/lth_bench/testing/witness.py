"""Records callbacks, lent tensors and interrupted trainings of an experiment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from lth_bench.errors import Unwinding
from lth_bench.training.checkpoints.checkpoint import CheckpointStore, TrainingCheckpoint
from lth_bench.training.keys import hash_tensors
from lth_bench.training.request import Change, OnStep, StepView, Until, Watch


@dataclass(kw_only=True)
class Callbacks:
    """Counts for one experiment."""

    steps: list[int] = field(default_factory=list)
    """Steps since the start of training at which `on_step` was called."""
    changes: list[int] = field(default_factory=list)
    """Those at which it returned a `Change`."""
    rewires: bool = False
    """Whether a training had an `on_step`."""
    watches: int = 0
    """Calls of `until`."""
    remembers: int = 0
    """Those after which its memo was not empty."""
    stops: int = 0
    """Those that stopped a training."""
    searches: bool = False
    """Whether a training had an `until`."""

    def missing(self, since: int = 0) -> str:
        """Which callback did nothing that could be judged, and what it did; "" for none.

        `since` is the number of steps since the start of training after which an `on_step` must
        change something.
        """
        if self.rewires and not any(step >= since for step in self.changes):
            if not self.steps:
                return "on_step was never called"
            when = f" from step {since} of a training on" if since and self.changes else ""
            return f"on_step changed nothing{when}"
        if self.searches and not self.stops and self.remembers < 2:
            return "until ended no training" if self.watches else "until was never called"
        return ""

    def counted(self, on_step: OnStep, start: int) -> OnStep:
        """The same callback, with its calls counted."""
        self.rewires = True

        def count(view: StepView) -> Change | None:
            answer = on_step(view)
            self.steps.append(view.step - start)
            if answer is not None:
                self.changes.append(view.step - start)
            return answer

        return count

    def watched(self, until: Until) -> Until:
        """The same callback, with its calls counted."""
        self.searches = True

        def watch(view: Watch) -> bool:
            stopped = until(view)
            self.watches += 1
            self.remembers += bool(view.memo)
            self.stops += bool(stopped)
            return stopped

        return watch


Tensors = Mapping[str, Tensor]


class Ledger:
    """Tensors with their digests at the time they were lent."""

    def __init__(self) -> None:
        self._lent: list[tuple[str, Tensors, dict[str, str]]] = []
        self._seen: list[str] = []

    def lend(self, what: str, tensors: Tensors) -> None:
        """Record these tensors as they are now, for the rest of the experiment."""
        self._lent.append((what, tensors, _digests(tensors)))

    @contextmanager
    def watching(self, *things: tuple[str, Tensors]) -> Iterator[None]:
        """Record tensors lent for one call only."""
        before = [(what, tensors, _digests(tensors)) for what, tensors in things]
        try:
            yield
        finally:
            for what, tensors, digests in before:
                self._compare(what, tensors, digests)

    def changed(self) -> list[str]:
        """What was changed since it was lent, by name and tensor. Each change is reported once."""
        for what, tensors, digests in self._lent:
            self._compare(what, tensors, digests)
        found = list(dict.fromkeys(self._seen))
        if found:
            self._seen.clear()
            self._lent = [(w, t, _digests(t)) for w, t, _ in self._lent]
        return found

    def _compare(self, what: str, tensors: Tensors, digests: dict[str, str]) -> None:
        now = _digests(tensors)
        odd = [key for key in digests if now.get(key) != digests[key]]
        if odd:
            self._seen.append(f"{what}: {', '.join(map(repr, odd[:3]))}" + ", …" * (len(odd) > 3))


def _digests(tensors: Tensors) -> dict[str, str]:
    return {key: hash_tensors({key: tensor}) for key, tensor in tensors.items()}


AFTER = (2, 4)
"""Steps after which a training is stopped; those of the tiny task have six at most."""
MOST = 8
"""Stops of an experiment: it is played once more after each."""


class Stopped(Unwinding):
    """The process has ended. Strategies catch no such thing."""


class StoppingStore(CheckpointStore):
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
