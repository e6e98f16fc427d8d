"""What the figures are given to draw."""

from __future__ import annotations

import pytest

from lth_bench.output.page.known import know
from lth_bench.output.page.sections.cost import FRONT, cost
from lth_bench.output.page.sections.density import density
from lth_bench.output.page.sections.distances import distances
from lth_bench.output.page.sections.layers import layers
from lth_bench.output.page.sections.learning import learning
from lth_bench.output.page.sections.weights import START, weights


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    import runpy
    from pathlib import Path

    from lth_bench.store import fold
    from lth_bench.store.database import open_safe

    records = runpy.run_path(str(Path(__file__).parents[3] / "store" / "records.py"))
    scenario = records["Scenario"](
        strategies=("dense", "imp", "early_bird", "random"), controls=("reinit",), weights=True
    )
    paths = records["write"](tmp_path_factory.mktemp("figures") / "results.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as con:
        return know(con)[0].tasks[0]


def test_every_method_and_control_against_density(task) -> None:
    accuracy, others = (part for part in density(task).parts if part.kind == "group")
    marks = accuracy.figures[0].marks
    assert [mark.name for mark in marks] == [
        "dense", "early_bird", "early_bird/reinit", "imp", "imp/reinit", "random", "random/reinit",
    ]  # fmt: skip
    dense, imp = marks[0], marks[3]
    assert (dense.look, list(dense.x)) == ("level", [0.5, 0.2])
    assert dense.y[0] == dense.y[1]
    row = next(s.row for s in task.standings if s.name == "imp" and s.density == 0.2)
    assert imp.y[1] == pytest.approx(row["mean"])
    assert imp.reach[1] == pytest.approx(row["high"] - row["mean"])
    assert list(imp.n) == [3, 3]
    assert [figure.when for figure in accuracy.figures] == [(0, -1), (1, -1)]
    assert [figure.title for figure in others.figures] == [
        "Early-stop step: how soon it has learnt", "Generalisation gap",
    ]  # fmt: skip
    # the synthetic networks train to .02 above their test accuracy
    assert list(others.figures[1].marks[3].y) == pytest.approx([0.02, 0.02], abs=1e-9)


def test_cost_and_its_front(task) -> None:
    (figure,) = cost(task).parts[0].figures
    front = figure.marks[0]
    assert (front.name, front.look) == (FRONT, "front")
    assert list(front.x) == sorted(front.x)
    assert list(front.y) == sorted(front.y)
    points = {mark.name: mark for mark in figure.marks[1:]}
    assert set(points) == {"dense", "imp", "early_bird", "random"}
    assert points["dense"].x == [1.0]
    assert points["imp"].more == [0.5, 0.2]


def test_learning_curves_of_a_density(task) -> None:
    group = learning(task).parts[0]
    assert group.choices[0].values == ["50", "20"]
    accuracy, loss = group.figures
    assert {mark.when for mark in accuracy.marks if mark.name == "dense"} == {(-1,)}
    (mark,) = (m for m in accuracy.marks if m.name == "imp/reinit" and m.when == (1,))
    assert list(mark.x) == [0, 20, 40]
    (own,) = (m for m in loss.marks if m.name == "imp/reinit" and m.when == (1,))
    assert list(own.y) == pytest.approx([2.1, 1.05, 0.7])


def test_kept_per_layer(task) -> None:
    group = layers(task).parts[0]
    (figure,) = group.figures
    assert list(figure.x.names) == ["conv1", "fc1", "fc2"]
    (mark,) = (m for m in figure.marks if m.name == "imp" and m.when == (0,))
    assert list(mark.y) == pytest.approx([0.5, 0.5, 0.5])


def test_weights_are_shares_of_a_layer(task) -> None:
    group = weights(task).parts[0]
    assert [f.title for f in group.figures] == ["conv1", "fc1", "fc2"]
    method, left = group.choices
    when = (list(method.values).index("imp"), list(left.values).index("20"))
    start, end = (m for m in group.figures[1].marks if m.when == when)
    assert (start.name, end.name) == (START, "imp")
    assert sum(start.y) == pytest.approx(1)
    assert sum(end.y) == pytest.approx(1)
    # the synthetic ones double by training, and lie on both sides of 0
    assert max(end.x) > max(start.x) > 0 > min(start.x) > min(end.x)


def test_mask_distances(task) -> None:
    group = distances(task).parts[0]
    (figure,) = group.figures
    heat = figure.heats[0]
    assert list(heat.at) == [30, 60, 90, 120]
    assert heat.z[3][0] == pytest.approx(3 / 4)
    assert heat.z[0][0] == 0
    assert list(group.choices[0].values) == [
        "early_bird at 50%, seed 0", "early_bird at 20%, seed 0",
    ]  # fmt: skip
