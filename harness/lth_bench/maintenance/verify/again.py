"""Experiments of a database run again, in a place of their own that is gone afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from lth_bench.maintenance.verify.recorded import RecordedExperiment, recorded
from lth_bench.maintenance.verify.repeatable import Repeatable
from lth_bench.running.request import Execution, RunRequest, SuiteSelection
from lth_bench.running.runner import run_suite
from lth_bench.store.reading import reading
from lth_bench.system.temporary import temporary_folder

if TYPE_CHECKING:
    from lth_bench.plugins import Registry
    from lth_bench.running.progress import Listener


@dataclass(frozen=True, kw_only=True)
class RerunOn:
    """On what experiments are run again."""

    device: str = "auto"
    """As `--device` takes it; under `auto`, what was trained on a CPU is trained on one."""
    workers: int | None = None
    """Worker processes; None is one per GPU, or one per core."""


@dataclass(kw_only=True)
class Reruns:
    """What came of running experiments again."""

    found: dict[str, RecordedExperiment] = field(default_factory=dict)
    """By id: those that gave a result."""
    failed: dict[str, str] = field(default_factory=dict)
    """By id: why there is none."""
    interrupted: bool = False
    """Whether Ctrl-C or a signal ended it."""
    notes: list[str] = field(default_factory=list)


def choose(
    experiments: Sequence[RecordedExperiment], count: int, seed: int
) -> list[RecordedExperiment]:
    """`count` of them, at random without replacement; all where there are no more. The same seed
    chooses the same ones, in whatever order they come.
    """
    ordered = sorted(experiments, key=lambda one: (one.experiment_id, one.suite))
    if count >= len(ordered):
        return ordered
    return random.Random(seed).sample(ordered, count)


def run_again(
    chosen: Sequence[RecordedExperiment],
    divided: Repeatable,
    registry: Registry,
    where: RerunOn,
    emit: Listener,
) -> Reruns:
    """Train the experiments again: nothing of what was trained before is taken, and nothing is
    written but in a temporary folder.

    Each is trained at the cohort size that it was trained at, which its bits depend on.
    """
    reruns = Reruns()
    with _folder() as results:
        for (run_id, size, on_cpu), members in _groups(chosen):
            ids = frozenset(one.experiment_id for one in members)
            request = RunRequest(
                selection=SuiteSelection(
                    suite=divided.suites[run_id].path,
                    plugins=registry.files,
                    no_plugins=not registry.third_party,
                ),
                execution=Execution(
                    results=results,
                    device="cpu" if on_cpu and where.device == "auto" else where.device,
                    workers=where.workers,
                    cohort_size=size,
                    exact_cohort_size=True,
                ),
                command="lth-bench verify",
            )
            summary = run_suite(divided.suites[run_id], registry, request, emit, only=ids)
            reruns.notes += [note for note in summary.notes if note not in reruns.notes]
            if summary.interrupted:
                reruns.interrupted = True
                break
        if results.exists():
            _read(results, chosen, reruns)
    return reruns


def _groups(
    chosen: Sequence[RecordedExperiment],
) -> Iterator[tuple[tuple[str, int, bool], list[RecordedExperiment]]]:
    """By run, by cohort size, 1 where none is recorded, and by whether a CPU trained them."""

    def key(one: RecordedExperiment) -> tuple[str, int, bool]:
        size = int(one.numerics["cohort_size"] or 1)
        return one.run_id, size, one.numerics["device"] == "cpu"

    for found, members in groupby(sorted(chosen, key=key), key=key):
        yield found, list(members)


def _read(results: Path, chosen: Sequence[RecordedExperiment], reruns: Reruns) -> None:
    ids = [one.experiment_id for one in chosen]
    with reading(results) as con:
        reruns.found = {one.experiment_id: one for one in recorded(con, ids)}
        ended = con.execute(
            "SELECT experiment_id, status, reason FROM outcomes WHERE list_contains(?, "
            "experiment_id)",
            [ids],
        ).fetchall()
    for identity, status, reason in ended:
        # one that was interrupted here is neither equal nor different, and has not failed
        if identity not in reruns.found and status != "interrupted":
            reruns.failed[identity] = f"{status} here: {reason or 'for no recorded reason'}"


@contextmanager
def _folder() -> Iterator[Path]:
    with temporary_folder("lth-bench-verify-") as folder:
        yield Path(folder) / "again.duckdb"
