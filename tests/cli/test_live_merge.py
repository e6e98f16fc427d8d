"""Merging into results that a run is writing, and from them, while it writes."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lth_bench.store import Paths

ROWS = """
    SELECT label, control, seed, target_density, density, test_accuracy, test_loss, steps, status
    FROM tickets_flat ORDER BY ALL
"""


def rows(lth: Any, results: Path) -> Any:
    return json.loads(lth("query", ROWS, "--format", "json", "--results", results).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="processes cannot be halted here")
def test_the_results_of_a_live_run_can_be_merged_elsewhere(
    lth: Any, longer: str, finished: Any, undisturbed: Any
) -> None:
    journal, copy = Paths(lth.results).journal, lth.folder / "copy.duckdb"
    process = lth.start("run", lth.write("tiny.toml", longer), "--workers", "1")
    deadline = time.monotonic() + lth.patience
    while not journal.exists() or journal.read_bytes().count(b"\n") < 4:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGSTOP)  # or it could end before the merge begins
    try:
        before = journal.read_bytes()
        into = lth("merge", finished.results, "--results", lth.results, code=4)
        assert f"another run is writing to {lth.results} (process {process.pid}" in into.stderr
        assert journal.read_bytes() == before
        whole = before.endswith(b"\n")
        lth("merge", lth.results, "--results", copy, code=0 if whole else 4)
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=280) == 0, process.communicate()
    process.communicate()
    assert journal.read_bytes().startswith(before)
    lth("merge", lth.results, "--results", copy)
    assert rows(lth, lth.results) == rows(lth, copy) == rows(undisturbed, undisturbed.results)
