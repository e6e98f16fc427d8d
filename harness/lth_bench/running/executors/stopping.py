"""How a run is stopped: Ctrl-C, SIGTERM and SIGHUP in the coordinator, SIGTERM in a worker."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from multiprocessing import Pipe
from types import FrameType, TracebackType

from lth_bench.running.executors.processes import SIGNALS
from lth_bench.training.checkpoints.policy import CheckpointPolicy

GRACE = 10.0
"""Seconds that workers have to save the trainings that are under way."""
ECHO = 0.2
"""Seconds within which a further signal is the same one: launchers pass on what the terminal has
sent to the whole group already.
"""


class StopSignals:
    """The first signal waits until it is looked for; the second raises KeyboardInterrupt at once.
    Those that are ignored, as SIGHUP is after `nohup`, stay so. Outside the main thread signals
    stay whose they are.
    """

    def __init__(self) -> None:
        self.reader, self._writer = Pipe(duplex=False)
        """`reader` becomes ready with the first signal."""
        self.urgent = False
        """Whether there was a second one."""
        self._first: float | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        with contextlib.suppress(ValueError):
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal.signal returned
        self.reader.close()
        self._writer.close()

    def look(self) -> None:
        """KeyboardInterrupt where there was a signal."""
        if self._first is not None:
            raise KeyboardInterrupt

    def _hear(self, _: int, __: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
            self._writer.send_bytes(b"\0")
        elif now - self._first > ECHO:
            self.urgent = True
            raise KeyboardInterrupt


def heed_signals(saving: CheckpointPolicy) -> None:
    """In a worker: Ctrl-C and a terminal that closes are the coordinator's to handle; SIGTERM lets
    trainings under way save themselves, and ends the process at once where there are none.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)

    def terminated(_: int, __: FrameType | None) -> None:
        if not saving.preempt():
            end_as_terminated()

    signal.signal(signal.SIGTERM, terminated)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)


def end_as_terminated() -> None:
    """End as SIGTERM ends a process that does not handle it."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def die_with_parent() -> None:
    """In a thread of a worker's: without its coordinator no results are written."""
    import multiprocessing

    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)  # save what is under way
        time.sleep(GRACE)
        os._exit(1)
