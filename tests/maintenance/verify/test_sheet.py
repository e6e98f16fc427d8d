"""A verification as tables that fit, and sentences that say why."""

from __future__ import annotations

from pathlib import Path

from lth_bench.maintenance.verify.judged import Verified
from lth_bench.maintenance.verify.recorded import RecordedExperiment
from lth_bench.maintenance.verify.sheet import verification_board
from lth_bench.maintenance.verify.verify import Verification
from lth_bench.output.terminal import PIPED_WIDTH, as_text

LONG = "other numerics (torch 2.14.0 → 2.15.0, device cpu → cuda, cohort_size 8 → 16)"


def experiment(label: str, seed: int, recipe: str = "long_schedule") -> RecordedExperiment:
    task = ("lenet_300_100", "fashion_mnist", recipe)
    return RecordedExperiment(
        experiment_id=f"{label}-{seed}", suite="mine", label=label, strategy="imp", task=task,
        source=task, seed=seed, source_hash=None, plugin_version=None, config={}, run_id="run",
        fingerprint=None, numerics={}, densities=(0.0467,), rows={},
    )  # fmt: skip


def judged(one: RecordedExperiment) -> Verified:
    return Verified(
        recorded=one, verdict="consistent", reason=LONG, rows=14, equal_rows=3, numerics=(),
        there=0.912345, here=0.923456, low=0.9, high=0.95,
    )  # fmt: skip


def verification(*labels: str, recipe: str = "long_schedule") -> Verification:
    return Verification(
        database=Path("theirs.duckdb"), seed=1, recorded=9, repeatable=9,
        judged=tuple(judged(experiment(label, 7)) for label in labels),
        failed=((experiment("snip", 3, recipe), "diverged here: NaN"),) if labels else (),
        refused=(), interrupted=not labels, notes=(),
    )  # fmt: skip


def test_tables_fit_a_pipe_and_80_columns() -> None:
    board = verification_board(verification("imp", "late_rewind", "a" * 300))
    for width in (80, PIPED_WIDTH):
        lines = as_text(board, width).splitlines()
        assert max(map(len, lines)) <= width
        assert any(line.startswith("late_rewind, seed 7 at 0.0467") for line in lines)


def test_a_reason_is_said_once_for_all_that_have_it() -> None:
    notes = verification_board(verification("imp", "late_rewind")).tables[-1].notes
    (why,) = [note for note in notes if LONG in note]
    assert why.startswith("consistent: imp on lenet_300_100/fashion_mnist/long_schedule, seed 7 at")
    assert "and 1 more" in why
    assert [note for note in notes if note.endswith("diverged here: NaN.")]


def test_each_task_has_a_table() -> None:
    board = verification_board(verification("imp", recipe="short"))
    assert [table.title.rsplit(" ", 1)[1] for table in board.tables] == ["long_schedule", "short"]
    assert not board.tables[0].notes and board.tables[1].notes


def test_an_interruption_before_any_experiment_is_said() -> None:
    text = " ".join(as_text(verification_board(verification())).split())
    assert "interrupted: the other experiments were not run" in text
