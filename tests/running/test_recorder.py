"""What the coordinator makes of the events that workers send."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lth_bench.output.progress import make_progress
from lth_bench.running.progress import Note
from lth_bench.running.recorder import Recorder, RunSummary
from lth_bench.store.fold import FoldReport
from lth_bench.store.journal import Journal
from lth_bench.store.paths import Paths


class Heard:
    def __init__(self):
        self.events = []

    def __call__(self, event):
        self.events.append(event)


def test_an_error_in_an_observer_is_noted_once_per_run(tmp_path):
    heard = Heard()
    paths = Paths(tmp_path / "r.duckdb")
    journal = Journal(paths).open()
    recorder = Recorder(
        journal=journal,
        paths=None,
        run_id="run",
        summary=RunSummary(run_id="run", suite="suite", planned=3, reused=0),
        emit=heard,
    )
    messages = ["observer a.on_eval: raised", "observer a.on_eval: raised", "observer b.score: …"]
    for message in messages:
        recorder.handle(Note(message))
    journal.close()
    said = [record["message"] for record, _ in Journal(paths).read()]
    assert said == [messages[0], messages[2]]  # for who follows the run
    assert [e.message for e in heard.events] == [messages[0], messages[2]]


def test_notes_go_to_stderr(capsys):
    make_progress()(Note("observer a.on_eval: raised [x]"))
    captured = capsys.readouterr()
    assert captured.err == "observer a.on_eval: raised [x]\n"
    assert captured.out == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("Query interrupted")])
def test_ctrl_c_while_folding_is_an_interrupt(monkeypatch, tmp_path, error):
    """DuckDB makes a RuntimeError of it."""
    from importlib import import_module

    def interrupted(*_, **__):
        raise error

    monkeypatch.setattr(import_module("lth_bench.store.fold"), "fold", interrupted)
    summary = RunSummary(run_id="run", suite="suite", planned=3, reused=0)
    recorder = Recorder(
        journal=None,
        paths=Paths(tmp_path / "r.duckdb"),
        run_id="run",
        summary=summary,
        emit=Heard(),
    )
    recorder.folded -= 100
    with pytest.raises(KeyboardInterrupt):
        recorder.fold()
    recorder.fold(final=True)
    assert summary.interrupted


def test_other_exceptions_while_folding_are_raised(monkeypatch, tmp_path):
    from importlib import import_module

    def broken(*_, **__):
        raise RuntimeError("something else")

    monkeypatch.setattr(import_module("lth_bench.store.fold"), "fold", broken)
    recorder = Recorder(
        journal=None,
        paths=Paths(tmp_path / "r.duckdb"),
        run_id="run",
        summary=RunSummary(run_id="r", suite="s", planned=3, reused=0),
        emit=Heard(),
    )
    with pytest.raises(RuntimeError, match="something else"):
        recorder.fold(final=True)


def test_a_database_that_takes_long_to_fold_is_folded_less_often(monkeypatch, tmp_path):
    from importlib import import_module

    now, folds = [0.0], []

    def slow(*_, **__):
        folds.append(now[0])
        now[0] += 0.3
        return FoldReport(state="folded", records=1, seconds=0.3)

    monkeypatch.setattr(import_module("lth_bench.store.fold"), "fold", slow)
    clock = SimpleNamespace(monotonic=lambda: now[0], perf_counter=lambda: now[0])
    monkeypatch.setattr("lth_bench.running.recorder.time", clock)
    summary = RunSummary(run_id="run", suite="suite", planned=3, reused=0)
    recorder = Recorder(
        journal=None,
        paths=Paths(tmp_path / "r.duckdb"),
        run_id="run",
        summary=summary,
        emit=Heard(),
    )
    for second in range(101):
        now[0] = max(now[0], float(second))
        recorder.fold()
    # after 5 s at first, then 100 times as long as it took
    assert len(folds) == 4
    recorder.fold(final=True)
    assert len(folds) == 5
