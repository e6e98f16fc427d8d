"""The command line as a user meets it: a process of its own; and the same in this process."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TINY = """
schema_version = 1

[suite]
name = "tiny"
version = 1
densities = [0.5, 0.2]
seeds = [0, 1]

[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"

[recipes.short]
optimizer = "adam"
lr = 2e-3
batch_size = 50
steps = 30
val_size = 97
eval_every = 10

[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
controls = ["reinit", "shuffle"]

[[strategies]]
use = "snip"
"""

LONGER = TINY.replace("steps = 30", "steps = 300")


class CommandLine:
    """Runs `lth-bench` in a folder of its own, with results in it."""

    patience = 240.0
    """Seconds after which a command hangs: fewer than pytest's `faulthandler_timeout`, which ends
    all tests.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results.duckdb"
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("LTH_BENCH")},
            "LTH_BENCH_RESULTS": str(self.results),
            "COLUMNS": "100",
        }

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "lth_bench", *map(str, arguments)],
            cwd=self.folder, env=self.env, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(self, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=self.patience)
        return _checked(process.args, process.returncode, code, out, err)


class Here(CommandLine):
    """The same in this process, whose torch is loaded already. Its experiments run in it too,
    unless `workers`.
    """

    workers = False

    def __call__(self, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        from lth_bench.cli import main
        from lth_bench.running.executors import local

        out, err = io.StringIO(), io.StringIO()
        command = ["lth-bench", *map(str, arguments)]
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ.keys() - self.env.keys():
                patch.delenv(name)
            for name, value in self.env.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr("sys.argv", command)
            if not self.workers:
                patch.setattr(local, "LocalExecutor", SideBySide)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main()
                except SystemExit as ended:
                    found = ended.code
        return _checked(command, found, code, out.getvalue(), err.getvalue())


def _checked(
    command: Any, found: Any, code: int, out: str, err: str
) -> subprocess.CompletedProcess[str]:
    assert found == code, f"exit {found}\n{out}\n{err}"
    assert "Traceback" not in err
    return subprocess.CompletedProcess(command, found, out, err)


class SideBySide:
    """An executor whose only worker is this process."""

    def __init__(self, config: Any, _: Any) -> None:
        from lth_bench.running.executors.pool import Pool
        from lth_bench.running.executors.worker import Worker

        self.worker = Worker(config, pool=Pool(limit=config.execution.timeout))

    def run(self, planned: Any, handle: Callable[[Any], None]) -> None:
        import torch

        from lth_bench.running.executors.schedule import Schedule
        from lth_bench.system.devices import prepare_process

        prepare_process("cpu")
        try:
            self._run(planned if isinstance(planned, Schedule) else Schedule(planned), handle)
        finally:
            torch.set_flush_denormal(False)

    def _run(self, schedule: Any, handle: Callable[[Any], None]) -> None:
        from lth_bench.running.executors.schedule import task_of
        from lth_bench.running.progress import ExperimentStarted, Recorded

        live: dict[str, Any] = {}
        sent: list[Any] = []  # as through a pipe: what `handle` raises is its own
        while len(schedule) or live:
            task = task_of(next(iter(live.values())).experiment) if live else None
            room = self.worker.room if live else max(1, self.worker.room)
            for item in schedule.take(room, 1, task, None).items:
                live[item.experiment.experiment_id] = item
                handle(ExperimentStarted(item.experiment))
                self.worker.begin([item.experiment], sent.append)
            self.worker.serve()
            while sent:
                event = sent.pop(0)
                handle(event)
                if isinstance(event, Recorded) and event.ends:
                    schedule.done(live.pop(event.record["experiment_id"]))


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> None:
    """What sleeps in this process takes no time, but its clock goes on: time limits can then be so
    long that no experiment on a busy machine reaches one by itself.
    """
    clock, slept = time.perf_counter, [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock() + sum(slept))
    monkeypatch.setattr(time, "sleep", slept.append)


@pytest.fixture
def lth(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """For what is no matter of processes."""
    return Here(tmp_path)


@pytest.fixture(scope="session")
def finished(once: Callable[..., Path]) -> CommandLine:
    """A finished run of the tiny suite, as a user runs it. Read it, don't change it."""

    def run(folder: Path) -> None:
        lth = CommandLine(folder)
        lth("run", lth.write("tiny.toml", TINY))

    return CommandLine(once("finished", run))


@pytest.fixture(scope="session")
def longer() -> str:
    """The tiny suite at more steps, so that there is time to stop it in."""
    return LONGER


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """A finished run of the longer suite, in one process. Read it, don't change it."""
    here = Here(tmp_path_factory.mktemp("undisturbed"))
    here("run", here.write("tiny.toml", LONGER))
    return here


@pytest.fixture(scope="session")
def tiny() -> str:
    return TINY
