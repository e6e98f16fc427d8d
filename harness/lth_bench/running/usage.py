"""What the workers of a run do with their time, as their coordinator sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

WorkerState = Literal["starting", "busy", "queued", "idle", "gone"]
"""`starting`: its process starts, or it waits for a place in the cluster; `busy`: it has
experiments; `queued`: it has none, though some are queued, as while all that is left waits for a
dense run; `idle`: nothing is left for it; `gone`: its process ended and none has followed it
there (its replacement waits for a place, or has another), or it was left out as unfit."""


TELLING = 2.0
"""Seconds between two reports of what the workers do, also where nothing happens."""


@dataclass(kw_only=True)
class WorkerUse:
    """A worker of a run, from its start until now: the processes that followed each other in one
    place, on one machine and device.
    """

    slot: int
    """Of the run's places for workers, from 0."""
    worker: str
    """As the records of experiments name it."""
    host: str
    """Name or address of its machine; empty while it has none, as while a replacement waits."""
    device: str
    state: WorkerState = "starting"
    """What it does now."""
    processes: int = 1
    """1 plus how often it was replaced there after a death."""
    units: int = 0
    """Times that it was given work: an experiment, or several to run side by side."""
    experiments: int = 0
    """Those that ended here, in whatever way."""
    retries: int = 0
    """Experiments that had to start again since it died, or its memory was too small for them."""
    steps: int = 0
    """Optimizer steps of trainings that really ran, those of all members of cohorts added."""
    examples: int = 0
    """Training examples of the same."""
    training_seconds: float = 0.0
    """In trainings; the rest of `busy_seconds` is hooks, evaluation, and waiting for trainings
    that another worker is at."""
    starting_seconds: float = 0.0
    busy_seconds: float = 0.0
    queued_seconds: float = 0.0
    idle_seconds: float = 0.0

    def turn(self, *, up: bool, has_work: bool, queued: bool) -> None:
        """From now on its process has started or not, and it has work, or some is queued."""
        if not up:
            self.state = "starting"
        elif has_work:
            self.state = "busy"
        else:
            self.state = "queued" if queued else "idle"

    def add(self, former: WorkerUse) -> None:
        """Count what the processes did that were in the same place before."""
        for name in TOTALS:
            setattr(self, name, getattr(self, name) + getattr(former, name))

    @property
    def available_seconds(self) -> float:
        """All of its time."""
        return self.starting_seconds + self.busy_seconds + self.queued_seconds + self.idle_seconds


TOTALS = tuple(f.name for f in fields(WorkerUse) if f.type in ("int", "float") and f.name != "slot")
"""What adds up over the processes of a place."""


class UsageLedger:
    """Adds the time that passes to what each worker does in it."""

    def __init__(self, now: Callable[[], float]) -> None:
        """`now` is a clock in seconds."""
        self.uses: list[WorkerUse] = []
        """Of all workers so far."""
        self._places: dict[int, WorkerUse] = {}
        self._now, self._last, self._told = now, now(), now()

    def at(self, slot: int, *, worker: str, host: str, device: str) -> WorkerUse:
        """The worker that is at a place now. `host` is empty until it is known."""
        use = self._places.get(slot)
        if use is None:
            use = self._places[slot] = WorkerUse(slot=slot, worker=worker, host=host, device=device)
            self.uses.append(use)
        elif host and not use.host:
            for former in self.uses:
                if (former.slot, former.host, former.device) == (slot, host, device):
                    use.add(former)
                    self.uses.remove(former)
                    break
            use.worker, use.host, use.device = worker, host, device
        return use

    def replace(self, slot: int) -> None:
        """The process there has ended, and another one is started. The time until that is heard of
        is its own, since it may be on another machine.
        """
        use = self._places.get(slot)
        if use is None or not use.host:
            return
        self.leave(slot)
        waiting = WorkerUse(slot=slot, worker=use.device, host="", device=use.device)
        self.uses.append(waiting)
        self._places[slot] = waiting

    def due(self) -> bool:
        """Whether it is time to report; then the next time is later."""
        if self._last - self._told < TELLING:
            return False
        self._told = self._last
        return True

    def leave(self, slot: int) -> None:
        """No worker is there from now on."""
        self.pass_time()
        if (use := self._places.pop(slot, None)) is not None:
            use.state = "gone"

    def pass_time(self) -> None:
        """The time since the last call went by in the states that were set then."""
        now = self._now()
        passed, self._last = now - self._last, now
        for use in self._places.values():
            match use.state:
                case "busy":
                    use.busy_seconds += passed
                case "starting":
                    use.starting_seconds += passed
                case "queued":
                    use.queued_seconds += passed
                case "idle":
                    use.idle_seconds += passed

    def close(self) -> None:
        """The run is over: no time goes by any more."""
        self.pass_time()
        self._places.clear()


def recorded_uses(totals: Iterable[Mapping[str, Any]]) -> list[WorkerUse]:
    """The uses that the journal has (`WorkerTotals`); numbers that it lacks are 0."""
    names = {field.name for field in fields(WorkerUse)}
    blank = {"slot": 0, "worker": "", "host": "", "device": ""}
    return [
        WorkerUse(**{**blank, **{k: v for k, v in one.items() if k in names and v is not None}})
        for one in totals
    ]


def efficiency(uses: Iterable[WorkerUse]) -> float | None:
    """Busy time over available time, in [0, 1]; None where no time has passed."""
    found = list(uses)
    available = sum(use.available_seconds for use in found)
    return sum(use.busy_seconds for use in found) / available if available else None
