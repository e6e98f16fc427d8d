"""A `fit` that waits for its answer: who asked for it, what it may take, what is charged to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import torch

from lth_bench.errors import OutOfTime
from lth_bench.system.blame import ends_the_run
from lth_bench.training.request import FitRequest
from lth_bench.training.state import OnEval, Outcome


@dataclass(frozen=True, kw_only=True)
class FitContext:
    """Who asks for trainings, and how their answers are waited for. An experiment has one, and
    passes it with each of its fits.
    """

    experiment_id: str = ""
    """The experiment that pays for what is trained; "" where that does not matter."""
    wait: Callable[[PendingFit], None] | None = None
    """Returns once the fit is done, as where experiments run side by side; None trains it at once,
    alone."""
    identity: Mapping[str, object] = field(default_factory=dict)
    """The strategy's name, source and parameters: what decides what its callbacks do."""
    common_starts: frozenset[int] = frozenset()
    """Steps besides 0 that many trainings start from, since tickets are rewound to them."""


ALONE = FitContext()
"""No experiment asks, and none runs beside."""


@dataclass(eq=False)
class PendingFit:
    """A `fit` that waits. Several may wait for parts of one and the same training."""

    request: FitRequest
    on_eval: OnEval | None = None
    _: KW_ONLY
    context: FitContext = ALONE
    key: str = ""
    """Its content address; "" where it has none."""
    training: str = ""
    """The address without the end: fits that share it are parts of one training."""
    callbacks: Mapping[str, object] | None = None
    """Identifies the request's callbacks; None where it has none."""
    reused: bool = False
    """Whether nothing was trained for it alone."""
    begun: int = 0
    """Steps that an earlier run has done of it, and has kept."""
    checkpoint_key: str = ""
    """The address under which they are kept."""
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

    def found(self, outcome: Outcome) -> None:
        """It is trained already; where that was for this experiment, it pays."""
        payer = self.context.experiment_id
        self.outcome, self.reused = outcome, not payer or outcome.owner != payer

    @property
    def searches(self) -> bool:
        """Whether others may wait for parts of the same training, each until it has seen enough."""
        return self.request.until is not None

    @property
    def done(self) -> bool:
        """Whether it has its answer."""
        return self.outcome is not None or self.error is not None


class charged_to:
    """Attributes exceptions raised in this block to these fits."""

    def __init__(self, asked: Sequence[PendingFit]) -> None:
        self.asked = asked

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None or isinstance(error, torch.OutOfMemoryError) or ends_the_run(error):
            return False  # an interrupt and the device's memory concern all fits
        for asked in self.asked:
            asked.error = error
        return True


class calling:
    """A fit's own code runs inside: its time is its own, and the watchdog knows whose it is."""

    def __init__(self, asked: PendingFit) -> None:
        self.asked = asked

    def __enter__(self) -> None:
        if self.asked.tell is not None:
            self.asked.tell(True)
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.asked.own += time.perf_counter() - self._began
        if self.asked.tell is not None:
            self.asked.tell(False)
