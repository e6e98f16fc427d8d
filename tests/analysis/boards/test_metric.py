from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import scipy.stats
from close import close

from lth_bench.analysis.boards import metric
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.page import gather_report
from lth_bench.analysis.table import Board
from lth_bench.errors import UnknownName, UserError

Chosen = Callable[..., Any]

DENSE = {("dense", 1.0): [0.90, 0.92, 0.94]}
SMALL = {
    **DENSE,
    ("imp", 0.5): [0.91, 0.93, 0.95],
    ("one_shot", 0.5): [0.88, 0.93, 0.92],
    ("imp/reinit", 0.5): [0.80, 0.82, 0.84],
}


def rows(
    con: Any, baseline: str | None = None, margin: float = 0.005, **filters: Any
) -> list[BoardRow]:
    scope = resolve(con, Selection(**filters))
    return metric.rows(con, scope, baselines(con, scope, baseline), margin)


def board(con: Any, baseline: str | None = None, margin: float = 0.005) -> Board:
    scope = resolve(con)
    return metric.board(con, scope, baselines(con, scope, baseline), margin)


def rounded(value: Any) -> Any:
    """Sums depend on the order at their last digit."""
    return float(f"{value:.12g}") if isinstance(value, float) else value


def named(rows: list[BoardRow]) -> dict[str, BoardRow]:
    return {r["label"] + ("" if r["control"] == "none" else f"/{r['control']}"): r for r in rows}


def test_rows_start_with_the_columns_and_values_of_the_view(results: Callable[..., Any]) -> None:
    con = results(
        tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")), controls=("reinit",),
        outcomes={("snip", 1): ("oom", "no room"), ("imp", 2): ("interrupted", "")},
    )  # fmt: skip
    view = con.execute("FROM leaderboard")
    names = [column[0] for column in view.description]
    expected = {
        (r["model"], r["target_density"], r["label"], r["control"]): r
        for r in (dict(zip(names, values, strict=True)) for values in view.fetchall())
    }
    found = rows(con)
    assert len(found) == len(expected) == 2 * (1 + 2 * 3 * 2)
    for row in found:
        assert list(row)[: len(names)] == names
        same = expected[row["model"], row["target_density"], row["label"], row["control"]]
        assert {name: rounded(row[name]) for name in names} == {
            name: rounded(value) for name, value in same.items()
        }


def test_filters_change_no_number(results: Callable[..., Any]) -> None:
    con = results(tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")))
    few = rows(con, models=["conv2"], densities=[0.5])
    whole = [r for r in rows(con) if r["model"] == "conv2" and r["target_density"] != 0.2]
    assert close(few) == whole
    assert len(few) == 4


def test_differences_to_dense_by_hand(chosen: Chosen) -> None:
    found = named(rows(chosen(SMALL)))
    one_shot = found["one_shot"]  # differences −0.02, 0.01, −0.02
    reach = scipy.stats.t.ppf(0.975, 2) * math.sqrt(0.0003) / math.sqrt(3)
    assert one_shot["difference"] == pytest.approx(-0.01)
    assert one_shot["difference_high"] == pytest.approx(-0.01 + reach)
    assert one_shot["difference_low"] == pytest.approx(-0.01 - reach)
    assert one_shot["p"] == pytest.approx(
        scipy.stats.ttest_rel([0.88, 0.93, 0.92], [0.90, 0.92, 0.94]).pvalue
    )
    assert one_shot["verdict"] == "open"
    assert one_shot["verdict_text"].startswith("open: −5.3 to +3.3; ")
    assert one_shot["n50"] > 4
    assert (found["imp"]["verdict"], found["imp/reinit"]["verdict"]) == ("better", "worse")
    assert found["imp"]["baseline"] == "dense"
    assert (found["dense"]["verdict"], found["dense"]["difference"]) == (None, None)


def test_differences_to_a_label_are_taken_at_its_density(chosen: Chosen) -> None:
    con = chosen({**SMALL, ("imp", 0.2): [0.5, 0.5, 0.5], ("one_shot", 0.2): [0.6, 0.6, 0.6]})
    found = {(r["label"], r["control"], r["target_density"]): r for r in rows(con, "imp")}
    assert found["one_shot", "none", 0.5]["difference"] == pytest.approx(-0.02)
    assert found["one_shot", "none", 0.2]["difference"] == pytest.approx(0.1)
    assert found["imp", "reinit", 0.5]["difference"] == pytest.approx(-0.11)
    assert found["imp", "none", 0.5]["verdict"] is None
    assert found["dense", "none", 1.0]["difference_n"] == 0
    assert found["one_shot", "none", 0.5]["delta_dense"] == pytest.approx(-0.01)
    control = named(rows(con, "imp/reinit"))["one_shot"]
    assert control["baseline"] == "imp/reinit"
    # hidden controls can still be compared with
    hidden = named(rows(con, "imp/reinit", controls=["none"], densities=[0.5]))
    assert hidden["imp"]["difference"] == pytest.approx(0.11)


def test_a_suite_can_name_its_baseline(chosen: Chosen) -> None:
    con = chosen(SMALL, baseline="one_shot")
    assert named(rows(con))["imp"]["difference"] == pytest.approx(0.02)
    (table,) = board(con).tables
    assert table.header[4] == "Δ one_shot"
    assert "Δ dense" in board(con, "dense").tables[0].header


def test_without_the_suites_baseline_dense_is_used(chosen: Chosen) -> None:
    assert named(rows(chosen(SMALL, baseline="snip")))["imp"]["baseline"] == "dense"


def test_differences_use_common_seeds_only(chosen: Chosen) -> None:
    con = chosen({("dense", 1.0): [0.9, None, 0.9, 0.9], ("imp", 0.5): [0.8, 0.1, None, 0.82]})
    imp = named(rows(con))["imp"]
    assert (imp["n"], imp["difference_n"], imp["pending"]) == (3, 2, 1)
    assert imp["difference"] == pytest.approx(-0.09)


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_lost_seed_ranks_last_and_is_never_better(chosen: Chosen, status: str) -> None:
    con = chosen({
        **DENSE, ("good", 0.5): [0.99, status, 0.99], ("bad", 0.5): [0.70, 0.71, 0.72],
    })  # fmt: skip
    found = named(rows(con))
    assert (found["bad"]["rank"], found["good"]["rank"]) == (1, 2)  # 1.98 / 3 < 0.71
    assert found["good"]["verdict"] == "failed"
    assert found["good"]["verdict_text"] == "1 of 3 seeds failed"
    (table,) = board(con).tables
    assert [cell.text for cell in table.lines()[2]][5] == "1 failed"


@pytest.mark.parametrize("status", ["oom", "timeout", "interrupted"])
def test_oom_timeout_and_interrupted_do_not_count_against_a_method(
    chosen: Chosen, status: str
) -> None:
    con = chosen({
        ("dense", 1.0): [0.9, 0.9, 0.9, 0.9], ("good", 0.5): [0.99, status, 0.98, 0.99],
        ("bad", 0.5): [0.70, 0.71, 0.72, 0.7],
    })  # fmt: skip
    good = named(rows(con))["good"]
    assert (good["rank"], good["verdict"], good["n"], good["lost"]) == (1, "better", 3, 0)


def test_rank_intervals_come_from_pairwise_tests(chosen: Chosen) -> None:
    """a and b differ by what a third of the seeds says, c is 0.1 below both at every seed."""
    cells = {
        ("dense", 1.0): [0.9] * 5,
        ("a", 0.5): [0.90, 0.91, 0.92, 0.93, 0.94],
        ("b", 0.5): [0.91, 0.90, 0.93, 0.92, 0.93],
        ("c", 0.5): [0.80, 0.812, 0.82, 0.83, 0.841],
    }
    found = named(rows(chosen(cells)))
    assert {x: (r["rank_low"], r["rank_high"]) for x, r in found.items() if x != "dense"} == {
        "a": (1, 2), "b": (1, 2), "c": (3, 3)
    }  # fmt: skip
    assert {x: r["tied"] for x, r in found.items()} == {
        "dense": None, "a": True, "b": True, "c": False
    }  # fmt: skip
    (table,) = board(chosen(cells)).tables
    assert [line[1].text for line in table.lines()] == ["", "1", "2=", "3"]
    assert [line[2].style for line in table.lines()] == ["dense", "best", "", ""]


def test_with_too_many_pairs_there_is_no_rank_interval(
    chosen: Chosen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lth_bench.analysis.boards.rows.MOST_PAIRS", 0)
    found = named(rows(chosen(SMALL)))
    assert (found["imp"]["rank"], found["imp"]["rank_low"]) == (1, None)
    (table,) = board(chosen(SMALL)).tables
    assert [line[1].text for line in table.lines()] == ["", "1", "", "2"]


def test_one_seed_has_means_and_no_verdict(chosen: Chosen) -> None:
    con = chosen({("dense", 1.0): [0.9], ("imp", 0.5): [0.91], ("snip", 0.5): [0.89]})
    imp = named(rows(con))["imp"]
    assert (imp["low"], imp["difference_low"], imp["verdict"]) == (None, None, "insufficient")
    (table,) = board(con).tables
    assert [cell.text for cell in table.lines()[1]][3:7] == ["91.00", "+1.00", "needs 3+", ""]


def test_everything_failed(chosen: Chosen) -> None:
    con = chosen({("dense", 1.0): ["failed"] * 2, ("imp", 0.5): ["diverged"] * 2})
    (table,) = board(con).tables
    dense, imp = table.lines()
    assert dense[3].text == imp[3].text == "2 failed"
    assert "4 of 4 rows failed" in table.notes[0]


def test_one_strategy_and_no_dense_run(chosen: Chosen) -> None:
    (table,) = board(chosen({("imp", 0.5): [0.9, 0.91, 0.92]})).tables
    assert [cell.text for cell in table.lines()[0]][1:6] == ["1", "imp", "91.00 ± 2.48", "", ""]


def test_an_unknown_baseline_is_an_error(chosen: Chosen) -> None:
    con = chosen({**SMALL, ("snip", 0.2): [0.9, 0.9, 0.9]})
    with pytest.raises(UnknownName, match="unknown baseline 'im'; did you mean 'imp'"):
        rows(con, "im")
    with pytest.raises(UnknownName, match="unknown baseline 'snip/reinit'"):
        rows(con, "snip/reinit")
    with pytest.raises(UserError, match="nothing can be compared with the baseline 'snip'"):
        rows(con, "snip")


def test_a_suite_without_the_baseline_is_shown_without_differences(
    results: Callable[..., Any], tmp_path: Any
) -> None:
    import runpy
    from pathlib import Path

    from lth_bench.store import fold
    from lth_bench.store.database import open_safe

    records = runpy.run_path(str(Path(__file__).parents[2] / "store" / "records.py"))
    paths = records["write"](
        tmp_path / "two.duckdb", records["Scenario"](suite="one"),
        records["Scenario"](suite="two", strategies=("dense", "rigl"), config="x", run_id="r2"),
    )  # fmt: skip
    fold(paths)
    with open_safe(paths) as con:
        found = rows(con, "imp")
        assert {r["baseline"] for r in found if r["suite"] == "two"} == {None}
        one, two = board(con, "imp").tables
    assert (one.header[4], two.header[4]) == ("Δ imp", "Δ –")
    assert "imp" in " ".join(two.notes)


def test_the_page_uses_the_rows_of_the_board(results: Callable[..., Any]) -> None:
    con = results()
    found = [standing.row for standing in gather_report(con, ["quickstart"]).standings]
    assert close(found) == rows(con)
    with pytest.raises(UnknownName, match="unknown suite"):
        gather_report(con, ["none"])
    with pytest.raises(UnknownName, match="unknown metric"):
        gather_report(con, metric="none")
