"""A `fit` that waits for its answer: what it may take, and what is charged to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from lth_bench.errors import OutOfTime
from lth_bench.system.blame import ends_the_run
from lth_bench.training.outcome import OnEval, Outcome
from lth_bench.training.request import FitRequest


@dataclass(eq=False)
class Asked:
    """A `fit` that waits. Several may wait for parts of one and the same training."""

    request: FitRequest
    on_eval: OnEval | None = None
    key: str = ""
    """Its content address; "" where it has none."""
    memo: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    error: BaseException | None = None
    left: float = float("inf")
    """Seconds that it may take; beyond them it is out of time."""
    spent: float = 0.0
    """Seconds that it took: its share of the cohorts that it stood in."""
    limit: float = float("inf")
    """What its experiment may take in all, as the error says."""
    tell: Callable[[bool], None] | None = None
    """Hears when a callback of its own begins, and when that ends."""
    own: float = 0.0
    """Seconds of its callbacks since they were last charged."""

    def spend(self, seconds: float) -> None:
        """Take some time, perhaps more than there is."""
        self.spent += seconds
        if self.spent > self.left:
            self.error = OutOfTime(self.limit)

    @property
    def done(self) -> bool:
        """Whether it has its answer."""
        return self.outcome is not None or self.error is not None


class charged_to:
    """Attributes exceptions raised in this block to these fits."""

    def __init__(self, asked: Sequence[Asked]) -> None:
        self.asked = asked

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None or isinstance(error, torch.OutOfMemoryError) or ends_the_run(error):
            return False  # an interrupt and the device's memory are everybody's
        for asked in self.asked:
            asked.error = error
        return True


class calling:
    """A fit's own code runs inside: its time is its own, and the watchdog knows whose it is."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def __enter__(self) -> None:
        if self.asked.tell is not None:
            self.asked.tell(True)
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.asked.own += time.perf_counter() - self._began
        if self.asked.tell is not None:
            self.asked.tell(False)
