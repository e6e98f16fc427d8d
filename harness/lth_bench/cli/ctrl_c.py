"""Ctrl-C and SIGTERM, above all during imports, which take the first seconds of a command."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

from lth_bench.errors import INTERRUPTED
from lth_bench.system.temporary import remove_held

IMPORT_SYSTEM = "<frozen importlib._bootstrap>"
"""The file name of the frames between a module's code and the import that runs it."""


@contextlib.contextmanager
def quiet_ctrl_c() -> Iterator[None]:
    """Within this, Ctrl-C, SIGTERM and SIGHUP during an import say one line and end the process
    with exit code 2.

    At any other time they raise the KeyboardInterrupt that Ctrl-C always does, so that whatever
    is open is closed. It has no effect on a signal that does something else already, as SIGHUP
    does after `nohup`.
    """
    usual: dict[int, object] = {signal.SIGINT: signal.default_int_handler}
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            usual[getattr(signal, name)] = signal.SIG_DFL
    before = {number: kind for number, kind in usual.items() if signal.getsignal(number) is kind}
    for number in before:
        signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, kind in before.items():
            signal.signal(number, kind)


def _hear(number: int, frame: FrameType | None) -> None:
    if _importing(frame):
        # No exception: some libraries swallow it, which leaves modules that are half there (numpy,
        # whose next use was a RecursionError). What is on disk bears a kill at any time.
        with contextlib.suppress(OSError):  # a full disk, a terminal that is gone
            os.write(2, b"interrupted\n")
        remove_held()
        os._exit(INTERRUPTED)
    signal.default_int_handler(number, frame)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == IMPORT_SYSTEM:
            return True
        frame = frame.f_back
    return False
