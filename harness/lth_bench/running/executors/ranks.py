"""The processes of a worker's followers, where its trainings are spread over several devices."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lth_bench.running.executors.processes import how_it_died, starting, take_over_environment
from lth_bench.running.executors.stopping import die_with_parent
from lth_bench.system.streams import guard_streams
from lth_bench.training.input.task_data import Share

if TYPE_CHECKING:
    from lth_bench.running.executors.worker import WorkerConfig


def on_device(config: WorkerConfig, worker: str) -> WorkerConfig:
    """The settings of a worker on a device, or on several joined by commas."""
    ranks = tuple(worker.split(","))
    return replace(config, device=ranks[0], ranks=ranks if len(ranks) > 1 else ())


class FollowerProcess:
    """A process that follows this one."""

    def __init__(self, config: WorkerConfig, share: Share, place: Path) -> None:
        """Starts it. `config` is this worker's, whose `ranks` name the device of each."""
        device = config.ranks[share.rank]
        self.name = f"rank {share.rank} of {share.of} ({device})"
        context = get_context("spawn")  # a worker has used its device, so it cannot be forked
        self.pipe, theirs = context.Pipe()
        own = replace(config, device=device, ranks=())
        arguments = (theirs, own, share, place, dict(os.environ))
        self._process = context.Process(target=follower_main, args=arguments, daemon=True)
        with starting():
            self._process.start()
        theirs.close()

    @property
    def sentinel(self) -> Any:
        """Ready when the process has ended."""
        return self._process.sentinel

    def how(self) -> str | None:
        """How it ended, as a clause; None while it lives."""
        code = self._process.exitcode
        return None if code is None else how_it_died(code)

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.join()


def follower_main(
    pipe: Connection,
    config: WorkerConfig,
    share: Share,
    place: Path,
    environment: Mapping[str, str],
) -> None:
    """A follower: as its worker says, until the pipe closes. Signals stay its worker's."""
    take_over_environment(environment)
    with contextlib.suppress(OSError):  # neither stream is open
        os.dup2(2, 1)
    guard_streams()
    threading.Thread(target=die_with_parent, daemon=True).start()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import torch

    from lth_bench.running.executors.worker import Worker
    from lth_bench.system.devices import prepare_process
    from lth_bench.training.parallel.follower import follow
    from lth_bench.training.parallel.group import Ranks, rank_seconds

    prepare_process(config.device)
    join = partial(Ranks.join, place, share, torch.device(config.device), rank_seconds())
    follow(pipe, join, Worker(config).followed)
