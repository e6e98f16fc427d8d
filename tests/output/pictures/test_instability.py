"""Instability against the rewind step: what is drawn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lth_bench.analysis.evidence import Barrier
from lth_bench.output.pictures.instability import instability


def barrier(label, step, mean, metric="barrier_test_error", density=0.2):
    return Barrier(
        strategy=label.partition("@")[0], label=label, control="none", source="",
        target_density=density, metric=metric, rewind_step=step, mean=mean, high=mean + 0.01, n=3,
    )  # fmt: skip


def test_a_point_a_label_and_a_line_a_strategy() -> None:
    rows = [
        barrier("imp", 0.0, 0.11),
        barrier("late_rewind@500", 500.0, 0.01),
        barrier("late_rewind@100", 100.0, 0.06),
        barrier("imp", 0.0, 0.02, density=0.5),
        barrier("imp", 0.0, 9.0, metric="copies_distance"),
        barrier("imp", 0.0, 0.5, metric="barrier_train_loss"),
        barrier("imp", 0.0, 0.5, metric="barrier_train_error"),
    ]
    picture = instability(SimpleNamespace(instability=rows))
    assert [panel.key for panel in picture.panels] == [
        "barrier-test-error", "barrier-train-loss", "copies-distance",
    ]  # fmt: skip
    assert picture.facets[0].values == ["50%", "20%"]
    error = picture.panels[0]
    assert error.y.label == "Barrier in test error (points)"
    line, *points = error.traces
    assert (line.name, list(line.x), list(line.y)) == (
        "late_rewind, by rewind step", [100.0, 500.0], [0.06, 0.01],
    )  # fmt: skip
    assert {(p.name, *p.x, *p.y, *p.when) for p in points} == {
        ("imp", 0.0, 0.11, 1), ("late_rewind@500", 500.0, 0.01, 1),
        ("late_rewind@100", 100.0, 0.06, 1), ("imp", 0.0, 0.02, 0),
    }  # fmt: skip
    assert points[0].reach == [pytest.approx(0.01)]
    assert "re-estimated" not in picture.note


def test_estimated_statistics_have_panels_of_their_own() -> None:
    rows = [
        barrier("imp", 0.0, 0.4),
        barrier("imp", 0.0, 0.02, metric="barrier_test_error_reestimated"),
    ]
    picture = instability(SimpleNamespace(instability=rows))
    assert [panel.title for panel in picture.panels] == [
        "Barrier in test error", "Barrier in test error, statistics re-estimated",
    ]  # fmt: skip
    assert "re-estimated" in picture.note


def test_nothing_to_draw_without_the_control() -> None:
    assert instability(SimpleNamespace(instability=[])) is None
