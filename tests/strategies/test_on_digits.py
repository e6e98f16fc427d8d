"""Methods during and after training on real digits: they run as a user runs them, cost what they
say, and reach what an independent implementation reached.
"""

from __future__ import annotations

import runpy
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

import lth_bench

COSTS = {
    "imp": (20, 120), "fine_tune": (20, 20), "lr_rewind": (20, 20), "sculpt": (20, 40),
    "bimp": (4, 26), "rigl-2x": (40, 0), "rigl-5x": (100, 0),
}  # fmt: skip
"""Steps and search steps where training has 20; the others have no search. BIMP's ten are divided
3, 3 and 4, and its search has the dense run too."""


def rows(folder: Path, *options: object) -> dict[str, list[dict[str, Any]]]:
    """The tickets of the suite `sparse_training`, by label."""
    here = runpy.run_path(str(Path(__file__).parents[1] / "cli" / "conftest.py"))["Here"](folder)
    folder.mkdir(exist_ok=True)
    here("run", "sparse_training", "--workers", "1", *options)
    table = lth_bench.results(here.results).table("tickets_flat")
    found: dict[str, list[dict[str, Any]]] = {}
    for row in table[table["target_density"] < 1].to_dict("records"):
        found.setdefault(row["label"], []).append(row)
    return found


def test_every_method_runs_and_costs_what_it_says(tmp_path: Path) -> None:
    options = ("--seeds", "1", "--set", "recipes.adam.steps=20", "--cohort-size", "1")
    found = rows(tmp_path / "run", *options)
    assert {"set", "snfs", "granet", "gradual", "acdc", *COSTS} < set(found)
    for label, (row,) in found.items():
        assert row["status"] == "ok", (label, row["reason"])
        assert row["density"] == pytest.approx(0.0467, abs=1e-4), label
        assert (row["steps"], row["search_steps"]) == COSTS.get(label, (20, 0)), label


@pytest.mark.slow
def test_accuracies_of_an_independent_study(tmp_path: Path) -> None:
    """Test accuracy in per cent at 4.67% of the weights, one training of 400 steps, n = 6 (± is the
    95% interval), by scripts that share no code with this package: gradual 95.5 ± 0.7 and RigL-ERK
    94.3 ± 0.8 on pixels in [0, 1]; static ERK 93.5 ± 1.3 and static uniform 85.8 ± 1.7 on pixels
    with mean 0 and deviation 1, as here (in [0, 1] they have 89.8 and 79.1).
    """
    labels = ("gradual", "rigl", "rigl-2x", "static-erk", "static-uniform")
    tickets = rows(tmp_path / "run", *(part for name in labels for part in ("-s", name)))
    # `-s rigl` names the strategy too, and so every label of it
    assert {name: len(tickets[name]) for name in labels} == dict.fromkeys(labels, 6)
    found = {name: 100 * mean(row["test_accuracy"] for row in tickets[name]) for name in labels}
    assert found["gradual"] == pytest.approx(95.5, abs=1.5)
    assert found["rigl"] == pytest.approx(94.3, abs=1.6)
    assert found["static-erk"] == pytest.approx(93.5, abs=1.6)
    assert found["static-uniform"] == pytest.approx(85.8, abs=5)
    assert found["gradual"] > found["static-erk"] > found["static-uniform"]
    assert found["rigl-2x"] > found["rigl"] > found["static-erk"]
