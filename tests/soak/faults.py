"""`python faults.py run SUITE …`: lth-bench that kills itself in a chosen place.

SOAK_FAULT is `VICTIM PLACE NUMBER`: who is killed with SIGKILL (`coordinator`, `worker`, `server`,
which forks the workers, `all`), where (`training`, `hooks`, `append`, `fold`), and the how-manieth
time that a process passes there. It happens once: the file SOAK_DIARY says that it has. Without
SOAK_FAULT nothing is killed. Worker processes import this file too, so that it is in force in them.
The diary has a JSON line for every kill, every finished training, and every process with what it
has trained.
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import random
import signal
import time
from multiprocessing import forkserver
from pathlib import Path

from ledger import PROGRESS

DIARY = Path(os.environ["SOAK_DIARY"])
FAULT = os.environ.get("SOAK_FAULT", "").split()
IN_WORKER = __name__ == "__mp_main__"


def note(**record):
    with DIARY.open("ab", buffering=0) as file:
        file.write(json.dumps({"at": time.time(), "pid": os.getpid(), **record}).encode() + b"\n")


def victims(who):
    if who == "all":
        return [0]  # the whole group
    if who == "server":
        # the worker's own parent, since that is what forked it
        server = forkserver._forkserver._forkserver_pid
        return [os.getppid()] if IN_WORKER else [pid for pid in (server,) if pid is not None]
    if IN_WORKER:
        return [os.getpid() if who == "worker" else multiprocessing.parent_process().pid]
    workers = [p.pid for p in multiprocessing.active_children()]
    return [os.getpid()] if who == "coordinator" else workers[:1]


class Fuse:
    """Burns down by one at every call in its place."""

    def __init__(self):
        self.left = int(FAULT[2]) if FAULT else -1

    def burn(self, place):
        """Whether this is the moment."""
        if not FAULT or FAULT[1] != place:
            return False
        self.left -= 1
        if self.left != 0:
            return False
        try:  # once a run, whichever process comes first
            os.close(os.open(f"{DIARY}.fired", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def kill(self):
        who, place, _ = FAULT
        found = victims(who)
        note(kill=who, place=place)
        for pid in found:
            os.kill(pid, signal.SIGKILL)


FUSE = Fuse()


def patch_coordinator():
    from importlib import import_module

    from lth_bench.running import recorder
    from lth_bench.store import journal

    fold = import_module("lth_bench.store.fold")  # the package has a function of this name
    recorder.FOLD_EVERY, recorder.FOLD_SHARE = 0.2, 1.0
    write_all, write_mark, stage, unstage = (
        journal._write_all, fold.write_mark, fold.stage, fold.unstage,
    )  # fmt: skip

    def torn(fd, line):
        if FUSE.burn("append"):
            cut = random.randrange(len(line) + 1)
            write_all(fd, line[:cut])
            FUSE.kill()
            write_all(fd, line[cut:])
        else:
            write_all(fd, line)

    def around(function):
        def wrapped(*arguments):
            if FUSE.burn("fold"):
                FUSE.kill()
            return function(*arguments)

        return wrapped

    journal._write_all = torn
    # before a transaction, within it, and after it
    fold.stage, fold.write_mark, fold.unstage = map(around, (stage, write_mark, unstage))


def patch_worker():
    from lth_bench.plugins.dispatch import Hooks
    from lth_bench.training.checkpoints.cache import TrainingCache
    from lth_bench.training.engine.cohort import Cohort
    from lth_bench.training.engine.layouts.base import Layout

    file = DIARY.with_name(f"{DIARY.name}.{os.getpid()}.progress")
    file.write_bytes(bytes(PROGRESS.size))
    with file.open("r+b") as opened:
        page = mmap.mmap(opened.fileno(), PROGRESS.size)  # outlives the process
    totals = [0, 0.0]
    run, put = Cohort.run, TrainingCache.put
    forward_backward, update = Layout.forward_backward, Layout.update
    under_way = []  # the cohort that trains: none while a cohort size is measured

    def watched(self):
        under_way.append(self)
        try:
            run(self)
        finally:
            under_way.pop()

    def half_a_step(self, done):
        if under_way:
            if FUSE.burn("training"):
                FUSE.kill()
            totals[1] -= time.perf_counter()
        forward_backward(self, done)

    def whole_step(self, lr):
        update(self, lr)
        if under_way:
            totals[0] += sum(bool(m.open) for m in under_way[-1].members)
            totals[1] += time.perf_counter()
            page[:] = PROGRESS.pack(*totals)

    def kept(self, key, outcome):
        put(self, key, outcome)
        note(trained=key)

    Cohort.run, TrainingCache.put = watched, kept
    Layout.forward_backward, Layout.update = half_a_step, whole_step
    first = Hooks._first

    def between(self, hook, *arguments, **more):
        if FUSE.burn("hooks"):
            FUSE.kill()
        return first(self, hook, *arguments, **more)

    Hooks._first = between


if IN_WORKER:
    patch_worker()
else:
    patch_coordinator()

if __name__ == "__main__":
    from contextlib import nullcontext

    from lth_bench.cli import main
    from lth_bench.running.executors import processes

    processes._without_main = nullcontext  # workers run this file too, as they run no user's
    main()
