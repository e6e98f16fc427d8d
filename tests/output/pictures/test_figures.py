"""What each figure says is drawn."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lth_bench.analysis.page.gather import suite_facts
from lth_bench.output.page.sections import FIGURES
from lth_bench.output.pictures import PICTURES
from lth_bench.output.pictures.early_stop import IMPROVING, early_stop_and_gap
from lth_bench.output.pictures.layers import START, WHOLE, kept_per_layer, weights
from lth_bench.output.pictures.metric import (
    FRONT,
    against_cost,
    against_density,
)
from lth_bench.output.pictures.over_steps import distances, learning


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    import runpy
    from pathlib import Path

    from lth_bench.store import fold
    from lth_bench.store.database import open_safe

    records = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))
    scenario = records["Scenario"](
        strategies=("dense", "imp", "early_bird", "random"),
        controls=("reinit",),
        weights=True,
        outcomes={("random", 1): ("failed", "x")},
    )
    paths = records["write"](tmp_path_factory.mktemp("figures") / "results.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as con:
        return suite_facts(con)[0].tasks[0]


def by_name(panel):
    return {trace.name: trace for trace in panel.traces}


def test_accuracy_of_every_method_and_control_against_density(task) -> None:
    picture = against_density(task.evidence)
    after, early = picture.panels
    assert [trace.name for trace in after.traces if trace.look != "points"] == [
        "dense", "early_bird", "early_bird/reinit", "imp", "imp/reinit", "random", "random/reinit",
    ]  # fmt: skip
    traces = by_name(after)
    dense, imp = after.traces[0], traces["imp"]
    assert (dense.look, list(dense.x)) == ("level", [0.5, 0.2])
    assert dense.y[0] == dense.y[1]
    row = next(s.row for s in task.standings if s.name == "imp" and s.density == 0.2)
    assert imp.y[1] == pytest.approx(row["mean"])
    assert imp.reach[1] == pytest.approx(row["high"] - row["mean"])
    assert (list(imp.n), list(imp.lost), list(traces["random"].lost)) == ([3, 3], [], [1, 1])
    assert picture.has_lost
    assert [panel.when for panel in (after, early)] == [(0,), (1,)]
    assert [panel.key for panel in (after, early)] == ["accuracy", "accuracy-early-stop"]
    assert after.ends_named and after.x.ticks[0] == 1.0
    *_, whole = after.traces
    assert (whole.name, whole.look, whole.x) == ("dense", "points", [1.0])
    assert whole.y[0] == dense.y[0]
    shifts = [trace.shift for trace in after.traces if trace.look == "line"]
    assert shifts == sorted(shifts, reverse=True)


def test_early_stop_and_gap(task) -> None:
    stop, gap = early_stop_and_gap(task.evidence).panels
    assert [panel.title for panel in (stop, gap)] == [
        "Early-stop step: how soon it learns", "Generalisation gap",
    ]  # fmt: skip
    assert [panel.y.label for panel in (stop, gap)] == [
        "Step of minimum validation loss", "Train − test accuracy (points)",
    ]  # fmt: skip
    # the synthetic networks train to .02 above their test accuracy
    assert list(gap.traces[3].y) == pytest.approx([0.02, 0.02], abs=1e-9)


def test_early_stops_are_dots_and_rings_where_they_still_improved(task) -> None:
    stop, _ = early_stop_and_gap(task.evidence).panels
    imp = next(one for one in task.evidence.stops if one.name == "imp")
    (line,) = (t for t in stop.traces if t.name == "imp" and t.look == "line")
    (dots,) = (t for t in stop.traces if t.name == "imp" and t.look == "points")
    assert not line.reach and dots.shift == line.shift
    assert list(dots.y) == list(imp.step) and len(dots.y) > len(line.y)
    assert stop.y.range[1] <= 1.1 * max(y for t in stop.traces for y in t.y)

    ended = replace(imp, improving=[True, *[False] * (len(imp.step) - 1)])
    stop, _ = early_stop_and_gap(replace(task.evidence, stops=[ended])).panels
    (ring,) = (t for t in stop.traces if t.name == IMPROVING)
    assert (ring.hollow, list(ring.x), list(ring.y)) == (True, [imp.x[0]], [imp.step[0]])
    assert (ring.like, ring.control) == ("imp", "none")


def test_cost_figure_and_its_front(task) -> None:
    (panel,) = against_cost(task.evidence).panels
    front = panel.traces[0]
    assert (front.name, front.look) == (FRONT, "front")
    assert list(front.x) == sorted(front.x)
    assert list(front.y) == sorted(front.y)
    assert front.x[-1] == panel.x.range[1]  # as good as any that costs more
    points = by_name(panel)
    assert set(points) == {FRONT, "dense", "imp", "early_bird", "random"}
    assert points["dense"].x == [1.0]
    assert points["imp"].more == [0.5, 0.2]
    assert {t.look for t in panel.traces} == {"front", "line"}  # its densities are joined


def test_learning_curves_of_a_density(task) -> None:
    picture = learning(task.evidence)
    assert picture.facets[0].values == ["50%", "20%"]
    above, below = picture.panels
    assert {trace.when for trace in above.traces if trace.name == "dense"} == {(-1,)}
    (trace,) = (t for t in above.traces if t.name == "imp/reinit" and t.when == (1,))
    assert list(trace.x) == [0, 20, 40]
    (own,) = (t for t in below.traces if t.name == "imp/reinit" and t.when == (1,))
    assert list(own.y) == pytest.approx([2.1, 1.05, 0.7])
    assert (above.x.range[0], below.x) == (0, above.x)


def test_fraction_kept_per_layer(task) -> None:
    (panel,) = kept_per_layer(task.evidence).panels
    assert list(panel.x.names) == ["conv1", "fc1", "fc2"]
    (trace,) = (t for t in panel.traces if t.name == "imp" and t.when == (0,))
    assert list(trace.y) == pytest.approx([0.5, 0.5, 0.5])
    whole = [t for t in panel.traces if t.name == WHOLE]
    assert [(t.when, t.y) for t in whole] == [((0,), [0.5] * 3), ((1,), [0.2] * 3)]


def test_histograms_are_shares_of_a_layer(task) -> None:
    picture = weights(task.evidence)
    assert [panel.title for panel in picture.panels] == ["conv1", "fc1", "fc2"]
    method, remaining = picture.facets
    when = (list(method.values).index("imp"), list(remaining.values).index("20%"))
    start, end = (t for t in picture.panels[1].traces if t.when == when)
    assert (start.name, end.name) == (START, "imp")
    assert sum(start.y) == pytest.approx(1)
    assert sum(end.y) == pytest.approx(1)
    # the synthetic ones double by training, and lie on both sides of 0
    assert max(end.x) > max(start.x) > 0 > min(start.x) > min(end.x)
    assert list(remaining.suffixes) == ["-50", "-20"]


def test_mask_distance_figure(task) -> None:
    picture = distances(task.evidence)
    (panel,) = picture.panels
    heat = panel.heats[0]
    assert list(heat.x) == list(heat.y) == [30, 60, 90, 120]
    assert heat.z[3][0] == pytest.approx(3 / 4)
    assert heat.z[0][0] == 0
    # bright is the same mask, in every one of them the same brightness
    assert (panel.z.range, panel.z.reverse) == ((0, pytest.approx(3 / 4)), True)
    assert list(picture.facets[0].values) == [
        "early_bird at 50%, seed 0", "early_bird at 20%, seed 0",
    ]  # fmt: skip


def test_every_figure_is_in_the_report_and_in_files() -> None:
    of_page = [figure for _, _, figures in FIGURES for figure in figures]
    assert sorted(of_page, key=repr) == sorted(PICTURES, key=repr)
