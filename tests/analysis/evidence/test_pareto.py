from __future__ import annotations

import pytest

from lth_bench.analysis.evidence import Place, Task, pareto_points

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
    assert points["dense", 1.0].x == 1.0
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
