"""Where processes cannot be forked, as on macOS: workers are spawned, there is no /proc, and no
affinity. The same commands, by the same door.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

import pytest

AS_ON_MACOS = """
import builtins, io, os, sys
real = builtins.open
def no_proc(file, *arguments, **options):
    if str(file).startswith("/proc"):
        raise FileNotFoundError(file)
    return real(file, *arguments, **options)
builtins.open = io.open = no_proc
if hasattr(os, "sched_getaffinity"):
    del os.sched_getaffinity
from lth_bench.running.executors import processes
processes.METHOD = "spawn"
sys.argv[0] = "lth-bench"
from lth_bench.cli import main
main()
"""
ROWS = (
    "SELECT label, seed, density, test_accuracy FROM tickets_flat "
    "WHERE control = 'none' AND seed = 0 AND label IN ('snip', 'dense') ORDER BY ALL"
)


def as_on_macos(lth: Any, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", AS_ON_MACOS, *arguments], cwd=lth.folder, env=lth.env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def rows(lth: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lth("query", ROWS, "--json").stdout)["rows"]
    return found


@pytest.mark.slow
def test_spawned_workers_give_the_same_results(lth: Any, tiny: str, finished: Any) -> None:
    lth.write("tiny.toml", tiny)
    process = as_on_macos(lth, "run", "tiny.toml", "--seeds", "0,", "-s", "snip")
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    ours, theirs = rows(lth), rows(finished)
    assert [r["test_accuracy"] for r in ours] == pytest.approx(
        [r["test_accuracy"] for r in theirs], abs=1e-6
    )
    assert len(ours) == 3


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_resumes(lth: Any, longer: str) -> None:
    lth.write("tiny.toml", longer)
    command = ("run", "tiny.toml", "--seeds", "0,", "-s", "imp", "--workers", "1")
    process = as_on_macos(lth, *command)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("[1/"):  # the first experiment is done, the next one is under way
            os.killpg(process.pid, signal.SIGINT)
            break
    _, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    assert process.returncode in (0, 2)  # 0 where the rest was done before the signal came
    process = as_on_macos(lth, *command)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "imp" in out
