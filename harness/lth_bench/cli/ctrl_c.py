"""Ctrl-C while modules are imported, which takes the first seconds of a command."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from lth_bench.errors import INTERRUPTED

IMPORT_SYSTEM = "<frozen importlib._bootstrap>"
"""The file name of the frames between a module's code and the import that runs it."""


@contextlib.contextmanager
def quiet_ctrl_c() -> Iterator[None]:
    """Within this, Ctrl-C during an import says one line and ends the process with exit code 2.

    At any other time it is the KeyboardInterrupt that it always is. It has no effect where Ctrl-C
    does something else already, as after `nohup`.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, _hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _hear(number: int, frame: FrameType | None) -> None:
    if _importing(frame):
        # No exception: some libraries swallow it, which leaves modules that are half there (numpy,
        # whose next use was a RecursionError). What is on disk bears a kill at any time.
        with contextlib.suppress(OSError):  # a full disk, a terminal that is gone
            os.write(2, b"interrupted\n")
        os._exit(INTERRUPTED)
    signal.default_int_handler(number, frame)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False
