"""Ctrl-C among the imports, which a user who has mistyped meets first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from lth_bench.cli.ctrl_c import quiet_ctrl_c

SWALLOWS = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000): pass
except BaseException:
    pass
raise RuntimeError("half of a module")
"""


@pytest.mark.parametrize("module", ["typer", "torch"])  # what comes first, and what takes longest
def test_ctrl_c_during_an_import_ends_the_command(tmp_path, module):
    (tmp_path / f"{module}.py").write_text(SWALLOWS)
    command = [sys.executable, "-m", "lth_bench", "run", "quickstart", "--results", "r.duckdb"]
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    *_, last = done.stderr.splitlines()
    assert last == "interrupted"
    assert "Traceback" not in done.stderr


def test_ctrl_c_raises_keyboard_interrupt_elsewhere():
    with pytest.raises(KeyboardInterrupt), quiet_ctrl_c():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_ignored_sigint_stays_ignored():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with quiet_ctrl_c():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
