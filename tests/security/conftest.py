"""What these tests share: how much memory something takes."""

from __future__ import annotations

import os
import resource
import sys
import traceback
import warnings
from collections.abc import Callable

import pytest


@pytest.fixture
def peak() -> Callable[[Callable[[], object]], float]:
    """`peak(action)`: megabytes that a process takes beyond what it had, at most, in an action."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")

    def measure(action: Callable[[], object]) -> float:
        reader, writer = os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that there may be threads
            child = os.fork()
        if child == 0:  # its peak begins anew, and what it allocates goes with it
            status = 1
            try:
                before = _peak()
                action()
                os.write(writer, f"{_peak() - before}".encode())
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            said = pipe.read()
        _, ended = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(ended) == 0, "the action failed, see above"
        return float(said)

    return measure


def _peak() -> float:
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
