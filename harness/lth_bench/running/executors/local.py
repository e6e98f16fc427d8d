"""The local executor: one process a GPU, or one single-threaded process a CPU core."""

from __future__ import annotations

import contextlib
import math
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.sharedctypes import RawValue
from typing import TYPE_CHECKING, Any

from lth_bench.errors import OutOfTime, UserError
from lth_bench.running.executors.messages import (
    Begin,
    GiveBack,
    GivenBack,
    Room,
    receive,
    send,
)
from lth_bench.running.executors.processes import SERVER_LOST, starting, worker_context
from lth_bench.running.executors.schedule import Schedule, Task, WorkUnit, task_of
from lth_bench.running.executors.stopping import GRACE, StopSignals
from lth_bench.running.executors.watchdog import Watchdog
from lth_bench.running.executors.worker_process import worker_main
from lth_bench.running.plan import Planned
from lth_bench.running.progress import (
    ExperimentStarted,
    Listener,
    Recorded,
    Retried,
    Stopping,
)

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from lth_bench.running.executors.worker import WorkerConfig

SERVERS = 16
"""Workers that may be lost with their server, before that is charged as a death."""
PAUSES = (0.1, 0.5, 2.0)
"""Seconds before another try to start a worker."""
STILLBORN = 4
"""Workers in a row that end before they run anything, after which the run does: it is no fault of
the experiments.
"""
LOOK = 0.5
"""Seconds between looks for experiments that take too long, where there is a limit."""


@dataclass(kw_only=True)
class _Process:
    process: BaseProcess
    pipe: Connection
    config: WorkerConfig
    watchdog: Watchdog
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


class LocalExecutor:
    """Feeds worker processes and hands their records to the coordinator, in this process."""

    def __init__(self, config: WorkerConfig, devices: Sequence[str]) -> None:
        self._config, self._devices = config, list(devices)
        self._context = worker_context()
        self._stillborn = 0
        self._servers_lost = 0

    def run(self, planned: Iterable[Planned] | Schedule, handle: Listener) -> None:
        """Run everything. Each record goes to `handle` as soon as it arrives.

        `handle` may add to a schedule that it was given, so that more follows.
        """
        schedule = planned if isinstance(planned, Schedule) else Schedule(planned)
        count = min(len(self._devices), max(1, len(schedule)))
        with StopSignals() as stop:
            workers: list[_Process] = []
            try:
                for device in self._devices[:count]:
                    workers.append(self._start(device))
                self._work(workers, schedule, handle, stop)
            except KeyboardInterrupt:
                if not stop.urgent:
                    handle(Stopping(GRACE))
                    self._stop(workers, lambda worker: self._receive(worker, schedule, handle))
                raise
            finally:
                self._stop(workers, grace=0.0 if stop.urgent else GRACE)

    def _work(
        self, workers: list[_Process], schedule: Schedule, handle: Listener, stop: StopSignals
    ) -> None:
        """Until everything is done; KeyboardInterrupt when it is told to stop."""
        while len(schedule) or any(w.live for w in workers):
            for worker in workers:
                self._feed(worker, workers, schedule, handle)
            self._share_the_rest(workers, schedule, handle)
            by_handle: dict[Any, _Process] = {}
            for worker in workers:
                by_handle[worker.pipe] = worker
                by_handle[worker.process.sentinel] = worker
            timed = math.isfinite(self._config.execution.timeout)
            found = wait([*by_handle, stop.reader], LOOK if timed else None)
            stop.look()
            for ready in found:
                worker = by_handle[ready]
                if not self._receive(worker, schedule, handle):
                    workers.remove(worker)
                    self._bury(worker, schedule, handle)
                    workers.append(self._start(worker.config.device))
                    break
            for worker in [w for w in workers if w.live and w.watchdog.overdue]:
                workers.remove(worker)
                self._end(worker, schedule, handle)
                workers.append(self._start(worker.config.device))

    def _start(self, device: str) -> _Process:
        ours, theirs = self._context.Pipe()
        config = replace(self._config, device=device)
        watchdog = RawValue(Watchdog)
        process = self._started((theirs, config, watchdog, dict(os.environ)), PAUSES)
        theirs.close()
        return _Process(process=process, pipe=ours, config=config, watchdog=watchdog)

    def _started(self, arguments: tuple[object, ...], pauses: Sequence[float]) -> BaseProcess:
        process = self._context.Process(target=worker_main, args=arguments, daemon=True)
        try:
            with starting():
                process.start()
        except (EOFError, OSError) as error:
            if not pauses:
                why = str(error) or "the process that starts workers ended at once"
                raise UserError(
                    f"no worker process can be started ({why}); its own messages are above. "
                    f"Recorded results are kept: fix this and rerun the command to resume"
                ) from error
            # the server has just ended, and passes for alive until the system has taken note
            time.sleep(pauses[0])
            return self._started(arguments, pauses[1:])
        return process

    @staticmethod
    def _stop(
        workers: Sequence[_Process],
        hear: Callable[[_Process], bool] | None = None,
        grace: float = GRACE,
    ) -> None:
        """End the workers. They have `grace` seconds to save what is under way, in which `hear`
        takes what they still send and tells whether they live.
        """
        try:
            if grace:
                for worker in workers:
                    worker.process.terminate()
            end = time.monotonic() + grace
            alive = list(workers)
            while alive and (left := end - time.monotonic()) > 0:
                pipes = [w.pipe for w in alive] if hear is not None else []
                wait([*pipes, *(w.process.sentinel for w in alive)], left)
                alive = [w for w in alive if (hear(w) if hear else w.process.is_alive())]
        finally:
            for worker in workers:
                worker.process.kill()
            for worker in workers:
                worker.process.join()

    def _feed(
        self, worker: _Process, workers: Sequence[_Process], schedule: Schedule, handle: Listener
    ) -> None:
        """Give a worker what it has room for: one experiment where it has none, and whatever
        number it asked for. Who asked gets an answer, if only that there is nothing.
        """
        if worker.live and not worker.asked:
            return
        unit = WorkUnit()
        if not (worker.live and worker.deaths):
            running = worker.task if worker.live else None
            places = worker.cohort_size - len(worker.live) if worker.cohort_size > 1 else 0
            # a task on one worker fills its cohorts; on two, both compute empty slots
            busy = {
                w.task
                for w in workers
                if w is not worker and w.live and w.cohort_size > 1 and w.task
            }
            room = max(1, worker.asked)
            unit = schedule.take(room, len(workers), running, worker.task, places=places, busy=busy)
        if not unit.items and not worker.asked:
            return
        self._send(worker, unit, handle)

    def _share_the_rest(
        self, workers: Sequence[_Process], schedule: Schedule, handle: Listener
    ) -> None:
        """Keep all workers busy to the end.

        What is left for fewer than all begins beside what they run, a training of each in turn, so
        that who comes to be idle can take one over. Five chains on two workers end after two and a
        half chains' time, not three.
        """
        idle = [w for w in workers if not w.live]
        for worker in sorted(workers, key=lambda w: len(w.live)):
            if not idle and 0 < len(schedule) < len(workers) and not worker.deaths:
                assert worker.task is not None
                if (unit := schedule.chain(worker.task)).items:
                    self._send(worker, unit, handle)
        if idle and not len(schedule):
            donors = [w for w in workers if len(w.live) > 1 and not (w.giving or w.deaths)]
            for worker in sorted(donors, key=lambda w: -len(w.live))[: len(idle)]:
                worker.giving = True
                with contextlib.suppress(OSError):
                    send(worker.pipe, GiveBack())

    def _send(self, worker: _Process, unit: WorkUnit, handle: Listener) -> None:
        """Give a unit to a worker that listens."""
        if not worker.live:
            worker.deaths = unit.deaths
        worker.asked = 0
        for item in unit.items:
            worker.live[item.experiment.experiment_id] = item
            worker.task = task_of(item.experiment)
            handle(ExperimentStarted(item.experiment))
        # where the worker is dead, its sentinel says so next
        with contextlib.suppress(OSError):
            send(worker.pipe, Begin(tuple(item.experiment for item in unit.items)))

    def _receive(self, worker: _Process, schedule: Schedule, handle: Listener) -> bool:
        """Handle what a worker sent. False where the worker is dead."""
        while True:
            try:
                if not worker.pipe.poll():
                    return worker.process.is_alive()
                message = receive(worker.pipe)
            except (EOFError, OSError):
                return False
            # what `handle` raises is no worker's death
            match message:
                case Room(room, cohort_size):
                    worker.asked, worker.cohort_size = room, cohort_size
                    continue
                case GivenBack(identities):
                    for identity in identities:
                        schedule.back(WorkUnit((worker.live.pop(identity),)))
                    worker.giving = not identities
                    continue
                case Begin() | GiveBack():
                    raise AssertionError(message)  # a coordinator's, not a worker's
            worker.giving = False  # it has got on since
            if not isinstance(message, Recorded) or not message.ends:
                handle(message)
                continue
            identity, status = message.record["experiment_id"], message.record["status"]
            if status == "oom" and len(worker.live) > 1:
                # its neighbours' memory is its own when it runs alone
                item = worker.live.pop(identity)
                schedule.back(WorkUnit((item,), deaths=1))
                handle(
                    Retried([item.experiment], "out of memory beside others; it runs alone next")
                )
                continue
            handle(message)
            schedule.done(worker.live.pop(identity))

    def _bury(self, worker: _Process, schedule: Schedule, handle: Listener) -> None:
        worker.process.join()
        worker.pipe.close()  # if it lives, since only its server has ended, it ends now
        running = worker.live.get(worker.watchdog.name)
        lost = worker.process.exitcode == SERVER_LOST and running is None  # a hook may exit so too
        if lost and self._servers_lost < SERVERS:
            self._servers_lost += 1
            schedule.back(WorkUnit(tuple(worker.live.values()), worker.deaths))
            if again := [item.experiment for item in worker.live.values()]:
                reason = "the process that starts workers ended, and the worker with it"
                handle(Retried(again, reason))
            return
        how = _how_it_died(worker.process.exitcode)
        self._stillborn = 0 if worker.watchdog.used else self._stillborn + 1
        if self._stillborn >= STILLBORN:
            raise UserError(
                f"{STILLBORN} worker processes in a row ended before they ran anything (the last "
                f"one {how}); their own messages are above. Recorded results are kept: fix this "
                f"and rerun the command to resume"
            )
        if not worker.watchdog.used:
            schedule.back(WorkUnit(tuple(worker.live.values()), worker.deaths))
            return
        if not worker.live:
            return
        unit = WorkUnit(tuple(worker.live.values()), worker.deaths + 1)
        given_up = schedule.again(unit, running)
        again = [item.experiment for item in unit.items if item not in given_up]
        if running is not None:
            again.sort(key=lambda e: e is not running.experiment)
        if again:
            handle(Retried(again, f"the worker {how}"))
        times = "once" if unit.deaths == 1 else f"{unit.deaths} times"
        reason = f"the worker process died {times}; the last one {how}"
        self._give_up(given_up, "failed", reason, worker=worker, schedule=schedule, handle=handle)

    def _end(self, worker: _Process, schedule: Schedule, handle: Listener) -> None:
        """End a worker in which something takes too long. Whose code it was is out of time. Where
        a training hangs, they are tried as after a death. The others try again, uncharged.
        """
        worker.process.kill()
        worker.process.join()
        self._receive(worker, schedule, handle)
        live = tuple(worker.live.values())
        # where it went on in the last moment no experiment is to blame
        overdue = worker.watchdog.overdue
        culprit = worker.live.get(worker.watchdog.name)
        given_up: list[Planned] = []
        if overdue and (culprit is not None or len(live) == 1):
            given_up = [culprit or live[0]]
            schedule.back(WorkUnit(tuple(x for x in live if x is not given_up[0]), worker.deaths))
        elif overdue:
            given_up = schedule.again(WorkUnit(live, worker.deaths + 1))
        else:
            schedule.back(WorkUnit(live, worker.deaths))
        reason = str(OutOfTime(worker.config.execution.timeout))
        self._give_up(given_up, "timeout", reason, worker=worker, schedule=schedule, handle=handle)
        if again := [item.experiment for item in live if item not in given_up]:
            reason = "the worker was ended because another experiment timed out"
            handle(Retried(again, reason))

    @staticmethod
    def _give_up(
        items: Sequence[Planned],
        status: str,
        reason: str,
        *,
        worker: _Process,
        schedule: Schedule,
        handle: Listener,
    ) -> None:
        """These get their row, and are not tried again."""
        for item in items:
            handle(
                Recorded(
                    {
                        "record": "experiment",
                        "experiment_id": item.experiment.experiment_id,
                        "status": status,
                        "reason": reason,
                        "seconds": None,
                        "worker": worker.config.device,
                    }
                )
            )
            schedule.done(item)


def _how_it_died(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"ended with exit code {exitcode}"
