"""A terminal of 40 columns, as a phone, or half of a split window, has it."""

from __future__ import annotations

import os
import re
import runpy
import struct
import sys
from pathlib import Path

import pytest

pty = pytest.importorskip("pty", reason="this system has no pseudo-terminals")
RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
WIDTH = 40
SHOWN = {
    "ls suites": ["cifar_resnet", "1,314"],
    "ls models": ["lenet_300_100", "convolutional."],
    "plugin list": ["late_rewind", "select_mask"],
    "plugin info rigl": ["select_mask,"],
    "validate quickstart": ["conv_bn(gamma_init=0.5)", "late_rewind", "0.0467"],
    "plan quickstart --no-estimate": ["conv_bn(gamma_init=0.5)", "16,000"],
    "leaderboard": ["one_shot", "96.91±0.67", "3,000"],
    "leaderboard --by cost": ["one_shot"],
    "compare imp one_shot": ["−1.07", "worse"],
    "show {id}": ["f451f4f32c", "interim", "1,000", "search:"],
    "query 'FROM leaderboard'": ["quickstart", "rows)"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("narrow") / "results.duckdb"
    RECORDS["write"](path, RECORDS["Scenario"](strategies=("dense", "imp", "one_shot")))
    return path


def on_a_terminal(command: list[str], results: Path) -> str:
    """What the command shows on a terminal of `WIDTH` columns."""
    import fcntl
    import termios

    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, WIDTH, 0, 0))
        env = {**os.environ, "TERM": "xterm", "LTH_BENCH_RESULTS": str(results), "NO_COLOR": "1"}
        os.execve(sys.executable, [sys.executable, "-m", "lth_bench", *command], env)
    out = b""
    with os.fdopen(terminal, "rb", buffering=0) as reader:
        while True:
            try:
                some = reader.read(65536)
            except OSError:  # how Linux says that the other end is closed
                break
            if not some:
                break
            out += some
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, out.decode()
    return re.sub(r"\x1b\[[0-9;]*m", "", out.decode().replace("\r\n", "\n"))


@pytest.mark.parametrize("command", [
    pytest.param(c, marks=() if c in ("leaderboard", "show {id}") else pytest.mark.slow)
    for c in SHOWN
])  # fmt: skip
def test_narrow_terminals_break_no_word_or_number(results: Path, command: str) -> None:
    import shlex

    words = shlex.split(command.format(id="5c1231582d821f4f"))
    shown = on_a_terminal(words, results).split()
    for word in SHOWN[command]:
        assert word in shown, shown
