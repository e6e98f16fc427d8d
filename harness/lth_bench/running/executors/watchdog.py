"""Whose code runs in a worker, in memory that its coordinator shares: the dead send no messages."""

from __future__ import annotations

import ctypes
import math
import time

GRACE = 1.0
"""Seconds that a worker has to notice by itself that an experiment's time is over."""


class Watchdog(ctypes.Structure):
    """Written by the worker, read by the coordinator. `time.monotonic` is the machine's."""

    _fields_ = (("_name", ctypes.c_char * 64), ("_end", ctypes.c_double))

    def begin(self, name: str = "", left: float = math.inf) -> None:
        """Code of this experiment's own runs from now on, and may for `left` seconds; "" is none's,
        such as the step of a cohort.
        """
        self._end = math.inf  # a coordinator that looks now must not pair it with another's name
        self._name = name.encode()
        self._end = time.monotonic() + left

    @property
    def name(self) -> str:
        """The experiment whose own code runs, or ran when the worker died."""
        found: bytes = self._name
        return found.decode()

    @property
    def used(self) -> bool:
        """Whether the worker came so far as to run something."""
        end: float = self._end
        return end != 0.0

    @property
    def overdue(self) -> bool:
        """Whether it runs for longer than it may."""
        end: float = self._end
        return 0 < end < time.monotonic() - GRACE
