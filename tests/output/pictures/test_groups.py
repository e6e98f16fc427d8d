"""Figures of several tasks: against size, and beside each other."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lth_bench.analysis.evidence import Place, Series, Task, TaskGroup
from lth_bench.analysis.measures import ACCURACY, measure
from lth_bench.output.pictures import size, variants


def series(label: str, x: tuple[float, ...], mean: tuple[float, ...], control="none") -> Series:
    """From .2 below each mean to .1 above."""
    n = len(x)
    return Series(
        strategy=label, label=label, control=control, source="", x=x, density=x, mean=mean,
        low=tuple(m - 0.2 for m in mean), high=tuple(m + 0.1 for m in mean), n=(5,) * n,
        planned=(5,) * n, lost=(0,) * n,
    )  # fmt: skip


def task(name: str, **density: list[Series]) -> Any:
    return SimpleNamespace(
        place=Place("s", Task(name, "d", "r")), density=density, measure=ACCURACY
    )


def lines(shift: float) -> list[Series]:
    return [
        series("dense", (1.0,), (0.6 + shift,)),
        series("imp", (0.5, 0.2), (0.5 + shift, 0.3 + shift)),
    ]


SWEEP = TaskGroup(
    tasks=[task(f"mlp(hidden=[{n}])", generalised=lines(n / 100)) for n in (2, 4, 8)],
    names=["2", "4", "8"], swept="hidden (mlp)", sizes=[2.0, 4.0, 8.0],
)  # fmt: skip
BESIDE = TaskGroup(
    tasks=[
        task(name, test_accuracy=lines(shift), early_stop_step=lines(shift), generalisation_gap=[])
        for name, shift in (("high", 0.0), ("low", 0.1))
    ],
    names=["high", "low"],
)


def test_a_line_over_sizes_for_each_method_and_density() -> None:
    picture = size(SWEEP)
    assert picture is not None
    (panel,) = picture.panels  # no steps were recorded
    found = {(t.name, tuple(t.when)): t for t in panel.traces}
    assert set(found) == {("dense", (-1,)), ("imp", (0,)), ("imp", (1,))}
    imp = found["imp", (1,)]
    assert list(imp.x) == pytest.approx([2, 4, 8])
    assert list(imp.y) == pytest.approx([0.32, 0.34, 0.38])
    assert list(imp.reach) == pytest.approx([0.1] * 3)
    assert list(imp.down) == pytest.approx([0.2] * 3)
    assert [facet.values for facet in picture.facets] == [["50%", "20%"]]
    assert panel.x.title == "Hidden (mlp)" and "Wilson" in picture.note


def test_without_a_chance_the_metric_is_drawn() -> None:
    tasks = [task(name, test_accuracy=lines(0.0)) for name in SWEEP.names]
    picture = size(replace(SWEEP, tasks=tasks))
    assert picture is not None
    assert [panel.title for panel in picture.panels] == ["Test accuracy"]
    assert "Wilson" not in picture.note


def test_a_column_for_each_task_and_lines_that_begin_at_dense() -> None:
    picture = variants(BESIDE)
    assert picture is not None
    assert [panel.title for panel in picture.panels] == ["Test accuracy", "Early-stop step"]
    found = {(t.name, tuple(t.when)): t for t in picture.panels[0].traces}
    assert set(found) == {(name, (i,)) for name in ("dense", "imp") for i in (0, 1)}
    imp = found["imp", (1,)]
    assert list(imp.x) == pytest.approx([1, 0.5, 0.2])
    assert list(imp.y) == pytest.approx([0.7, 0.6, 0.4])
    assert imp.reach[0] is None and list(imp.reach[1:]) == pytest.approx([0.1, 0.1])
    assert list(found["dense", (0,)].reach) == pytest.approx([0.1])
    assert list(picture.facets[0].values) == ["high", "low"]


def test_each_kind_of_group_has_its_own_figure() -> None:
    assert variants(SWEEP) is None and size(BESIDE) is None
    other = SimpleNamespace(**{**vars(BESIDE.tasks[1]), "measure": measure("test_loss")})
    assert variants(replace(BESIDE, tasks=[BESIDE.tasks[0], other])) is None
    nothing = [task(name) for name in SWEEP.names]
    assert size(replace(SWEEP, tasks=nothing)) is None
    assert variants(replace(BESIDE, tasks=nothing[:2])) is None
