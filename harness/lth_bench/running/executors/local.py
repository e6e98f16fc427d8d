"""The local executor: one process a GPU, or one single-threaded process a CPU core."""

from __future__ import annotations

import math
from collections.abc import Sequence
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from lth_bench.running.executors.coordinator import Executor
from lth_bench.running.executors.link import ProcessLink
from lth_bench.running.executors.processes import worker_context
from lth_bench.running.executors.ranks import on_device

if TYPE_CHECKING:
    from lth_bench.running.executors.stopping import StopSignals
    from lth_bench.running.executors.worker import WorkerConfig

LOOK = 0.5
"""Seconds between looks for experiments that take too long, where there is a limit."""


class LocalExecutor(Executor[ProcessLink]):
    """Feeds worker processes of this machine, and hands their records on."""

    def __init__(self, config: WorkerConfig, devices: Sequence[str]) -> None:
        super().__init__(config, devices)
        self._context = worker_context()

    def start(self, device: str) -> ProcessLink:
        """A new worker process."""
        return ProcessLink(self._context, on_device(self.config, device))

    def wait(
        self, links: Sequence[ProcessLink], stop: StopSignals | None, seconds: float | None = None
    ) -> list[ProcessLink]:
        """The workers that sent something or ended, by themselves or since they are overdue."""
        by_handle: dict[Any, ProcessLink | None] = {}
        for link in links:
            by_handle[link.process.sentinel] = link
            # what a pipe without a sender has to say was heard
            if not link.pipe.closed:
                by_handle[link.pipe] = link
        if stop is not None:
            by_handle[stop.reader] = None
        timed = math.isfinite(self.config.execution.timeout)
        if timed:
            seconds = LOOK if seconds is None else min(LOOK, seconds)
        found = dict.fromkeys(by_handle[handle] for handle in wait(list(by_handle), seconds))
        if timed:
            found |= dict.fromkeys(link for link in links if link.expire())
        return [link for link in found if link is not None]
