"""Processes that stay alive between measurements and start each one together."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Self

TIMEOUT = 300
"""Seconds after which a process stops waiting for one that died."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


class Crew:
    """`size` processes that run the same function at the same time.

    `prepare(*arguments)` runs once in each. Both functions must be importable. The processes are
    started without the variables that limit threads, so that a library's own default holds.
    """

    def __init__(self, size: int, prepare: Callable[..., None], *arguments: Any) -> None:
        context = get_context("spawn")
        self.size = size
        self._pool = ProcessPoolExecutor(
            size, context, _prepare, (context.Barrier(size), prepare, arguments)
        )

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """What the function returned in each process. Its exception is raised here."""
        limits = {name: os.environ.pop(name) for name in THREADS if name in os.environ}
        try:
            waiting = [self._pool.submit(_together, function, arguments) for _ in range(self.size)]
        finally:
            os.environ.update(limits)
        return [one.result() for one in waiting]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()


_barrier: Any = None


def _prepare(barrier: Any, prepare: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    global _barrier
    _barrier = barrier
    prepare(*arguments)


def _together(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    _barrier.wait(TIMEOUT)  # also keeps one process from taking two of the calls
    return function(*arguments)
