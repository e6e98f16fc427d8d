"""The local executor: one process a GPU, or one single-threaded process a CPU core."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from lth_bench.executors.schedule import Bundle, Schedule, Task, task_of
from lth_bench.plan import Planned

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from lth_bench.executors.worker import WorkerConfig

Handle = Callable[[dict[str, Any]], None]


@dataclass
class _Process:
    process: SpawnProcess
    pipe: Connection
    config: WorkerConfig
    live: dict[str, Planned] = field(default_factory=dict)
    """What it runs, by experiment_id."""
    task: Task | None = None
    """Of what it runs, or ran last."""
    asked: int = 0
    """Experiments that it has room for, and waits to hear about."""
    deaths: int = 0
    """Of the bundle that it runs."""


class LocalExecutor:
    """Feeds worker processes and hands their records to the coordinator, in this process."""

    def __init__(self, config: WorkerConfig, devices: Sequence[str]) -> None:
        self._config, self._devices = config, list(devices)
        self._context = multiprocessing.get_context("spawn")

    def run(self, planned: Iterable[Planned] | Schedule, handle: Handle) -> None:
        """Run everything. Each record goes to `handle` as soon as it arrives.

        `handle` may add to a schedule that it was given, so that more follows.
        """
        schedule = planned if isinstance(planned, Schedule) else Schedule(planned)
        count = min(len(self._devices), max(1, len(schedule)))
        workers = [self._start(device) for device in self._devices[:count]]
        try:
            while len(schedule) or any(w.live for w in workers):
                for worker in workers:
                    self._feed(worker, len(workers), schedule, handle)
                by_handle: dict[Any, _Process] = {}
                for worker in workers:
                    by_handle[worker.pipe] = worker
                    by_handle[worker.process.sentinel] = worker
                for ready in wait(list(by_handle)):
                    worker = by_handle[ready]
                    if not self._receive(worker, schedule, handle):
                        workers.remove(worker)
                        self._bury(worker, schedule, handle)
                        workers.append(self._start(worker.config.device))
                        break
        finally:
            for worker in workers:
                worker.process.terminate()
            for worker in workers:
                worker.process.join()

    def _start(self, device: str) -> _Process:
        ours, theirs = self._context.Pipe()
        config = replace(self._config, device=device)
        process = self._context.Process(target=worker_main, args=(theirs, config), daemon=True)
        process.start()
        theirs.close()
        return _Process(process, ours, config)

    def _feed(self, worker: _Process, workers: int, schedule: Schedule, handle: Handle) -> None:
        """Give a worker what it has room for: one experiment where it has none, and whatever
        number it asked for. Who asked gets an answer, if only that there is nothing.
        """
        if worker.live and not worker.asked:
            return
        bundle = Bundle()
        if not (worker.live and worker.deaths):
            running = worker.task if worker.live else None
            bundle = schedule.take(max(1, worker.asked), workers, running, worker.task)
        if not bundle.items and not worker.asked:
            return
        if not worker.live:
            worker.deaths = bundle.deaths
        worker.asked = 0
        for item in bundle.items:
            worker.live[item.experiment.experiment_id] = item
            worker.task = task_of(item.experiment)
            handle({"event": "start", "experiment": item.experiment})
        # where the worker is dead, its sentinel says so next
        with contextlib.suppress(OSError):
            worker.pipe.send([item.experiment for item in bundle.items])

    def _receive(self, worker: _Process, schedule: Schedule, handle: Handle) -> bool:
        """Handle what a worker sent. False where the worker is dead."""
        while True:
            try:
                if not worker.pipe.poll():
                    return worker.process.is_alive()
                record = worker.pipe.recv()
            except (EOFError, OSError):
                return False
            # what `handle` raises is no worker's death
            if record.get("event") == "room":
                worker.asked = record["room"]
                continue
            handle(record)
            if record.get("record") == "experiment":
                schedule.done(worker.live.pop(record["experiment_id"]))

    def _bury(self, worker: _Process, schedule: Schedule, handle: Handle) -> None:
        worker.process.join()
        if not worker.live:
            return
        how = _how_it_died(worker.process.exitcode)
        bundle = Bundle(tuple(worker.live.values()), worker.deaths + 1)
        given_up = schedule.again(bundle)
        again = [item.experiment for item in bundle.items if item not in given_up]
        if again:
            handle({"event": "retry", "experiments": again, "reason": how})
        for item in given_up:
            handle(
                {
                    "record": "experiment",
                    "experiment_id": item.experiment.experiment_id,
                    "status": "failed",
                    "reason": f"the worker process died {bundle.deaths} times: {how}",
                    "seconds": None,
                    "worker": worker.config.device,
                }
            )
            schedule.done(item)


def _how_it_died(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"killed by {name}{hint}"
    return f"exit code {exitcode}"


def worker_main(pipe: Connection, config: WorkerConfig) -> None:
    """A worker process: experiments in, records out, until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the coordinator's to handle
    threading.Thread(target=_die_with_parent, daemon=True).start()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from lth_bench.devices import prepare_process
    from lth_bench.executors.pool import Pool
    from lth_bench.executors.worker import Worker

    prepare_process(config.device)
    worker: Worker | None = None
    while True:
        try:
            experiments = pipe.recv()
            worker = worker or Worker(config, pool=Pool())
            worker.begin(experiments, pipe.send)
            while len(worker.pool):
                if worker.room:
                    pipe.send({"event": "room", "room": worker.room})
                    worker.begin(pipe.recv(), pipe.send)
                worker.serve()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the coordinator is gone


def _die_with_parent() -> None:
    """A coordinator that was killed leaves nobody to write results: stop at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
