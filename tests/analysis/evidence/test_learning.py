from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from lth_bench.analysis.evidence import early_stops, learning_curves


def point(ticket: str, step: int, val_loss: float, val_accuracy: float) -> tuple[object, ...]:
    """A row of `curves`, whose metric is accuracy."""
    return ticket, step, 9.0, val_loss, val_accuracy, val_accuracy


def test_means_and_intervals_by_hand(by_hand) -> None:
    con = by_hand(
        [{"label": "imp", "density": 0.5, "seed": seed} for seed in (0, 1)]
        + [{"label": "imp", "density": 0.5, "seed": 2, "status": "diverged"}],
        curves=[
            point("imp-0", 10, 2.0, 0.5), point("imp-0", 20, 1.0, 0.8),
            point("imp-1", 10, 4.0, 0.7), point("imp-1", 20, math.inf, 0.8),
            point("imp-2", 10, 9.0, 0.1),
        ],
    )  # fmt: skip
    ((curve,),) = learning_curves(con).values()
    assert (curve.name, curve.target_density, curve.n, curve.step) == ("imp", 0.5, 2, (10, 20))
    assert curve.val_score == pytest.approx((0.6, 0.8))
    assert curve.val_loss == pytest.approx((3.0, 1.0))
    half = 12.706204736174707 * 0.1  # t with 1 degree of freedom; s / √n is .1414 / 1.414
    assert curve.high == pytest.approx((0.6 + half, 0.8))
    assert curve.low == pytest.approx((0.6 - half, 0.8))


def test_steps_that_only_some_seeds_have_are_left_out(by_hand) -> None:
    con = by_hand(
        [{"label": "imp", "density": 0.5, "seed": seed} for seed in (0, 1)],
        curves=[point("imp-0", step, 1.0, 0.5) for step in (10, 20, 30)]
        + [point("imp-1", step, 1.0, 0.5) for step in (20, 30, 40)],
    )
    ((curve,),) = learning_curves(con).values()
    assert (curve.step, curve.n) == ((20, 30), 2)


def test_one_seed_has_no_interval(results) -> None:
    (found,) = learning_curves(results(seeds=(0,))).values()
    assert all(x is None for curve in found for x in (*curve.low, *curve.high))


def test_long_curves_are_thinned_to_their_ends(results) -> None:
    con = results(strategies=("imp",), densities=(0.5,), curve_points=40)
    ((whole,),) = learning_curves(con).values()
    ((thin,),) = learning_curves(con, points=4).values()
    assert whole.step == tuple(range(0, 800, 20))
    assert thin.step == (0, 260, 520, 780)
    assert thin.val_loss == tuple(whole.val_loss[i] for i in (0, 13, 26, 39))


def test_at_most_the_given_number_of_densities_and_dense(results) -> None:
    con = results(strategies=("dense", "imp"), densities=(0.8, 0.6, 0.5, 0.4, 0.2), controls=())
    (found,) = learning_curves(con, densities=3).values()
    assert [(c.label, c.target_density) for c in found] == [
        ("dense", 1.0), ("imp", 0.8), ("imp", 0.5), ("imp", 0.2),
    ]  # fmt: skip


def test_controls_follow_their_ticket(results) -> None:
    con = results(strategies=("imp", "snip"), densities=(0.5,), controls=("reinit",))
    (found,) = learning_curves(con).values()
    assert [c.name for c in found] == ["imp", "imp/reinit", "snip", "snip/reinit"]


def test_every_seed_has_its_step(results: Callable[..., Any]) -> None:
    con = results(densities=(0.5, 0.2), seeds=(0, 1, 2))
    (stops,) = early_stops(con).values()
    imp = next(one for one in stops if one.label == "imp" and one.control == "none")
    assert imp.x == (0.5,) * 3 + (0.2,) * 3
    rows = con.execute(
        "SELECT early_stop_step, early_stop_step >= coalesce(rewind_step, 0) + steps "
        "FROM tickets_flat WHERE label = 'imp' AND control = 'none' "
        "ORDER BY target_density DESC, seed"
    ).fetchall()
    assert list(zip(imp.step, imp.improving, strict=True)) == rows


def test_of_other_suites_there_are_none(results: Callable[..., Any]) -> None:
    assert early_stops(results(), ["nope"]) == {}
