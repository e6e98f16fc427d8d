"""How worker processes are started: quickly, deaf to what is sent to the whole group, and without
the current folder among the places that modules are imported from, or the script that runs.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from multiprocessing import spawn
from multiprocessing.util import get_temp_dir
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext

METHOD = "forkserver" if sys.platform == "linux" else "spawn"
"""A server imports torch once, while the coordinator plans, and all workers are forked from it:
the replacement of a dead one starts at once. It never uses a GPU or a thread, so there is nothing
that a fork could break. Elsewhere a fork is not safe, or does not exist.
"""
SERVER_LOST = 255
"""The exit code of a process whose server has ended, which alone could have told the true one."""
SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""What ends a run: Ctrl-C, a preemption, a terminal that closes. The coordinator's to handle."""
ONE = threading.RLock()
"""Held while a process is started: what `starting` changes is the whole process's."""
IMPORTED = [
    "lth_bench.running.executors.local",
    "lth_bench.running.executors.worker",
    "numpy.ctypeslib",
]
"""What workers need, and the server imports."""


def worker_context() -> ForkServerContext | SpawnContext:
    """The context that worker processes and their pipes are made in. multiprocessing's temporary
    folder is then this process's in all of them, and goes with it, whatever ends a worker.
    """
    get_temp_dir()
    if get_ready():
        return multiprocessing.get_context("forkserver")
    return multiprocessing.get_context("spawn")


def get_ready() -> bool:
    """Start the server, if it does not run, so that it imports while this process does. It ends
    with this process. False where there is none, and workers are spawned.
    """
    if METHOD != "forkserver":
        return False
    from multiprocessing.forkserver import ensure_running

    multiprocessing.set_forkserver_preload(IMPORTED)
    try:
        with starting():
            ensure_running()
    except OSError:  # its socket has no place: a temporary folder of a long name, or a full one
        return False
    return True


def take_over_environment(environment: Mapping[str, str]) -> None:
    """In a worker: the coordinator's variables, which may have changed since the server began."""
    os.environ.clear()
    os.environ.update(environment)


@contextlib.contextmanager
def starting() -> Iterator[None]:
    """Around the start of a process: it does not get `SIGNALS` from its first moment until it
    unblocks them, it imports no module that happens to lie in the current folder, and it does not
    run the script that is running here.
    """
    with ONE, _safe_path(), _without_main(), _deaf():
        yield


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """multiprocessing runs the main module's file again in every process that it starts, for
    classes that are defined there. A worker needs none of them, plugins being files of their own;
    and a script that calls `lth_bench.run` at its top level would begin its run again in each.
    """
    usual = spawn.get_preparation_data

    def prepared(name: str) -> dict[str, Any]:
        return {k: v for k, v in usual(name).items() if not k.startswith("init_main_from_")}

    spawn.get_preparation_data = prepared
    try:
        yield
    finally:
        spawn.get_preparation_data = usual


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """multiprocessing starts its processes with `python -c`, which looks for every module in the
    current folder first: a stranger's random.py there would run. A variable forbids it, since the
    command is not ours to change; workers are given the coordinator's variables afterwards.
    """
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """A process that is started here does not get `SIGNALS`; this process gets them afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing.resource_tracker import ensure_running

    ensure_running()  # or starting the first child would start it, which unblocks signals
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def how_it_died(exitcode: int | None) -> str:
    """An exit code as a clause."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"was killed by {name}{hint}"
    return f"ended with exit code {exitcode}"
