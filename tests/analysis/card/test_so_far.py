"""The best of each task so far."""

from __future__ import annotations

from lth_bench.analysis.card.so_far import BestSoFar

TASK = ("mlp", "digits", "short")


def plan(label, seed, densities=(0.5, 0.2, 0.1), strategy="", task=TASK, **metric):
    model, dataset, recipe = task
    return {
        "experiment_id": f"{label} {seed} {model}", "strategy": strategy or label, "label": label,
        "seed": seed, "densities": list(densities), "model": model, "dataset": dataset,
        "recipe": recipe, "source_model": model, "source_dataset": dataset,
        "source_recipe": recipe, **metric,
    }  # fmt: skip


def ticket(label, seed, value, density=0.2, **other):
    return {
        "record": "ticket", "experiment_id": f"{label} {seed} mlp", "reported": True,
        "control": "none", "status": "ok", "target_density": density, "score": value, **other,
    }  # fmt: skip


PLANNED = [
    *(plan("dense", seed, (1.0,)) for seed in (0, 1)),
    *(plan(label, seed) for label in ("imp", "snip") for seed in (0, 1)),
]


def test_the_best_mean_at_the_middle_density():
    best = BestSoFar(PLANNED)
    assert best.leaders() == []
    assert best.take(ticket("snip", 0, 0.5625))
    assert best.take(ticket("imp", 0, 0.75)) and best.take(ticket("imp", 1, 0.25))
    assert best.take(ticket("dense", 0, 0.875, density=1.0))
    (leader,) = best.leaders()
    assert (leader.label, leader.n, leader.density) == ("snip", 1, 0.2)
    assert leader.task.startswith("MLP on digits")
    assert best.take(ticket("imp", 1, 0.5))  # the last record of a ticket counts
    (leader,) = best.leaders()
    assert (leader.label, leader.n) == ("imp", 2)
    assert abs(leader.value - 0.625) < 1e-12
    assert leader.dense is not None and abs(leader.dense - 0.875) < 1e-12


def test_the_density_is_the_suites_where_it_fixes_one():
    assert list(BestSoFar(PLANNED, 0.1).densities.values()) == [0.1]
    assert list(BestSoFar(PLANNED, 0.3).densities.values()) == [0.2]
    even = [plan("imp", 0, (0.5, 0.4, 0.2, 0.1))]
    assert list(BestSoFar(even).densities.values()) == [0.2]


def test_what_is_no_result_there_does_not_count():
    best = BestSoFar(PLANNED)
    for other in (
        {"target_density": 0.1}, {"control": "reinit"}, {"reported": False}, {"status": "diverged"},
        {"score": None}, {"experiment_id": "of another run"},
    ):  # fmt: skip
        assert not best.take({**ticket("imp", 0, 0.9), **other})
    assert best.leaders() == []


def test_lower_is_better_where_the_task_says_so():
    error = {"metric": "rmse", "metric_unit": "", "higher_is_better": False}
    best = BestSoFar([plan(label, 0, **error) for label in ("imp", "snip")])
    best.take(ticket("imp", 0, 2.0))
    best.take(ticket("snip", 0, 1.0))
    (leader,) = best.leaders()
    assert (leader.label, leader.measure.name, leader.dense) == ("snip", "test_rmse", None)
