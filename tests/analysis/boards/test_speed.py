from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.boards import speed
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.table import Table
from lth_bench.stats import t_interval

Chosen = Callable[..., Any]

CELLS = {
    ("dense", 1.0): [0.9, 0.9, 0.9], ("imp", 0.5): [0.9, 0.9, 0.9],
    ("imp/reinit", 0.5): [0.8, 0.8, 0.8], ("snip", 0.5): [0.7, 0.7, 0.7],
}  # fmt: skip
STOPS = {
    ("dense", 1.0): [400, 400, 500], ("imp", 0.5): [200, 100, 250],
    ("imp/reinit", 0.5): [400, 300, 500], ("snip", 0.5): [1000, 1000, 1000],
}  # fmt: skip


def rows(con: Any, baseline: str | None = None, margin: float = 0.1) -> dict[str, BoardRow]:
    scope = resolve(con, Selection())
    return {
        r["label"] + ("" if r["control"] == "none" else f"/{r['control']}"): r
        for r in speed.rows(con, scope, baselines(con, scope, baseline), margin)
    }


def table(con: Any, baseline: str | None = None) -> Table:
    scope = resolve(con)
    (found,) = speed.board(con, scope, baselines(con, scope, baseline), 0.1).tables
    return found


def test_ratios_by_hand(chosen: Chosen) -> None:
    """imp over dense: 1/2, 1/4, 1/2; reinit over its own ticket: 2, 3, 2."""
    found = rows(chosen(CELLS, stops=STOPS))
    imp, reinit = found["imp"], found["imp/reinit"]
    assert imp["early_stop_step"] == pytest.approx(550 / 3)
    assert imp["ratio"] == pytest.approx((1 / 16) ** (1 / 3))
    logs = t_interval([math.log(x) for x in (1 / 2, 1 / 4, 1 / 2)])
    assert imp["ratio_low"] == pytest.approx(math.exp(logs.low or 0))
    assert imp["ratio_high"] == pytest.approx(math.exp(logs.high or 0))
    assert reinit["ticket_ratio"] == pytest.approx(12 ** (1 / 3))
    assert (reinit["ticket_ratio_n"], imp["ticket_ratio_n"]) == (3, 0)
    assert imp["ticket_ratio"] is None
    assert found["dense"]["ratio"] is None


def test_earlier_is_better(chosen: Chosen) -> None:
    con = chosen(CELLS, stops={**STOPS, ("imp", 0.5): [200, 190, 260]})
    found = rows(con)
    assert (found["imp"]["verdict"], found["snip"]["verdict"]) == ("better", "worse")
    assert (found["imp"]["rank"], found["snip"]["rank"]) == (1, 2)
    words = {line[2].text: line[5].text for line in table(con).lines()}
    assert (words["imp"], words["snip"], words["dense"]) == ("sooner", "later", "")


def test_a_loss_still_falling_at_the_end_is_marked(chosen: Chosen) -> None:
    found = rows(chosen(CELLS, stops=STOPS))
    assert (found["snip"]["at_end"], found["imp"]["at_end"]) == (3, 0)
    stops = {line[2].text: line[3].text for line in table(chosen(CELLS, stops=STOPS)).lines()}
    assert stops["snip"] == "≥1,000 ± 0"
    assert stops["dense"] == "433 ± 143"


def test_cut_off_runs_have_no_verdict_except_later(chosen: Chosen) -> None:
    # the dense run's spread is too large for a verdict, and more seeds would not help
    con = chosen(CELLS, stops={**STOPS, ("dense", 1.0): [1000, 300, 1000]})
    snip = rows(con)["snip"]
    assert (snip["at_end"], snip["verdict"], snip["n80"]) == (3, None, None)
    assert snip["verdict_text"] == "cut off by the end of training"
    words = {line[2].text: line[5].text for line in table(con).lines()}
    assert words["snip"] == "cut off"
    assert rows(chosen(CELLS, stops=STOPS))["snip"]["verdict"] == "worse"


def test_the_margin_is_relative(chosen: Chosen) -> None:
    stops = {("dense", 1.0): [1000, 1000, 1000], ("imp", 0.5): [950, 960, 940]}
    cells = {key: [0.9] * 3 for key in stops}
    narrow, wide = (rows(chosen(cells, stops=stops), margin=m)["imp"] for m in (0.01, 0.2))
    assert (narrow["verdict"], narrow["margin"]) == ("better", 0.01)
    assert narrow["within_margin"] is False
    assert wide["within_margin"] is True
    same = {("dense", 1.0): [1000, 1000, 1000], ("imp", 0.5): [1001, 999, 1000]}
    assert rows(chosen(cells, stops=same))["imp"]["verdict"] == "equivalent"


def test_against_a_label(chosen: Chosen) -> None:
    found = rows(chosen(CELLS, stops=STOPS), "snip")
    assert found["imp"]["ratio"] == pytest.approx((0.2 * 0.1 * 0.25) ** (1 / 3))
    assert found["snip"]["ratio_n"] == 0
    assert table(chosen(CELLS, stops=STOPS), "snip").header[4] == "× snip"


def test_lost_seeds_rank_last(chosen: Chosen) -> None:
    found = rows(chosen({**CELLS, ("imp", 0.5): [0.9, "diverged", 0.9]}, stops=STOPS))
    assert (found["imp"]["rank"], found["snip"]["rank"]) == (2, 1)
    assert found["imp"]["verdict"] == "failed"


def test_a_stop_at_step_0_has_no_ratio(chosen: Chosen) -> None:
    found = rows(chosen(CELLS, stops={**STOPS, ("imp", 0.5): [0, 100, 250]}))
    assert (found["imp"]["n"], found["imp"]["ratio_n"]) == (3, 2)


def test_the_ticket_column_is_shown_only_with_controls(chosen: Chosen) -> None:
    assert "× ticket" in table(chosen(CELLS, stops=STOPS)).header
    without = {key: values for key, values in CELLS.items() if "/" not in key[0]}
    assert "× ticket" not in table(chosen(without, stops=STOPS)).header
