"""The local executor: one process a GPU, or one single-threaded process a CPU core."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from lth_bench.executors.schedule import Schedule
from lth_bench.plan import Planned

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess

    from lth_bench.executors.worker import WorkerConfig

Handle = Callable[[dict[str, Any]], None]
ATTEMPTS = 2
"""A worker that dies costs its experiment one retry."""


@dataclass
class _Process:
    process: SpawnProcess
    pipe: Connection
    config: WorkerConfig
    busy: Planned | None = None
    task: tuple[str, str, str] | None = None


class LocalExecutor:
    """Feeds worker processes and hands their records to the coordinator, in this process."""

    def __init__(self, config: WorkerConfig, devices: Sequence[str]) -> None:
        self._config, self._devices = config, list(devices)
        self._context = multiprocessing.get_context("spawn")

    def run(self, planned: Iterable[Planned], handle: Handle) -> None:
        """Run everything. Each record goes to `handle` as soon as it arrives."""
        schedule = Schedule(planned)
        attempts: dict[str, int] = {}
        count = min(len(self._devices), max(1, len(schedule)))
        workers = [self._start(device) for device in self._devices[:count]]
        try:
            while len(schedule) or any(w.busy for w in workers):
                for worker in workers:
                    self._feed(worker, schedule, handle)
                by_handle: dict[Any, _Process] = {}
                for worker in workers:
                    by_handle[worker.pipe] = worker
                    by_handle[worker.process.sentinel] = worker
                for ready in wait(list(by_handle)):
                    worker = by_handle[ready]
                    if not self._receive(worker, schedule, handle):
                        workers.remove(worker)
                        self._bury(worker, schedule, handle, attempts)
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

    def _feed(self, worker: _Process, schedule: Schedule, handle: Handle) -> None:
        if worker.busy is not None:
            return
        item = schedule.next(worker.task)
        if item is None:
            return
        worker.busy, worker.task = item, item.experiment.task
        handle({"event": "start", "experiment": item.experiment})
        try:
            worker.pipe.send(item.experiment)
        except OSError:
            return  # the worker is dead; its sentinel says so next

    def _receive(self, worker: _Process, schedule: Schedule, handle: Handle) -> bool:
        """Handle what a worker sent. False where the worker is dead."""
        try:
            while worker.pipe.poll():
                record = worker.pipe.recv()
                handle(record)
                if record.get("record") == "experiment" and worker.busy is not None:
                    schedule.done(worker.busy)
                    worker.busy = None
        except (EOFError, OSError):
            return False
        return worker.process.is_alive()

    def _bury(
        self, worker: _Process, schedule: Schedule, handle: Handle, attempts: dict[str, int]
    ) -> None:
        worker.process.join()
        item, worker.busy = worker.busy, None
        if item is None:
            return
        identity = item.experiment.experiment_id
        attempts[identity] = attempts.get(identity, 0) + 1
        how = _how_it_died(worker.process.exitcode)
        if attempts[identity] < ATTEMPTS:
            handle({"event": "retry", "experiment": item.experiment, "reason": how})
            schedule.again(item)
            return
        handle(
            {
                "record": "experiment",
                "experiment_id": identity,
                "status": "failed",
                "reason": f"the worker process died {attempts[identity]} times: {how}",
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
    from lth_bench.executors.worker import Worker, prepare_process

    prepare_process(config.device)
    worker: Worker | None = None
    while True:
        try:
            experiment = pipe.recv()
        except EOFError:
            return
        worker = worker or Worker(config)
        worker.run(experiment, pipe.send)


def _die_with_parent() -> None:
    """A coordinator that was killed leaves nobody to write results: stop at once."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
