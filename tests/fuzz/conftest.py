"""What the fuzzers share: how many cases, and how long one may take."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

import pytest
from hypothesis import HealthCheck, Phase, settings
from thoroughness import cases

CASES = int(os.environ.get("LTH_BENCH_FUZZ", cases(200)))
"""Of each fuzzer. `make test-slow` sets 500, `make fuzz` 10,000."""

settings.register_profile(
    "fuzz",
    max_examples=CASES,
    deadline=None,
    # the same cases every time where a change is judged by them, new ones in `make fuzz`
    derandomize=CASES <= 500,
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


class TookTooLong(BaseException):
    """A hang; not an Exception, so that nothing under test can swallow it."""


@contextmanager
def _limit(seconds: float) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(_: int, __: FrameType | None) -> None:
        raise TookTooLong(f"a case took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def limit() -> Callable[[float], AbstractContextManager[None]]:
    """`with limit(seconds):` ends a hang."""
    return _limit


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite from nowhere may name any dataset; none is fetched for it."""
    monkeypatch.setenv("LTH_BENCH_OFFLINE", "1")
