"""Transferred tickets read from the database, as the figure shows them."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.evidence import transfers
from lth_bench.analysis.measures import measure
from lth_bench.store import fold
from lth_bench.store.database import open_safe

BOARDS = runpy.run_path(str(Path(__file__).parents[1] / "boards" / "conftest.py"))

CELLS = {
    ("a", "dense", 1.0): [0.95, 0.95],
    ("a", "imp", 0.5): [0.90, 0.92],
    ("b", "imp", 0.5): [0.80, 0.82],
    ("b", "a", "imp", 0.5): [0.89, 0.90],
    ("b", "a", "imp/shuffle", 0.5): [0.70, 0.70],  # of which a has none of its own
    ("c", "imp", 0.5): [0.60, 0.62],  # no ticket comes from here or goes there
}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Any:
    scenario = BOARDS["scenario"](CELLS, metrics={"test_loss": {("b", "a", "imp", 0.5): [3, 5]}})
    paths = BOARDS["RECORDS"]["write"](tmp_path_factory.mktemp("moved") / "r.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as opened:
        yield opened


def test_a_grid_a_label_and_control(con: Any) -> None:
    (found,) = transfers(con)
    assert (found.suite, found.measure.name) == ("quickstart", "test_accuracy")
    assert (found.sources, found.targets) == (["a", "b"], ["a", "b"])
    assert found.parts == ("quickstart", "digits", "short")
    assert found.margin == 0.005
    assert found.title == "quickstart: digits, short"
    assert [(grid.name, grid.target_density) for grid in found.grids] == [
        ("imp", 0.5), ("imp/shuffle", 0.5),
    ]  # fmt: skip
    own, moved = found.grids[0].cells[0, 0], found.grids[0].cells[1, 0]
    assert (0, 1) not in found.grids[0].cells
    assert own.mean == pytest.approx(0.91)
    assert own.difference is None  # to itself
    assert own.half == pytest.approx(12.706204736 * 0.01)  # t of one degree of freedom, s/√n = .01
    assert moved.difference == pytest.approx(-0.015)
    assert moved.half == pytest.approx(12.706204736 * 0.005)
    assert (moved.n, moved.lost, moved.collapsed) == (2, 0, 0)
    ((_, control),) = found.grids[1].cells.items()
    assert control.difference is None and control.mean == pytest.approx(0.7)


def test_another_metric(con: Any) -> None:
    (found,) = transfers(con, measure=measure("test_loss"))
    assert found.margin == pytest.approx(0.05 * 4)
    own, moved = found.grids[0].cells[0, 0], found.grids[0].cells[1, 0]
    assert (own.mean, own.n) == (None, 0)  # measured of the transferred tickets only
    assert moved.mean == pytest.approx(4) and moved.difference is None


def test_nothing_without_transferred_tickets(tmp_path: Path) -> None:
    scenario = BOARDS["scenario"]({("a", "imp", 0.5): [0.9], ("b", "imp", 0.5): [0.8]})
    paths = BOARDS["RECORDS"]["write"](tmp_path / "r.duckdb", scenario)
    fold(paths)
    with open_safe(paths) as opened:
        assert transfers(opened) == []
