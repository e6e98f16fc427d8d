"""Whatever a step does to its process, it has a result, and the others have theirs."""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.maintenance.selftest.supervised import Step, StepResult, ending, run

CHILD = """
import os, signal, subprocess, sys, time
from lth_bench.maintenance.selftest.supervised import serve

def raises(what):
    kinds = {"value": ValueError, "cuda": RuntimeError, "exit": SystemExit}
    raise kinds[what](what + " went wrong")

def begets():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")

def dies(how):
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), how)

serve({
    "echo": lambda value: value,
    "process": os.getpid,
    "noisy": lambda: print("not an answer") or os.write(1, b'{"value": "forged"}\\n'),
    "nan": lambda: [float("nan"), float("inf")],
    "odd": lambda: object(),
    "raises": raises, "begets": begets, "hangs": lambda: time.sleep(600), "dies": dies,
})
"""


@pytest.fixture
def supervise(tmp_path: Path) -> Callable[..., list[StepResult]]:
    """`supervise(Step, …)`: the results; `pids` has the child and the one that it begets."""
    script = tmp_path / "child.py"
    script.write_text(CHILD)

    def make(*steps: Step, **options: Any) -> list[StepResult]:
        heard: list[StepResult] = []
        command = [sys.executable, str(script), str(tmp_path / "pids")]
        found = run(command, steps, heard.append, **options)
        assert heard == found
        assert [r.name for r in found] == [s.name for s in steps]
        return found

    return make


def step(name: str, function: str = "process", seconds: float = 60.0, **arguments: Any) -> Step:
    return Step(name, function, arguments, seconds)


def gone(pid: int) -> bool:
    end = time.monotonic() + 100
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            # one that its parent has not heard of yet is dead all the same
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def test_one_process_runs_all_steps(supervise: Callable[..., list[StepResult]]) -> None:
    a, b, c, d = supervise(
        step("a"), step("b"), step("c", "echo", value={"x": 1}), step("d", "nan")
    )
    assert a.status == "ok"
    assert a.value == b.value != os.getpid()
    assert c.value == {"x": 1}
    assert math.isnan(d.value[0]) and math.isinf(d.value[1])
    assert c.seconds >= 0


def test_printed_text_is_not_an_answer(supervise: Callable[..., list[StepResult]]) -> None:
    noisy, after = supervise(step("noisy", "noisy"), step("after", "echo", value=1))
    assert isinstance(noisy.value, int)  # what os.write returned
    assert after.value == 1


def test_an_error_fails_only_its_step(supervise: Callable[..., list[StepResult]]) -> None:
    a, bad, odd, b, left, c = supervise(
        step("a"),
        step("bad", "raises", what="value"),
        step("odd", "odd"),
        step("b"),
        step("left", "raises", what="exit"),
        step("c"),
    )
    assert (bad.status, odd.status, left.status) == ("failed", "failed", "failed")
    assert str(bad.error).startswith("ValueError: value went wrong\n")
    assert "line" in str(bad.error)
    assert str(odd.error).startswith("TypeError")
    assert a.value == b.value == c.value  # the same process


def test_a_new_process_continues_after_a_possible_cuda_error(
    supervise: Callable[..., list[StepResult]],
) -> None:
    a, bad, b = supervise(step("a"), step("bad", "raises", what="cuda"), step("b"))
    assert bad.status == "failed"
    assert b.status == "ok"
    assert a.value != b.value


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGKILL])
def test_a_child_that_dies(supervise: Callable[..., list[StepResult]], how: signal.Signals) -> None:
    dead, after = supervise(step("dead", "dies", how=int(how)), step("after"))
    assert dead.status == "died"
    assert dead.error == f"its process was killed by {how.name}: last words"
    assert after.status == "ok"


def test_a_child_that_hangs_is_killed_with_its_own_children(
    supervise: Callable[..., list[StepResult]], tmp_path: Path
) -> None:
    # before the one that hangs, whose second a busy machine may need for less than that
    _, late, after = supervise(
        step("begets", "begets"), step("late", "hangs", seconds=1.0), step("after")
    )
    assert (late.status, late.error) == ("late", "took longer than 1 s")
    assert after.status == "ok"
    for pid in (tmp_path / "pids").read_text().split():
        assert gone(int(pid))


def test_nothing_runs_beyond_the_end(supervise: Callable[..., list[StepResult]]) -> None:
    first, cut, left = supervise(
        step("first"), step("cut", "hangs"), step("left"), until=time.monotonic() + 2.0
    )
    assert (first.status, cut.status, left.status) in (
        ("ok", "late", "left out"),
        ("ok", "left out", "left out"),  # the first took all the time that there was
        ("late", "left out", "left out"),  # on a machine so busy that starting took so long
    )
    assert left.error == "there was no time left"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["/nowhere/python"], "its process cannot be started"),
        ([sys.executable, "-c", "import sys; sys.exit('no such module')"], "no such module"),
    ],
)
def test_a_child_that_does_not_start(command: list[str], said: str) -> None:
    found = run(command, [step("a"), step("b")])
    assert [r.status for r in found] == ["died", "died"]
    assert all(said in str(r.error) for r in found)


def test_a_child_that_never_says_that_it_is_ready() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    (found,) = run(command, [step("a")], start=0.5)
    assert (found.status, found.error) == ("late", "took longer than 0.5 s to start")


def test_how_a_process_ends() -> None:
    assert ending(3) == "ended with code 3"
    assert ending(-11) == "was killed by SIGSEGV"
    assert ending(-999) == "ended with code -999"
    assert ending(None) == "does not end"
