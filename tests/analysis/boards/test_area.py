from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lth_bench.analysis.boards import area
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.table import Table
from lth_bench.errors import NothingSelected

Chosen = Callable[..., Any]


def rows(con: Any, baseline: str | None = None, **filters: Any) -> dict[str, BoardRow]:
    scope = resolve(con, Selection(**filters))
    return {
        r["label"] + ("" if r["control"] == "none" else f"/{r['control']}"): r
        for r in area.rows(con, scope, baselines(con, scope, baseline))
    }


def table(con: Any, baseline: str | None = None) -> Table:
    scope = resolve(con)
    (found,) = area.board(con, scope, baselines(con, scope, baseline), 0.005).tables
    return found


def test_area_by_hand(chosen: Chosen) -> None:
    """Widths ln 2 and 2 ln 2: (0.9 + 0.8) / 2 · 1/3 + (0.8 + 0.6) / 2 · 2/3 = 0.75."""
    found = rows(chosen({
        ("dense", 1.0): [0.9, 0.8], ("imp", 0.5): [0.8, 0.8], ("imp", 0.125): [0.6, 0.8],
        ("imp/reinit", 0.5): [0.5, 0.5], ("imp/reinit", 0.125): [0.5, 0.5],
    }))  # fmt: skip
    assert found["imp"]["mean"] == pytest.approx((0.75 + 0.8) / 2)
    assert found["imp"]["difference"] == pytest.approx((0.75 - 0.9 + 0.8 - 0.8) / 2)
    assert found["dense"]["mean"] == pytest.approx(0.85)
    assert found["imp/reinit"]["mean"] == pytest.approx((0.7 / 3 + 0.65 / 3) / 2 + 1 / 3)
    assert found["imp"]["densities"] == [1.0, 0.5, 0.125]
    assert (found["imp"]["rank"], found["imp/reinit"]["rank"], found["dense"]["rank"]) == (
        1, None, None
    )  # fmt: skip


def test_area_equals_numpys_trapezoid_for_any_densities(chosen: Chosen) -> None:
    chance = random.Random(1)
    densities = sorted((chance.uniform(0.001, 0.95) for _ in range(7)), reverse=True)
    curves = {f"l{i}": [[chance.random() for _ in range(2)] for _ in densities] for i in range(20)}
    dense = [chance.random(), chance.random()]
    con = chosen({
        ("dense", 1.0): dense,
        **{(label, d): x for label, curve in curves.items()
           for d, x in zip(densities, curve, strict=True)},
    })  # fmt: skip
    x = np.log([1.0, *densities])
    found = rows(con)
    for label, curve in curves.items():
        y = np.array([dense, *curve])
        expected = np.trapezoid(y, x, axis=0) / (x[-1] - x[0])
        assert found[label]["mean"] == pytest.approx(expected.mean())
        assert min(y.min(axis=0)) <= found[label]["mean"] <= max(y.max(axis=0))
        assert found[label]["difference"] == pytest.approx((expected - dense).mean())
    assert [r["rank"] for r in found.values()][1:] == list(range(1, 21))


def test_the_area_of_a_constant_curve_is_its_accuracy(chosen: Chosen) -> None:
    for densities in ((0.9,), (0.5, 0.01), (0.7, 0.6, 0.0001)):
        con = chosen({("dense", 1.0): [0.6, 0.7], **{("imp", d): [0.6, 0.7] for d in densities}})
        imp = rows(con)["imp"]
        assert imp["mean"] == pytest.approx(0.65)
        assert imp["difference"] == pytest.approx(0, abs=1e-12)


def test_lost_seeds_count_as_accuracy_0(chosen: Chosen) -> None:
    """At a failed, diverged or unreachable density; a seed owed by the machine is left out."""
    con = chosen({
        ("dense", 1.0): [0.9, 0.9, 0.9],
        ("fails", 0.5): [0.9, 0.9, 0.9], ("fails", 0.25): [0.9, "diverged", 0.9],
        ("short", 0.5): [0.9, 0.9, 0.9], ("short", 0.25): ["skipped"] * 3,
        ("owed", 0.5): [0.9, 0.9, 0.9], ("owed", 0.25): [0.9, "oom", None],
    })  # fmt: skip
    found = rows(con)
    lost = (0.9 / 2 + 0.9 + 0) / 2
    assert found["fails"]["mean"] == pytest.approx((0.9 + lost + 0.9) / 3)
    assert found["short"]["mean"] == pytest.approx(lost)
    assert found["owed"]["mean"] == pytest.approx(0.9)
    assert [(found[x]["n"], found[x]["pending"]) for x in ("fails", "owed")] == [(3, 0), (1, 2)]
    shown = table(con)
    assert set(shown.notes) == {
        "fails failed at 1 seed at 25.00%: counted as accuracy 0 there",
        "short cannot reach 25.00%: counted as accuracy 0 there",
        "owed has still to come at 25.00%: 2 seeds left out",
    }
    verdicts = {line[1].text: line[4].text for line in shown.lines()}
    assert (verdicts["fails"], verdicts["short"]) == ("1 failed", "worse")


def test_a_label_without_a_density_has_no_area_unless_it_is_left_out(chosen: Chosen) -> None:
    con = chosen({
        ("dense", 1.0): [0.9] * 3, ("a", 0.5): [0.8] * 3, ("a", 0.25): [0.8] * 3,
        ("b", 0.5): [0.9] * 3,
    })  # fmt: skip
    found = rows(con)
    assert (found["b"]["mean"], found["b"]["rank"]) == (None, None)
    assert table(con).notes == ("b was not run at 25.00%, so it has no rank",)
    assert rows(con, densities=[0.5])["b"]["rank"] == 1


def test_densities_without_results_are_left_out(chosen: Chosen) -> None:
    con = chosen({
        ("dense", 1.0): [0.9, 0.9], ("a", 0.5): [0.7, 0.7], ("a", 0.25): [None, "timeout"],
    })  # fmt: skip
    a = rows(con)["a"]
    assert (a["densities"], a["n"]) == ([1.0, 0.5], 2)
    assert a["mean"] == pytest.approx(0.8)


def test_without_a_dense_run_the_area_starts_at_the_first_density(chosen: Chosen) -> None:
    con = chosen({("a", 0.5): [0.8, 0.8], ("a", 0.25): [0.6, 0.6], ("b", 0.5): [0.1, 0.1],
                  ("b", 0.25): [0.1, 0.1]})  # fmt: skip
    found = rows(con)
    assert found["a"]["mean"] == pytest.approx(0.7)
    assert found["a"]["difference_n"] == 0
    assert rows(con, "b")["a"]["difference"] == pytest.approx(0.6)
    alone = rows(con, densities=[0.25])["a"]
    assert alone["mean"] == pytest.approx(0.6)


def test_a_failed_dense_run_leaves_its_seed_out(chosen: Chosen) -> None:
    con = chosen({("dense", 1.0): [0.9, "failed"], ("a", 0.5): [0.7, 0.7]})
    found = rows(con)
    assert (found["a"]["n"], found["dense"]["n"]) == (1, 1)
    assert found["a"]["mean"] == pytest.approx(0.8)
    whole = rows(chosen({("dense", 1.0): ["failed"] * 2, ("a", 0.5): [0.7, 0.7]}))
    assert whole["a"]["mean"] == pytest.approx(0.7)


def test_against_a_label_or_a_control(chosen: Chosen) -> None:
    con = chosen({
        ("dense", 1.0): [0.9] * 3, ("a", 0.5): [0.8, 0.7, 0.8], ("b", 0.5): [0.6, 0.6, 0.6],
        ("b/reinit", 0.5): [0.4, 0.4, 0.4],
    })  # fmt: skip
    found = rows(con, "b")
    assert found["a"]["difference"] == pytest.approx((0.1 + 0.05 + 0.1) / 3)
    assert found["dense"]["difference"] == pytest.approx(0.15)
    shown = table(con, "b")
    assert shown.header[3] == "Δ b"
    assert rows(con, "b/reinit", controls=["none"])["b"]["difference"] == pytest.approx(0.1)
    assert "b/reinit" not in rows(con, "b/reinit", controls=["none"])


def test_a_method_without_any_ticket_has_no_place(chosen: Chosen) -> None:
    """The worst value alone is no result; beside others it counts."""
    found = rows(chosen({
        ("dense", 1.0): [0.9], ("a", 0.5): [0.8], ("a", 0.2): ["failed"],
        ("lost", 0.5): ["failed"], ("lost", 0.2): ["failed"],
        ("far", 0.5): ["skipped"], ("far", 0.2): ["skipped"],
    }))  # fmt: skip
    assert {label: found[label]["rank"] for label in ("a", "lost", "far")} == {
        "a": 1, "lost": None, "far": None
    }  # fmt: skip


def test_without_tickets_there_is_no_area(chosen: Chosen) -> None:
    with pytest.raises(NothingSelected, match="no ticket has a result yet"):
        rows(chosen({("dense", 1.0): [0.9]}))
    found = rows(chosen({("dense", 1.0): [0.9], ("a", 0.5): [None]}))
    assert found["a"]["mean"] is None


def test_the_title_names_the_densities(chosen: Chosen) -> None:
    shown = table(chosen({("dense", 1.0): [0.9], ("a", 0.5): [0.8], ("a", 0.0004): [0.7]}))
    assert shown.title == "mlp · digits · mlp · density 100.00 to 0.040%, 3 levels"
    one = table(chosen({("a", 0.5): [0.8]}))
    assert one.title.endswith("· density 50.00%")
