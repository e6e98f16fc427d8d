"""A `fit` that waits for its result: who requested it, its time limit, and what it is charged."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from lth_bench.errors import OutOfTime
from lth_bench.system.blame import ends_the_run
from lth_bench.training.request import FitRequest
from lth_bench.training.state import OnEval, Outcome

if TYPE_CHECKING:
    from lth_bench.training.dispatch.workbench import Workbench


@dataclass(frozen=True, kw_only=True)
class FitContext:
    """Who requests trainings, and how to wait for them. Each experiment has one and passes it to
    all of its fits.
    """

    experiment_id: str = ""
    """The experiment that pays for what is trained; "" if that does not matter."""
    wait: Callable[[PendingFit], None] | None = None
    """Blocks until the fit is done, for experiments that run side by side; None trains it
    immediately and alone."""
    identity: Mapping[str, object] = field(default_factory=dict)
    """The strategy's name, source and parameters, which decide what its callbacks do."""
    common_starts: frozenset[int] = frozenset()
    """Steps besides 0 from which many trainings start, because tickets are rewound to them."""


ALONE = FitContext()
"""No experiment, and nothing else running."""


@dataclass(eq=False)
class PendingFit:
    """A `fit` that waits for its result. Several may wait for parts of the same training."""

    request: FitRequest
    on_eval: OnEval | None = None
    _: KW_ONLY
    context: FitContext = ALONE
    key: str = ""
    """Its content address; "" for an anonymous search."""
    training: str = ""
    """The address without the end step: fits that share it are parts of one training."""
    bench: Workbench | None = None
    """The task's, which serves it."""
    callbacks: Mapping[str, object] | None = None
    """Identifies the request's callbacks; None without any."""
    reused: bool = False
    """Whether another experiment pays for the training."""
    steps_done: int = 0
    """Steps that an earlier run has trained and saved."""
    checkpoint_key: str = ""
    """The address of that checkpoint."""
    memo: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None
    error: BaseException | None = None
    seconds_left: float = float("inf")
    """Maximum seconds it may take; beyond that it fails with OutOfTime."""
    seconds_spent: float = 0.0
    """Seconds it has taken: its share of its cohorts."""
    time_limit: float = float("inf")
    """The experiment's total time limit in seconds, for the error message."""
    on_callback: Callable[[bool], None] | None = None
    """Called with True when one of its callbacks starts, and with False when it ends."""
    callback_seconds: float = 0.0
    """Seconds spent in its callbacks since they were last charged."""

    def spend(self, seconds: float) -> None:
        """Charge some seconds, possibly beyond the limit."""
        self.seconds_spent += seconds
        if self.seconds_spent > self.seconds_left:
            self.error = OutOfTime(self.time_limit)

    def reuse(self, outcome: Outcome) -> None:
        """Set a finished training as the result. The experiment pays if it was trained for it."""
        payer = self.context.experiment_id
        self.outcome, self.reused = outcome, not payer or outcome.owner != payer

    @property
    def searches(self) -> bool:
        """Whether it has an `until`: others may wait for parts of the same training and stop
        elsewhere.
        """
        return self.request.until is not None

    @property
    def done(self) -> bool:
        """Whether it has a result or an error."""
        return self.outcome is not None or self.error is not None


class charged_to:
    """Attributes exceptions raised in this block to these fits."""

    def __init__(self, fits: Sequence[PendingFit]) -> None:
        self.fits = fits

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None or isinstance(error, torch.OutOfMemoryError) or ends_the_run(error):
            return False  # interrupts and running out of device memory affect all fits
        for fit in self.fits:
            fit.error = error
        return True


class calling:
    """For a block that runs a fit's callback: charges its time, and tells the watchdog whose code
    runs.
    """

    def __init__(self, fit: PendingFit) -> None:
        self.fit = fit

    def __enter__(self) -> None:
        if self.fit.on_callback is not None:
            self.fit.on_callback(True)
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.fit.callback_seconds += time.perf_counter() - self._began
        if self.fit.on_callback is not None:
            self.fit.on_callback(False)
