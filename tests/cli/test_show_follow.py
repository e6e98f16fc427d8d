"""`lth-bench show --follow`: a run from another terminal."""

from __future__ import annotations

import json
import runpy
import signal
import time
from pathlib import Path

import pytest

SUITE = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["LONGER"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be halted here")
def test_a_run_is_followed_from_a_second_process_and_left_alone(lth):
    """The follower reads while the run writes; one that Ctrl-C ends leaves the run alone."""
    running = lth.start("run", lth.write("tiny.toml", SUITE), "--workers", "1")
    journal = lth.folder / "results.journal.jsonl"
    deadline = time.monotonic() + lth.patience
    while not (journal.exists() and b'"record":"begun"' in journal.read_bytes()):
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    running.send_signal(signal.SIGSTOP)  # or it could end before the others have started
    try:
        rows = json.loads(lth("ls", "runs", "--json").stdout)["runs"]
        assert [row["state"] for row in rows] == ["running"]

        impatient = lth.start("show", "--follow")
        assert impatient.stderr is not None
        assert "8 experiments" in impatient.stderr.readline()
        impatient.send_signal(signal.SIGINT)
        assert "the run is left alone" in impatient.communicate(timeout=lth.patience)[1]
        assert impatient.returncode == 0
    finally:
        running.send_signal(signal.SIGCONT)

    followed = lth("show", "--follow", "--json")
    running.communicate(timeout=lth.patience)
    assert running.returncode == 0
    assert json.loads(followed.stdout)["finished"] == 8
    ended = [line for line in followed.stderr.splitlines() if line.startswith("[")]
    assert ended[-1].startswith("[8/8] ok")
    assert lth("show", "--follow", rows[0]["run_id"]).stdout.startswith("tiny, run ")


def test_without_an_id_it_says_what_to_name(capsys, monkeypatch):
    records = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
    code, out, err = records["call"](capsys, monkeypatch, "show")
    assert (code, out) == (4, "")
    assert err.startswith("error: ID is missing") and "--follow" in err
