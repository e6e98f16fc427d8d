"""A worker as its coordinator sees it, wherever it runs; and a worker process of this machine."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import RawValue
from typing import TYPE_CHECKING, Any, Protocol

from lth_bench.errors import UserError
from lth_bench.running.executors.messages import Ended, Message, receive, send
from lth_bench.running.executors.processes import SERVER_LOST, how_it_died, starting
from lth_bench.running.executors.watchdog import Watchdog
from lth_bench.running.executors.worker_process import worker_main

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from lth_bench.running.executors.worker import WorkerConfig

PAUSES = (0.1, 0.5, 2.0)
"""Seconds before another try to start a worker."""


class Link(Protocol):
    """A worker, as its coordinator sees it."""

    @property
    def name(self) -> str:
        """What the records of its experiments call it: `cpu`, or `10.0.0.7 cuda:0`."""

    @property
    def host(self) -> str:
        """Name or address of its machine; empty as long as it has none."""

    @property
    def ready(self) -> bool:
        """Whether it takes experiments. One on another machine may wait for a place there."""

    def send(self, message: Message) -> None:
        """Say something. Nothing is heard of it where the worker is dead."""

    def receive(self) -> Message | None:
        """The next message that has arrived."""

    def ended(self) -> Ended | None:
        """How it ended; None as long as it lives, or something that it sent is to be received."""

    def terminate(self) -> None:
        """Let it save what it trains, and end."""

    def kill(self) -> None:
        """End it at once. Returns when it is gone, or can do no harm."""


class ProcessLink:
    """A worker process of this machine."""

    ready = True

    def __init__(self, context: Any, config: WorkerConfig, artifacts: Connection | None = None):
        """Starts it. `artifacts` is its way to trainings that other machines keep."""
        self.name = config.name or config.device
        self.host = socket.gethostname()
        self.watchdog = RawValue(Watchdog)
        self.pipe, theirs = context.Pipe()
        more = () if artifacts is None else (artifacts,)
        arguments = (theirs, config, self.watchdog, dict(os.environ), *more)
        # only one that is no daemon may have processes of its own; it dies with its parent anyway
        self.process = _started(context, arguments, PAUSES, daemon=not config.ranks)
        theirs.close()
        self._broken = self._expired = False

    def send(self, message: Message) -> None:
        """Where the worker is dead, its sentinel says so next."""
        with contextlib.suppress(OSError):
            send(self.pipe, message)

    def receive(self) -> Message | None:
        """The next message that has arrived."""
        try:
            return receive(self.pipe) if not self._broken and self.pipe.poll() else None
        except (EOFError, OSError):
            self._broken = True
            return None

    def expire(self) -> bool:
        """End it if something in it takes too long; whether it was ended."""
        if not self.watchdog.overdue:
            return False
        self._expired = True
        self.process.kill()
        self.process.join()
        return True

    def ended(self) -> Ended | None:
        """How it ended, when all that it sent is received."""
        if not self._broken:
            if self.process.is_alive():
                return None
            with contextlib.suppress(OSError):
                if self.pipe.poll():
                    return None
        self.process.join()
        self.pipe.close()  # if it lives, since only its server has ended, it ends now
        code = self.process.exitcode
        lost = "the process that starts workers ended, and the worker with it"
        return Ended(
            how=how_it_died(code),
            running=self.watchdog.name,
            used=self.watchdog.used,
            lost=lost if code == SERVER_LOST else "",
            expired=self._expired,
            # where it went on in the last moment no experiment is to blame
            overdue=self._expired and self.watchdog.overdue,
        )

    def terminate(self) -> None:
        """Let it save what it trains, and end."""
        self.process.terminate()

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.join()


def _started(
    context: Any, arguments: tuple[object, ...], pauses: Sequence[float], daemon: bool
) -> BaseProcess:
    process: BaseProcess = context.Process(target=worker_main, args=arguments, daemon=daemon)
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
        return _started(context, arguments, pauses[1:], daemon)
    return process
