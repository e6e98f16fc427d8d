"""The coordinator of a run: feeds workers, wherever they are, and hands their records on. What is
lost with a worker goes to another one.
"""

from __future__ import annotations

import contextlib
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from lth_bench.errors import OutOfTime, UserError
from lth_bench.running.executors.link import Link
from lth_bench.running.executors.messages import (
    Begin,
    Ended,
    GiveBack,
    GivenBack,
    Message,
    Room,
    Unfit,
    WorkerReady,
)
from lth_bench.running.executors.schedule import Schedule, Task, WorkUnit, task_of
from lth_bench.running.executors.stopping import GRACE, StopSignals
from lth_bench.running.plan import Planned
from lth_bench.running.progress import (
    ExperimentStarted,
    Listener,
    Note,
    Recorded,
    Retried,
    StepsTrained,
    Stopping,
    WorkersUsed,
)
from lth_bench.running.usage import TELLING, UsageLedger, WorkerUse

if TYPE_CHECKING:
    from lth_bench.running.executors.worker import WorkerConfig

LOST = 8
"""Times that an experiment may be lost with its node, or with the server of all workers, before
that is charged as a death: of many nodes some are lost whatever runs, but an experiment may also be
what ends them.
"""
LOST_IDLE = 16
"""The same of workers that ran nothing."""
STILLBORN = 4
"""Workers in a row that end before they run anything, after which the run does: it is no fault of
the experiments.
"""

L = TypeVar("L", bound=Link)


@dataclass(kw_only=True)
class _Worker(Generic[L]):
    link: L
    device: str
    slot: int
    """Its place among the run's workers, from 0."""
    up: bool = False
    """Whether its process has started: it has said something."""
    live: dict[str, Planned] = field(default_factory=dict)
    """What it runs, by experiment_id."""
    task: Task | None = None
    """Of what it runs, or ran last."""
    asked: int = 0
    """Experiments that it has room for, and waits to hear about."""
    cohort_size: int = 1
    """Members of its cohorts, as it said last."""
    deaths: int = 0
    """Of the unit that it runs."""
    giving: bool = False
    """Whether it was asked to give some of it back, and has not answered; or has none to give."""
    unfit: str = ""
    """Why it can run nothing."""


class Executor(ABC, Generic[L]):
    """Feeds workers and hands their records to the coordinator, in this process."""

    def __init__(self, config: WorkerConfig, devices: Sequence[str]) -> None:
        self.config, self._devices = config, list(devices)
        self._stillborn = 0
        self._lost = Counter[str]()
        """experiment_id → times that it was lost so; "" of workers that ran nothing."""
        self._workers: list[_Worker[L]] = []
        self._schedule = Schedule([])
        self._ledger = UsageLedger(self.now)
        self.handle: Listener = lambda _: None

    def now(self) -> float:
        """The clock of the run, in seconds."""
        return time.monotonic()

    @abstractmethod
    def start(self, device: str) -> L:
        """A new worker."""

    @abstractmethod
    def wait(
        self, links: Sequence[L], stop: StopSignals | None, seconds: float | None = None
    ) -> Sequence[L]:
        """The workers that have something to say or have ended, when there is one, or a signal, or
        this many seconds have passed.
        """

    def run(self, planned: Iterable[Planned] | Schedule, handle: Listener) -> None:
        """Run everything. Each record goes to `handle` as soon as it arrives.

        `handle` may add to a schedule that it was given, so that more follows.
        """
        self._schedule = planned if isinstance(planned, Schedule) else Schedule(planned)
        self.handle, self._workers = handle, []
        self._ledger = UsageLedger(self.now)
        count = min(len(self._devices), max(1, len(self._schedule)))
        with StopSignals() as stop:
            try:
                for slot, device in enumerate(self._devices[:count]):
                    self._begin(device, slot)
                self._work(stop)
            except KeyboardInterrupt:
                if not stop.urgent:
                    handle(Stopping(GRACE))
                    self._stop(heard=True)
                raise
            finally:
                self._ledger.close()
                self._stop(grace=0.0 if stop.urgent else GRACE)
                # of what ended the run the cause is told, not that this could not be recorded
                with contextlib.suppress(UserError):
                    handle(WorkersUsed(self._ledger.uses, final=True))

    def _work(self, stop: StopSignals) -> None:
        """Until everything is done; KeyboardInterrupt when it is told to stop."""
        while len(self._schedule) or any(w.live for w in self._workers):
            if all(w.unfit for w in self._workers):
                reasons = "; ".join(sorted({w.unfit for w in self._workers}))
                raise UserError(f"no worker can run this: {reasons}")
            for worker in self._workers:
                self._feed(worker)
            self._share_the_rest()
            self._account()
            by_link = {id(w.link): w for w in self._workers}
            found = self.wait([w.link for w in self._workers if not w.unfit], stop, TELLING)
            stop.look()
            for link in found:
                self._attend(by_link[id(link)])

    def _begin(self, device: str, slot: int) -> None:
        worker = _Worker(link=self.start(device), device=device, slot=slot)
        self._workers.append(worker)
        self._use(worker)

    def _use(self, worker: _Worker[L]) -> WorkerUse:
        """Where it is accounted for what a worker does."""
        name, host = worker.link.name, worker.link.host
        device = name.rpartition(" ")[2] or worker.device
        return self._ledger.at(worker.slot, worker=name, host=host, device=device)

    def _account(self) -> None:
        """Note what each worker does from now on, and report it from time to time."""
        self._ledger.pass_time()
        queued = len(self._schedule) > 0
        for worker in self._workers:
            if worker.unfit:
                self._ledger.leave(worker.slot)
            else:
                self._use(worker).turn(up=worker.up, has_work=bool(worker.live), queued=queued)
        if self._ledger.due():
            self.handle(WorkersUsed(self._ledger.uses))

    def _attend(self, worker: _Worker[L]) -> None:
        """Hear what a worker sent, and replace it if it is dead."""
        self._receive(worker)
        ended = None if worker.unfit else worker.link.ended()
        if ended is not None:
            self._workers.remove(worker)
            worker.link.kill()  # what watched over it on another machine gives up its place
            self._bury(worker, ended)
            self._ledger.replace(worker.slot)
            self._begin(worker.device, worker.slot)

    def _stop(self, *, heard: bool = False, grace: float | None = None) -> None:
        """End the workers. They have `grace` seconds to save what is under way, and what they still
        send is `heard`, or not.
        """
        grace = GRACE if grace is None else grace
        alive = list(self._workers)
        try:
            if grace:
                for worker in alive:
                    worker.link.terminate()
            end = time.monotonic() + grace
            while alive and (left := end - time.monotonic()) > 0:
                self.wait([w.link for w in alive], None, left)
                for worker in list(alive):
                    if heard:
                        self._receive(worker)
                    else:
                        while worker.link.receive() is not None:
                            pass
                    if worker.link.ended() is not None:
                        alive.remove(worker)
        finally:
            for worker in self._workers:
                worker.link.kill()
            self._workers = []

    def _feed(self, worker: _Worker[L]) -> None:
        """Give a worker what it has room for: one experiment where it has none, and whatever
        number it asked for. Who asked gets an answer, if only that there is nothing.
        """
        if not worker.link.ready or worker.unfit or (worker.live and not worker.asked):
            return
        unit = WorkUnit()
        if not (worker.live and worker.deaths):
            running = worker.task if worker.live else None
            places = worker.cohort_size - len(worker.live) if worker.cohort_size > 1 else 0
            # a task on one worker fills its cohorts; on two, both compute empty slots
            busy = {
                w.task
                for w in self._workers
                if w is not worker and w.live and w.cohort_size > 1 and w.task
            }
            room, count = max(1, worker.asked), len(self._workers)
            unit = self._schedule.take(room, count, running, worker.task, places=places, busy=busy)
        if not unit.items and not worker.asked:
            return
        self._send(worker, unit)

    def _share_the_rest(self) -> None:
        """Keep all workers busy to the end.

        What is left for fewer than all begins beside what they run, a training of each in turn, so
        that who comes to be idle can take one over. Five chains on two workers end after two and a
        half chains' time, not three.
        """
        workers = [w for w in self._workers if w.link.ready and not w.unfit]
        idle = [w for w in workers if not w.live]
        for worker in sorted(workers, key=lambda w: len(w.live)):
            if not idle and 0 < len(self._schedule) < len(workers) and not worker.deaths:
                assert worker.task is not None
                if (unit := self._schedule.chain(worker.task)).items:
                    self._send(worker, unit)
        if idle and not len(self._schedule):
            donors = [w for w in workers if len(w.live) > 1 and not (w.giving or w.deaths)]
            for worker in sorted(donors, key=lambda w: -len(w.live))[: len(idle)]:
                worker.giving = True
                worker.link.send(GiveBack())

    def _send(self, worker: _Worker[L], unit: WorkUnit) -> None:
        """Give a unit to a worker that listens."""
        if not worker.live:
            worker.deaths = unit.deaths
        worker.asked = 0
        self._use(worker).units += bool(unit.items)
        for item in unit.items:
            worker.live[item.experiment.experiment_id] = item
            worker.task = task_of(item.experiment)
            started = ExperimentStarted(item.experiment, worker.link.name, item.steps)
            self.handle(started)
        worker.link.send(Begin(tuple(item.experiment for item in unit.items)))

    def _receive(self, worker: _Worker[L]) -> None:
        """Handle what a worker has sent."""
        while (message := worker.link.receive()) is not None:
            self._hear(worker, message)

    def _hear(self, worker: _Worker[L], message: Message) -> None:
        worker.up = True
        match message:
            case Room(room, cohort_size):
                worker.asked, worker.cohort_size = room, cohort_size
            case GivenBack(identities):
                for identity in identities:
                    self._schedule.back(WorkUnit((worker.live.pop(identity),)))
                worker.giving = not identities
            case Unfit(reason):
                worker.unfit = f"{worker.link.name} {reason}"
                self.handle(Note(f"left out: {worker.unfit}"))
            case Recorded(record) if message.ends:
                worker.giving = False  # it has got on since
                self._end(worker, message, record["experiment_id"], record["status"])
            case WorkerReady():
                pass
            case Begin() | GiveBack() | Ended():
                raise AssertionError(message)  # a coordinator's, or for a link to know
            case _:
                worker.giving = False
                if isinstance(message, StepsTrained):
                    use = self._use(worker)
                    use.steps += message.steps
                    use.examples += message.examples
                    use.training_seconds += message.seconds
                self.handle(message)

    def _end(self, worker: _Worker[L], message: Recorded, identity: str, status: str) -> None:
        """An experiment has ended, with a row; or without one, if it is to run again alone."""
        if status == "oom" and len(worker.live) > 1:
            # its neighbours' memory is its own when it runs alone
            item = worker.live.pop(identity)
            self._schedule.back(WorkUnit((item,), deaths=1))
            why = "out of memory beside others; it runs alone next"
            self._use(worker).retries += 1
            self.handle(Retried([item.experiment], why))
            return
        self._use(worker).experiments += 1
        self.handle(message)
        self._schedule.done(worker.live.pop(identity))

    def _bury(self, worker: _Worker[L], ended: Ended) -> None:
        """What a dead worker ran goes on elsewhere, or is given up."""
        if ended.expired:
            self._expire(worker, ended)
            return
        running = worker.live.get(ended.running)
        unit = WorkUnit(tuple(worker.live.values()), worker.deaths)
        # a hook may exit with the code that tells of a lost server
        if ended.lost and running is None and self._uncharged(worker):
            self._schedule.back(unit)
            self._tell(worker, unit.items, ended.lost)
            return
        self._stillborn = 0 if ended.used else self._stillborn + 1
        if self._stillborn >= STILLBORN:
            raise UserError(
                f"{STILLBORN} worker processes in a row ended before they ran anything (the last "
                f"one {ended.how}); their own messages are above. Recorded results are kept: fix "
                f"this and rerun the command to resume"
            )
        if not ended.used:
            self._schedule.back(unit)
            return
        if not worker.live:
            return
        unit = WorkUnit(unit.items, worker.deaths + 1)
        given_up = self._schedule.again(unit, running)
        again = [item for item in unit.items if item not in given_up]
        again.sort(key=lambda item: running is not None and item is not running)
        self._tell(worker, again, f"the worker {ended.how}")
        times = "once" if unit.deaths == 1 else f"{unit.deaths} times"
        reason = f"the worker process died {times}; the last one {ended.how}"
        self._give_up(worker, given_up, "failed", reason)

    def _uncharged(self, worker: _Worker[L]) -> bool:
        """Whether what a worker ran is not to blame that it was lost."""
        known = list(worker.live) or [""]
        self._lost.update(known)
        return all(self._lost[name] <= (LOST if name else LOST_IDLE) for name in known)

    def _expire(self, worker: _Worker[L], ended: Ended) -> None:
        """A worker was ended in which something took too long. Whose code it was is out of time.
        Where a training hangs, they are tried as after a death. The others try again, uncharged.
        """
        live = tuple(worker.live.values())
        culprit = worker.live.get(ended.running)
        given_up: list[Planned] = []
        if ended.overdue and (culprit is not None or len(live) == 1):
            given_up = [culprit or live[0]]
            others = tuple(item for item in live if item is not given_up[0])
            self._schedule.back(WorkUnit(others, worker.deaths))
        elif ended.overdue:
            given_up = self._schedule.again(WorkUnit(live, worker.deaths + 1))
        else:
            self._schedule.back(WorkUnit(live, worker.deaths))
        reason = str(OutOfTime(self.config.execution.timeout))
        self._give_up(worker, given_up, "timeout", reason)
        others = tuple(item for item in live if item not in given_up)
        why = "the worker was ended because another experiment timed out"
        self._tell(worker, others, why)

    def _tell(self, worker: _Worker[L], again: Sequence[Planned], reason: str) -> None:
        if again:
            self._use(worker).retries += len(again)
            self.handle(Retried([item.experiment for item in again], reason))

    def _give_up(
        self, worker: _Worker[L], items: Sequence[Planned], status: str, reason: str
    ) -> None:
        """These get their row, and are not tried again."""
        for item in items:
            record = {
                "record": "experiment",
                "experiment_id": item.experiment.experiment_id,
                "status": status,
                "reason": reason,
                "seconds": None,
                "worker": worker.link.name,
            }
            self._use(worker).experiments += 1
            self.handle(Recorded(record))
            self._schedule.done(item)
