from __future__ import annotations

import random
from typing import Any

from lth_bench.running.executors.schedule import task_of


def values(label: str, seed: int, effects: dict[str, float]) -> float:
    """Differences to dense: the effect, and half a point up and down."""
    base = 0.9 + 0.01 * (seed % 3)
    return base if label == "dense" else base + effects[label] + 0.005 * (-1) ** seed


def run(made: Any, effects: dict[str, float], order: random.Random, ahead: int = 0) -> list[str]:
    """End what is due, in any order, with so many looks ahead; what was due in the end."""
    waiting = [p.experiment.experiment_id for p in made.due.begin([], [])]
    while waiting:
        name = waiting.pop(order.randrange(len(waiting)))
        item = made.due.due[name]
        value = values(item.experiment.label, item.experiment.seed, effects)
        waiting += made.end(item, value)
        if not waiting and ahead:
            ahead -= 1
            waiting += [p.experiment.experiment_id for p in made.due.ahead(None)]
    return list(made.due.due)


def stops(made: Any) -> dict[str, Any]:
    return {
        f"{unit.key.label} {row.density}": row.looks[-1].stop
        for unit in made.due.units.values()
        for row in unit.rows
    }


def test_the_first_look_is_due_of_everything(pretended: Any) -> None:
    made = pretended({"imp": [(0.5, 0.2)], "snip": [(0.5,), (0.2,)]})
    found = [p.experiment for p in made.due.begin([], [])]
    assert {e.seed for e in found} == {0, 1, 2}
    assert len(found) == 3 * 4 and [e.label for e in found[:3]] == ["dense"] * 3


def test_seeds_are_added_only_where_a_comparison_is_open(pretended: Any) -> None:
    made = pretended({"clear": [(0.5,)], "blurred": [(0.5,)]})
    due = run(made, {"clear": -0.2, "blurred": 0.003}, random.Random(0))
    by_label = {
        label: sum(name.startswith(label) for name in due) for label in ("clear", "blurred")
    }
    assert by_label["clear"] == 3 and by_label["blurred"] > 3
    assert sum(name.startswith("dense") for name in due) == by_label["blurred"]
    assert stops(made)["clear 0.5"][::2] == (3, "decided")


def test_a_unit_goes_on_until_its_slowest_row_is_decided(pretended: Any) -> None:
    made = pretended({"imp": [(0.5, 0.2)]})
    waiting = list(made.due.begin([], []))
    while waiting:
        item = waiting.pop(0)
        e = item.experiment
        for density in e.densities:
            sparse = density == 0.2
            value = (
                0.9 if e.label == "dense" else 0.9 + (-0.3 if sparse else 0.004 * (-1) ** e.seed)
            )
            made.due.take({"record": "ticket", "experiment_id": e.experiment_id, "status": "ok",
                           "reported": True, "control": "none", "target_density": density,
                           "score": value + 0.001 * e.seed})  # fmt: skip
        waiting += made.due.take(
            {"record": "experiment", "experiment_id": e.experiment_id, "status": "ok"}
        )
    found = stops(made)
    assert found["imp 0.2"].at == 3 and found["imp 0.5"].at > 3


def test_what_ends_first_decides_nothing_nor_what_was_trained_ahead(pretended: Any) -> None:
    effects = {"a": -0.009, "b": 0.001, "c": -0.03}
    labels = {label: [(0.5,)] for label in effects}
    found = []
    for seed in range(6):
        made = pretended(labels)
        run(made, effects, random.Random(seed), ahead=seed)
        looks = [(u.key.label, r.density, r.looks) for u in made.due.units.values() for r in u.rows]
        found.append(looks)
    assert all(looks == found[0] for looks in found)


def test_one_look_ahead_is_of_the_open_unit_with_the_fewest_seeds(pretended: Any) -> None:
    made = pretended({"a": [(0.5,)], "b": [(0.5,)]})
    made.due.begin([], [])
    first = [p.experiment for p in made.due.ahead(None)]
    assert [(e.label, e.seed) for e in first] in (
        [("dense", 3), ("a", 3)], [("dense", 3), ("b", 3)],
    )  # fmt: skip
    second = [p.experiment for p in made.due.ahead(task_of(first[0]))]
    assert {e.label for e in second} == {"a", "b"} - {e.label for e in first}
    assert made.due.ahead("another task") == []
    ahead = 0
    while made.due.ahead(None):
        ahead += 1
    assert ahead and len(made.due.due) == 3 * 10  # and never beyond the maximum


def test_a_lost_seed_stops_a_unit(pretended: Any) -> None:
    made = pretended({"imp": [(0.5,)]})
    for item in made.due.begin([], []):
        value = "diverged" if item.experiment.label == "imp" and item.experiment.seed == 1 else 0.9
        added = made.end(item, value)
    assert added == [] and stops(made)["imp 0.5"].why == "lost"


def test_a_seed_out_of_memory_is_dropped_on_both_sides_and_made_up_for(pretended: Any) -> None:
    made = pretended({"imp": [(0.5,)]})
    added = []
    for item in made.due.begin([], []):
        e = item.experiment
        value: float | str = 0.9 if e.label == "dense" else 0.95 + 0.0001 * e.seed
        added += made.end(item, "oom" if (e.label, e.seed) == ("imp", 1) else value)
    assert [name.split()[:2] for name in added] == [["dense", "3"], ["imp", "3"]]
    held = made.due.units[next(iter(made.due.units))].rows[0]
    assert held.at == 0
    for name in added:
        item = made.due.due[name]
        made.end(item, 0.9 if item.experiment.label == "dense" else 0.9503)
    assert stops(made)["imp 0.5"][::2] == (3, "decided")


def test_an_interrupted_seed_holds_the_look(pretended: Any) -> None:
    made = pretended({"imp": [(0.5,)]})
    items = made.due.begin([], [])
    for item in items:
        made.end(item, "interrupted" if item is items[-1] else 0.9 + 0.1 * (item is not items[0]))
    unit = next(iter(made.due.units.values()))
    assert unit.rows[0].at == 0 and unit.needed == 3


def test_without_a_dense_run_there_is_nothing_to_add(pretended: Any) -> None:
    made = pretended({"imp": [(0.5,)]})
    added = []
    for item in made.due.begin([], []):
        added += made.end(item, "diverged" if item.experiment.label == "dense" else 0.9)
    unit = next(iter(made.due.units.values()))
    assert unit.open_rows == [] and len(added) <= 2 * 3


def test_what_earlier_runs_did_is_known_and_what_they_began_is_due(pretended: Any) -> None:
    effects = {"imp": -0.2}
    first = pretended({"imp": [(0.5,)]})
    run(first, effects, random.Random(0))
    tickets = [
        {"record": "ticket", "experiment_id": name, "status": "ok", "reported": True,
         "control": "none", "target_density": first.due.due[name].experiment.densities[0],
         "score": values(name.split()[0], int(name.split()[1]), effects), "test_examples": 1000}
        for name in first.ended
    ]  # fmt: skip
    ends = [{"record": "experiment", "experiment_id": name, "status": "ok"} for name in first.ended]
    again = pretended({"imp": [(0.5,)]})
    due = again.due.begin([*tickets, *ends], ["imp 7 0.5"])
    assert {p.experiment.experiment_id for p in due} == {*first.ended, "imp 7 0.5"}
    assert stops(again) == stops(first)
