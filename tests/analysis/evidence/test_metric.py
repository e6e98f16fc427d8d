from __future__ import annotations

import math

import pytest
from scipy.stats import t

from lth_bench.analysis.evidence import METRICS, Place, Task, density_series, pareto_points

TASK = Place("quickstart", Task("mlp", "digits", "mlp"))


def test_mean_and_interval_by_hand(by_hand) -> None:
    con = by_hand(
        [
            {"label": "imp", "density": 0.5, "seed": 0, "test_accuracy": 0.90},
            {"label": "imp", "density": 0.5, "seed": 1, "test_accuracy": 0.92},
            {"label": "imp", "density": 0.5, "seed": 2, "test_accuracy": 0.94},
            {"label": "imp", "density": 0.2, "seed": 0, "test_accuracy": 0.80},
        ]
    )
    ((series,),) = density_series(con).values()
    assert series.x == (0.5, 0.2)
    assert series.mean == pytest.approx((0.92, 0.80))
    assert series.n == (3, 1)
    half = 4.302652729911275 * 0.02 / math.sqrt(3)  # t with 2 degrees of freedom; s is .02
    assert series.low == (pytest.approx(0.92 - half), None)
    assert series.high == (pytest.approx(0.92 + half), None)


def test_every_metric_agrees_with_pandas(results) -> None:
    con = results(controls=("reinit",), seeds=range(4), outcomes={("imp", 1): ("failed", "bug")})
    frame = con.execute("FROM tickets_flat WHERE status = 'ok'").df()
    frame["generalisation_gap"] = frame.train_accuracy - frame.test_accuracy
    by_cell = frame.groupby(["label", "control", "target_density"])
    for metric in METRICS:
        found = density_series(con, metric)[TASK]
        assert len(found) == 1 + 3 * 2
        for series in found:
            for i, x in enumerate(series.x):
                values = by_cell.get_group((series.label, series.control, x))[metric]
                half = t.ppf(0.975, len(values) - 1) * values.std() / math.sqrt(len(values))
                assert series.mean[i] == pytest.approx(values.mean(), rel=1e-12)
                assert series.high[i] - series.low[i] == pytest.approx(2 * half, rel=1e-9)
                assert series.n[i] == len(values) == (3 if series.label == "imp" else 4)


def test_dense_comes_first_and_controls_after_their_ticket(results) -> None:
    found = density_series(results(controls=("shuffle", "reinit")))[TASK]
    names = [series.name for series in found]
    assert names[:4] == ["dense", "imp", "imp/reinit", "imp/shuffle"]
    assert (found[0].x, found[0].is_dense, found[1].is_dense) == ((1.0,), True, False)


def test_lost_seeds_are_counted_apart_from_those_still_owed(results) -> None:
    con = results(
        outcomes={
            ("imp", 0): ("failed", "bug"), ("imp", 1): ("diverged", "nan"),
            ("snip", 0): ("oom", "memory"), ("snip", 1): ("skipped", "density"),
        }
    )  # fmt: skip
    found = {series.label: series for series in density_series(con)[TASK]}
    assert (found["imp"].n, found["imp"].planned, found["imp"].lost) == ((1, 1), (3, 3), (2, 2))
    assert (found["snip"].n, found["snip"].lost) == ((1, 1), (0, 0))
    assert found["one_shot"].lost == (0, 0)


def test_who_never_ended_ok_is_left_out(results) -> None:
    con = results(outcomes={("imp", seed): ("failed", "bug") for seed in range(3)})
    assert "imp" not in [series.label for series in density_series(con)[TASK]]


def test_values_that_are_missing_or_not_finite_are_no_results(by_hand) -> None:
    con = by_hand(
        [
            {"label": "imp", "density": 0.5, "seed": 0, "test_accuracy": 0.9},
            {"label": "imp", "density": 0.5, "seed": 1, "test_accuracy": math.nan},
            {"label": "imp", "density": 0.5, "seed": 2, "test_accuracy": None},
        ]
    )
    ((series,),) = density_series(con).values()
    assert (series.mean, series.n, series.planned) == ((0.9,), (1,), (3,))
    assert density_series(con, "early_stop_step") == {}


def test_a_transferred_ticket_says_where_it_is_from(by_hand) -> None:
    con = by_hand(
        [{"label": "imp", "density": 0.5, "seed": 0, "test_accuracy": 0.9, "source": "abc"}]
    )
    ((series,),) = density_series(con).values()
    assert (series.source, series.name) == ("a/b/c", "imp from a/b/c")


def test_names_stay_as_they_are(results) -> None:
    odd = '<b>"it\'s"</b> $x_1$'
    con = results(suite=odd, tasks=((odd, odd, odd),), strategies=("dense", odd))
    ((place, found),) = density_series(con).items()
    assert place == Place(odd, Task(odd, odd, odd))
    assert [series.label for series in found] == ["dense", odd]


def test_only_the_suites_asked_for(results) -> None:
    con = results()
    assert list(density_series(con, suites=["quickstart", "other"])) == [TASK]
    assert density_series(con, suites=["other"]) == {}


TASK = Place("quickstart", Task("mlp", "digits", "mlp"))


def row(label: str, accuracy: float, flops: float, seed: int = 0, **more):
    return {
        "label": label, "density": 1.0 if label == "dense" else 0.5, "seed": seed,
        "test_accuracy": accuracy, "flops_dense": 100.0, "flops_masked_theoretical": flops,
        "search_flops_masked_theoretical": 0.0, **more,
    }  # fmt: skip


def front(con) -> set[str]:
    ((points),) = pareto_points(con).values()
    return {point.label for point in points if point.on_front}


def test_cost_is_search_and_training_over_the_dense_run_of_the_seed(results) -> None:
    points = {(p.label, p.target_density): p for p in pareto_points(results())[TASK]}
    assert points["dense", 1.0].x == pytest.approx(1.0)
    # the scenario's search of snip: as many FLOPs as the dense run, of which the mask leaves .7
    assert points["snip", 0.2].x == pytest.approx(0.2 + 0.7 * 0.001)
    assert points["one_shot", 0.2].x == pytest.approx(0.2 + 0.7 * 3)
    assert points["snip", 0.2].n == 3


def test_the_front_is_what_nothing_beats_in_both(by_hand) -> None:
    con = by_hand(
        [
            row("dense", 0.95, 100), row("cheap", 0.80, 20), row("better", 0.90, 40),
            row("beaten", 0.89, 41), row("twin", 0.90, 40), row("worse_twin", 0.85, 40),
            row("as_good_but_dearer", 0.95, 120), row("best", 0.96, 300),
        ]
    )  # fmt: skip
    assert front(con) == {"dense", "cheap", "better", "twin", "best"}


def test_the_front_agrees_with_the_view(results) -> None:
    con = results(seeds=range(5), densities=(0.8, 0.5, 0.3, 0.1))
    mine = {(p.label, p.target_density): p.on_front for p in pareto_points(con)[TASK]}
    view = con.execute("SELECT label, target_density, on_cost_front FROM pareto").fetchall()
    assert mine == {(label, density): on for label, density, on in view}
    assert 2 <= sum(mine.values()) < len(mine)


def test_who_lost_a_seed_is_not_on_the_front_and_keeps_nobody_off_it(by_hand) -> None:
    con = by_hand(
        [
            row("dense", 0.95, 100), row("dense", 0.95, 100, seed=1),
            row("lucky", 0.99, 10), row("lucky", 0.0, 10, seed=1, status="diverged"),
            row("plain", 0.90, 50), row("plain", 0.90, 50, seed=1),
        ]
    )  # fmt: skip
    assert front(con) == {"dense", "plain"}


def test_without_a_dense_run_there_is_no_cost(results) -> None:
    assert pareto_points(results(strategies=("imp",))) == {}


def test_controls_are_no_points(results) -> None:
    assert {p.control for p in pareto_points(results(controls=("reinit",)))[TASK]} == {"none"}
