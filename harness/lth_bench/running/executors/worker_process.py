"""What a worker process does from its start to its end."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from lth_bench.errors import UserError
from lth_bench.running.executors.processes import take_over_environment
from lth_bench.running.executors.stopping import die_with_parent, end_as_terminated, heed_signals
from lth_bench.running.executors.watchdog import Watchdog
from lth_bench.system.streams import guard_streams
from lth_bench.training.checkpoints.policy import CheckpointPolicy, Preempted

if TYPE_CHECKING:
    from lth_bench.running.executors.worker import WorkerConfig
    from lth_bench.running.progress import DiskRefused, Note, Recorded
    from lth_bench.training.dispatch.serving import Work


def worker_main(
    pipe: Connection,
    config: WorkerConfig,
    watchdog: Watchdog,
    environment: Mapping[str, str],
    artifacts: Connection | None = None,
) -> None:
    """A worker process: experiments in, records out, until the pipe closes. `artifacts` leads to
    the trainings of other machines.
    """
    take_over_environment(environment)
    with contextlib.suppress(OSError):  # neither stream is open
        os.dup2(2, 1)  # what a strategy prints is no part of the command's output
    guard_streams()  # nor is it an error of the strategy's where that cannot be shown
    saving = CheckpointPolicy(config.checkpoint_every)
    heed_signals(saving)
    threading.Thread(target=die_with_parent, daemon=True).start()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from lth_bench.running.executors.messages import (
        Begin,
        GiveBack,
        GivenBack,
        Room,
        Unfit,
        WorkerReady,
        receive,
        send,
    )
    from lth_bench.running.executors.needs import lacking
    from lth_bench.running.executors.pool import Pool
    from lth_bench.running.executors.ranks import FollowerProcess
    from lth_bench.running.executors.worker import Worker
    from lth_bench.running.progress import Recorded, StepsTrained
    from lth_bench.system.devices import prepare_process
    from lth_bench.training.parallel.leader import RankLeader

    prepare_process(config.device)
    worker: Worker | None = None

    def made() -> Worker:
        cache = None
        if artifacts is not None:
            from lth_bench.training.checkpoints.elsewhere import FetchingCache

            cache = FetchingCache(artifacts, config.artifacts / "trainings", config.trained_since)
        pool = Pool(watchdog.begin, config.execution.timeout, config.device)
        leader = (
            RankLeader(partial(FollowerProcess, config), config.ranks) if config.ranks else None
        )
        return Worker(config, pool=pool, saving=saving, cache=cache, leader=leader)

    def tell_work(work: Work) -> None:
        if work.steps:
            send(pipe, StepsTrained(work.steps, work.seconds, work.examples))

    def tell(event: Recorded | Note | DiskRefused) -> None:
        """An experiment's end comes after its trainings: with the last end, the run is over."""
        if isinstance(event, Recorded) and event.ends and worker is not None:
            tell_work(worker.take_work())
        send(pipe, event)

    def hear() -> None:
        """Do what the coordinator says next: begin experiments, or give some back."""
        nonlocal worker
        said = receive(pipe)
        worker = worker or made()
        if isinstance(said, GiveBack):
            send(pipe, GivenBack(tuple(worker.give_back())))
        elif isinstance(said, Begin):
            worker.begin(said.experiments, tell)

    if config.needs is not None:
        try:
            worker = made()
            reason = lacking(config.needs, worker)
        except UserError as error:
            reason = f"cannot run this: {error.message}"
        if reason:
            send(pipe, Unfit(reason))
            return
    with contextlib.suppress(OSError):  # the coordinator may be gone, which is noticed next
        send(pipe, WorkerReady())
    try:
        with contextlib.ExitStack() as ending:
            ending.callback(lambda: worker.close() if worker is not None else None)
            while True:
                hear()
                while worker is not None and len(worker.pool):
                    if worker.room:
                        send(pipe, Room(worker.room, worker.cohort_size))
                        hear()
                    while pipe.poll():
                        hear()
                    tell_work(worker.serve())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the coordinator is gone
    except Preempted:
        end_as_terminated()
