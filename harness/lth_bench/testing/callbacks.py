"""What an experiment's trainings have asked of the strategy's callbacks, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from lth_bench.training.request import Change, OnStep, StepView, Until, Watch


@dataclass
class Callbacks:
    """Counts of one experiment."""

    steps: list[int] = field(default_factory=list)
    """Steps after its training's start at which `on_step` was called."""
    changes: list[int] = field(default_factory=list)
    """Those at which it answered with a `Change`."""
    rewires: bool = False
    """Whether a training had an `on_step`."""
    watches: int = 0
    """Calls of `until`."""
    remembers: int = 0
    """Those after which its memo held something."""
    stops: int = 0
    """Those that ended a training."""
    searches: bool = False
    """Whether a training had an `until`."""

    def missing(self, since: int = 0) -> str:
        """Which callback has done nothing that could be judged, and what it did; "" for none.

        `since` is how many steps after its training's start an `on_step` must change something.
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
        """The same callback, counted."""
        self.rewires = True

        def count(view: StepView) -> Change | None:
            answer = on_step(view)
            self.steps.append(view.step - start)
            if answer is not None:
                self.changes.append(view.step - start)
            return answer

        return count

    def watched(self, until: Until) -> Until:
        """The same callback, counted."""
        self.searches = True

        def watch(view: Watch) -> bool:
            stopped = until(view)
            self.watches += 1
            self.remembers += bool(view.memo)
            self.stops += bool(stopped)
            return stopped

        return watch
