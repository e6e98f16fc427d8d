"""Published figures beside results: what fits, what is said of it, and what would fit."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lth_bench.analysis.compare.literature import _near, literature
from lth_bench.errors import NothingSelected
from lth_bench.output.terminal import as_text
from lth_bench.store import fold
from lth_bench.store.reading import reading

CHOSEN = runpy.run_path(str(Path(__file__).parents[1] / "boards" / "conftest.py"))
TASKS = [("resnet20", "cifar10", "paper")]
CELLS = {
    ("dense", 1.0): [0.91, 0.92, 0.93],
    ("fine_tune", 0.2): [0.90, 0.91, 0.92],
    ("lr_rewind", 0.107): [0.89, 0.90, 0.91],
    ("lr_rewind", 0.3): [0.92, 0.92, 0.92],
    ("magnitude_init", 0.2): [0.8, 0.8, 0.8],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`made(cells, …)`: a database with chosen accuracies."""

    def make(cells: Any, **options: Any) -> Path:
        scenario = CHOSEN["scenario"](cells, **options)
        paths = CHOSEN["RECORDS"]["write"](
            tmp_path_factory.mktemp("literature") / "results.duckdb", scenario
        )
        fold(paths)
        return Path(paths.results)

    return make


@pytest.fixture(scope="module")
def results(made: Any) -> Path:
    return made(CELLS, tasks=TASKS)  # type: ignore[no-any-return]


def rows(results: Path, **options: Any) -> list[dict[str, Any]]:
    with reading(results) as con:
        return [dict(row) for row in literature(con, **options).rows]


def test_method_task_and_density_decide_what_fits(results: Path) -> None:
    found = {(r["label"], r["target_density"], r["published"]) for r in rows(results)}
    assert ("dense", 1.0, "renda2020/r20-dense") in found
    assert ("fine_tune", 0.2, "renda2020/r20-iterative-ft-21") in found
    assert ("lr_rewind", 0.107, "renda2020/r20-iterative-lrr-11") in found
    # no figure of these at such a density
    assert not {r for r in found if r[:2] in (("lr_rewind", 0.3), ("magnitude_init", 0.2))}


def test_values_beside_each_other(results: Path) -> None:
    (row,) = rows(results, labels=["fine_tune"])
    assert (row["n"], row["published_n"], row["published_sd"]) == (3, 3, 0.3)
    assert row["mean"] == pytest.approx(91.0)
    # t(2) = 4.3027, s = 1, n = 3
    assert row["high"] - row["mean"] == pytest.approx(4.30265 / 3**0.5, rel=1e-5)
    assert row["difference"] == pytest.approx(91.0 - 90.36)
    assert row["published_density"] == pytest.approx(0.21)


def test_the_table_says_its_density_and_in_what_the_protocol_differs(results: Path) -> None:
    with reading(results) as con:
        (table,) = literature(con, labels=["fine_tune"]).tables
    ((line,),) = table.blocks
    assert [cell.text for cell in line] == [
        "20.00", "fine_tune", "91.00 ± 2.48 (n = 3)", "90.36 ± 0.30 (n = 3)", "21.00", "+0.64",
        "[1] Renda et al. (2020)",
    ]  # fmt: skip
    (note,) = table.notes
    assert note.startswith("[1] Renda et al. (2020): the default length here, 182 epochs there")


@pytest.mark.parametrize("width", [80, 100])
def test_it_fits_a_terminal_with_papers_by_number(made: Any, width: int) -> None:
    cells = {("dense", 1.0): [0.97, 0.98], ("imp", 0.2107): [0.98, 0.985],
             ("imp/reinit", 0.2107): [0.97, 0.98]}  # fmt: skip
    results = made(
        cells, tasks=[("lenet_300_100", "mnist", "paper")],
        stops={one: [500, 500] for one in cells},
    )  # fmt: skip
    with reading(results) as con:
        lines = as_text(literature(con), width).splitlines()
    assert max(map(len, lines)) <= width
    found = [line.split() for line in lines if "imp − imp/reinit, early stop accuracy" in line]
    assert len({row[-1] for row in found}) == 2  # of two papers


def test_a_difference_of_the_papers_is_taken_seed_by_seed(made: Any) -> None:
    cells = {
        ("dense", 1.0): [0.97, 0.98],
        ("imp", 0.2107): [0.98, 0.985],
        ("imp/reinit", 0.2107): [0.97, 0.98],
        ("mine", 0.2107): [0.5, 0.5],
    }
    results = made(
        cells, tasks=[("lenet_300_100", "mnist", "paper")],
        stops={("imp", 0.2107): [500, 500], ("dense", 1.0): [1000, 4000],
               ("imp/reinit", 0.2107): [1000, 1000]},
    )  # fmt: skip
    found = {r["published"]: r for r in rows(results)}
    row = found["frankle2019/lenet-ticket-reinit-21"]
    assert (row["unit"], row["versus"], row["metric"]) == (
        "points", "imp/reinit", "early_stop_accuracy",
    )  # fmt: skip
    assert row["mean"] == pytest.approx((1.0 + 0.5) / 2)
    assert row["difference"] == pytest.approx(0.75 - 0.5)
    sooner = found["frankle2019/lenet-ticket-earlier-21"]
    assert sooner["mean"] == pytest.approx((0.5 * 0.125) ** 0.5)  # geometric
    assert sooner["difference"] is None
    assert "mine" not in {r["label"] for r in found.values()}


def test_nothing_that_fits_says_what_would(results: Path, made: Any) -> None:
    with reading(results) as con, pytest.raises(NothingSelected) as error:
        literature(con, densities=[0.3])
    assert "no published figure fits a method and a density (within 10%)" in error.value.message
    assert "on resnet20/cifar10: " in error.value.message
    assert "fine_tune at 51.20, 21.00, 10.70%" in error.value.message
    other = made({("dense", 1.0): [0.9], ("imp", 0.2): [0.8]})
    with reading(other) as con, pytest.raises(NothingSelected) as error:
        literature(con)
    assert "no published figure is about a task of these results" in error.value.message
    assert "lenet_300_100 on mnist" in error.value.message


def test_densities_within_a_tenth_are_near_and_a_dense_run_is_near_none_other() -> None:
    assert _near(0.2, 0.21, 0.1) and _near(0.107, 0.1, 0.1)
    assert not _near(0.17, 0.21, 0.1)
    assert not _near(1.0, 0.95, 0.1) and not _near(0.95, 1.0, 0.1)
