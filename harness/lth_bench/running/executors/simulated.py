"""A run without its trainings: the real coordinator and order of work, and workers that only let
simulated time pass. It tells how long a plan takes on so many workers, before there are any.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lth_bench.lottery.experiment import Experiment
from lth_bench.running.executors.coordinator import Executor
from lth_bench.running.executors.messages import (
    Begin,
    Ended,
    GiveBack,
    GivenBack,
    Message,
    Room,
    WorkerReady,
)
from lth_bench.running.executors.worker import COMPANY
from lth_bench.running.progress import Recorded

if TYPE_CHECKING:
    from lth_bench.running.executors.stopping import StopSignals
    from lth_bench.running.plan import Planned


Labels = tuple[str, str, str]
"""Of a task: model, dataset, recipe."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a worker trains a task."""

    seconds: float
    """Of a step of a cohort, however many its members."""
    size: int = 1
    """The cohort size."""


@dataclass(kw_only=True)
class SimulatedWork:
    """What an experiment trains."""

    experiment: Experiment
    left: deque[float]
    """Steps of each training to come."""
    pace: Pace
    search: str | None = None
    searching: int = 0
    """How many of the first trainings are those of the search."""
    done: int = 0


@dataclass(kw_only=True)
class World:
    """What the simulated workers have in common."""

    work: Mapping[str, SimulatedWork]
    records: Callable[[Experiment], Iterable[Mapping[str, Any]]]
    """What a worker records of an experiment that has ended; the last says so."""
    now: float = 0.0
    """Seconds since the run began."""
    searched: set[str] = field(default_factory=set)
    """Searches that a worker has begun: later experiments find their trainings."""
    wakes: list[tuple[float, int, SimulatedLink]] = field(default_factory=list)
    """When a worker has trained what it trains, in the order of a heap."""

    def wake(self, seconds: float, link: SimulatedLink) -> None:
        """Let a worker go on after so many seconds."""
        heapq.heappush(self.wakes, (self.now + seconds, link.number, link))


class SimulatedLink:
    """A worker that takes as long as a real one would, by the same rules as `Worker` and `Pool`."""

    ready = True
    host = "simulated"

    def __init__(self, world: World, number: int) -> None:
        self.name, self.number = f"simulated {number}", number
        self.busy = 0.0
        """Seconds in which it trained."""
        self.said: deque[Message] = deque([WorkerReady()])
        self._world = world
        self._live: list[SimulatedWork] = []
        self._asked = self._training = self._gives = self._over = False

    def send(self, message: Message) -> None:
        """What the coordinator says to it."""
        if isinstance(message, GiveBack):
            self._gives = True
            if not self._training:
                self._give_back()
        elif isinstance(message, Begin):
            for experiment in message.experiments:
                work = self._world.work[experiment.experiment_id]
                if work.search is not None and work.search in self._world.searched:
                    for _ in range(work.searching - work.done):
                        work.left.popleft()
                        work.done += 1
                elif work.search is not None:
                    self._world.searched.add(work.search)
                self._live.append(work)
            answered, self._asked = self._asked, False
            if not self._training:
                self._go_on(asks=not answered)

    def receive(self) -> Message | None:
        """The next message that it has said."""
        return self.said.popleft() if self.said else None

    def go_on(self) -> None:
        """Its time has come: what it trained is trained."""
        self._training = False
        if self._gives:
            self._give_back()
        self._go_on()

    def _go_on(self, asks: bool = True) -> None:
        for work in [w for w in self._live if not w.left]:
            self._live.remove(work)
            self.said.extend(Recorded(record) for record in self._world.records(work.experiment))
        if not self._live:
            return
        pace = self._live[0].pace
        room = (1 if pace.size == 1 else COMPANY * pace.size) - len(self._live)
        if room > 0 and asks:
            self._asked = True
            self.said.append(Room(room, pace.size))
            return  # until it is answered
        # at cohort size 1 the one with the fewest trainings goes first, as in `Pool.serve`
        line = sorted(self._live, key=lambda w: w.done) if pace.size == 1 else self._live
        cohort = line[: pace.size]
        seconds = max(work.left[0] for work in cohort) * pace.seconds
        for work in cohort:
            work.left.popleft()
            work.done += 1
            self._live.remove(work)
            self._live.append(work)
        self.busy += seconds
        self._training = True
        self._world.wake(seconds, self)

    def _give_back(self) -> None:
        """Up to half, those that would wait longest; none in a search, which others may share."""
        self._gives = False
        free = [w for w in self._live if w.left and w.done >= w.searching]
        given = free[max(len(free) - len(self._live) // 2, 0) :]
        self._live = [w for w in self._live if w not in given]
        self.said.append(GivenBack(tuple(w.experiment.experiment_id for w in given)))

    def ended(self) -> Ended | None:
        """When the run is over."""
        return Ended(how="ended with exit code 0") if self._over and not self.said else None

    def terminate(self) -> None:
        """The run is over."""
        self._over = True

    def kill(self) -> None:
        """The run is over."""
        self._over = True


class SimulatedExecutor(Executor[SimulatedLink]):
    """Feeds simulated workers, each of which behaves as one of this machine would."""

    def __init__(self, world: World, workers: int) -> None:
        self.world = world
        super().__init__(None, ["simulated"] * workers)  # type: ignore[arg-type]  # needs no config
        self.links: list[SimulatedLink] = []

    def now(self) -> float:
        """Seconds of simulated time."""
        return self.world.now

    def start(self, device: str) -> SimulatedLink:
        """A new worker."""
        self.links.append(SimulatedLink(self.world, len(self.links)))
        return self.links[-1]

    def wait(
        self,
        links: Sequence[SimulatedLink],
        stop: StopSignals | None,
        seconds: float | None = None,
    ) -> Sequence[SimulatedLink]:
        """Those that have said something; else time passes until one has."""
        if stop is None:
            return links
        while not (found := [link for link in links if link.said]):
            assert self.world.wakes, "all workers wait, and work is left"
            self.world.now, _, link = heapq.heappop(self.world.wakes)
            link.go_on()
        return found

    @property
    def efficiency(self) -> float:
        """Busy time over available time, in [0, 1]."""
        available = self.world.now * len(self._devices)
        return sum(link.busy for link in self.links) / available if available else 1.0


def works(
    planned: Iterable[Planned],
    dense: Mapping[tuple[str, str, str, int], int],
    paces: Mapping[Labels, Pace],
) -> Iterator[SimulatedWork]:
    """What experiments train; the dense run of a task at a seed, by (task, seed) in steps, is the
    work of the one that trains nothing else.
    """
    for item in planned:
        e = item.experiment
        opener = () if item.fits else (dense.get((*e.task, e.seed), 0),)
        yield SimulatedWork(
            experiment=e,
            left=deque(map(float, (*opener, *item.fits))),
            pace=paces[e.task],
            search=item.search,
            searching=item.searching,
        )


def end_of(experiment: Experiment) -> Iterator[Mapping[str, Any]]:
    """The record of an experiment that is done."""
    yield {"record": "experiment", "experiment_id": experiment.experiment_id, "status": "ok"}
