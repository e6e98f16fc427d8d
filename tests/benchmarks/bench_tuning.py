"""What tuning costs beyond its trainings, and what it buys on digits at 5% left.

`make bench ARGS="-k tuning"`. Prints numbers and asserts none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from lth_bench.running.plan import Planned
from lth_bench.system.devices import cores

WORKERS = min(2, cores())


class Heard:
    """No display."""

    def __call__(self, event: Any) -> None: ...


def test_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall-clock time of a tuning against that of its experiments planned all at once."""
    from lth_bench.analysis.gains import study_gains
    from lth_bench.analysis.samples import samples
    from lth_bench.plugins import load_registry
    from lth_bench.running.executors.schedule import Schedule
    from lth_bench.running.request import Execution, RunRequest, SuiteSelection
    from lth_bench.store.reading import reading
    from lth_bench.store.trials import read_studies
    from lth_bench.suite.load import load_suite
    from lth_bench.suite.select import select
    from lth_bench.tuning import loop, run
    from lth_bench.tuning.final import run_final

    made: list[Planned] = []

    class Watched(Schedule):
        def add(self, planned: Iterable[Planned]) -> None:
            items = list(planned)
            made.extend(items)
            super().add(items)

    own = 0.0
    advance = loop.TuningLoop._advance

    def timed(self: loop.TuningLoop) -> None:
        nonlocal own
        began = time.perf_counter()
        advance(self)
        own += time.perf_counter() - began

    monkeypatch.setattr(loop, "Schedule", Watched)
    monkeypatch.setattr(loop.TuningLoop, "_advance", timed)
    registry, suite = load_registry(), load_suite("tune_digits")
    execution = Execution(results=tmp_path / "tuned.duckdb", device="cpu", workers=WORKERS)
    request = RunRequest(selection=SuiteSelection(suite="tune_digits"), execution=execution)
    summary = run.tune_suite(suite, registry, request, emit=Heard())
    plain = _at_once(made, tmp_path / "plain.duckdb")
    print(
        f"\n{len(made)} experiments of {sum(summary.ended.values())} trials on {WORKERS} workers:"
        f" tuned in {summary.seconds:.1f} s, of which proposing, judging and storing trials"
        f" {own:.2f} s ({100 * own / summary.seconds:.1f}%); with all of them known from the"
        f" beginning {plain:.1f} s"
    )
    with reading(execution.results, print) as con:
        studies = read_studies(con)
    run_final(suite, studies, registry, request=request, emit=Heard())
    good = select(suite, None, ["imp_default"])
    from lth_bench.running.runner import run_suite

    run_suite(good, registry, request, Heard())
    with reading(execution.results, print) as con:
        for study in studies:
            gain = study_gains(con, [study])[study.study_id]
            i, best = gain.interval, study.best
            assert best is not None
            print(
                f"{study.label}: own {100 * gain.own:.2f}%, tuned − own {100 * i.mean:+.2f}"
                f" [{100 * (i.low or 0):+.2f}, {100 * (i.high or 0):+.2f}] points, n = {i.n},"
                f" {dict(best.params)}"
            )
        for label in ("imp", "imp-tuned", "imp_default"):
            found = samples(con, metric="test_accuracy", suites=[suite.name], labels=[label])
            print(f"{label}: {100 * fmean(v for s in found for v in s.values.values()):.2f}%")


def _at_once(planned: list[Planned], results: Path) -> float:
    """Seconds that the same experiments take where all of them are known from the beginning."""
    from lth_bench.data.root import data_root
    from lth_bench.running.executors.local import LocalExecutor
    from lth_bench.running.executors.worker import WorkerConfig
    from lth_bench.running.recorder import Recorder, RunSummary
    from lth_bench.store.journal import Journal
    from lth_bench.store.paths import Paths

    paths = Paths(results)
    config = WorkerConfig(
        device="cpu",
        devices=("cpu",) * WORKERS,
        artifacts=paths.artifacts,
        data_root=data_root().absolute(),
    )
    began = time.monotonic()
    with Journal(paths) as journal:
        records = [p.experiment.planned_record() for p in planned]
        journal.append({"record": "planned", "run_id": "plain", "experiments": records})
        recorder = Recorder(
            journal=journal,
            paths=paths,
            run_id="plain",
            summary=RunSummary(run_id="plain", suite="plain", planned=0, reused=0),
            emit=Heard(),
        )
        LocalExecutor(config, ["cpu"] * WORKERS).run(planned, recorder.handle)
        recorder.fold(final=True)
    return time.monotonic() - began
