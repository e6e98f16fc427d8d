"""Ablations in a run: side by side in cohorts, in the results, and found again."""

from __future__ import annotations

import pytest
import torch

import lth_bench
from lth_bench.analysis.boards import metric
from lth_bench.analysis.boards.baseline import baselines
from lth_bench.analysis.boards.scope import resolve
from lth_bench.interchange.overlap import overlaps
from lth_bench.store.reading import reading

SUITE = """
schema_version = 1
[suite]
name = "ablated"
densities = [0.3]
seeds = 2
ablations = ["random_labels", "half_data"]
[recipes.short]
batch_size = 100
steps = 12
val_size = 97
eval_every = 12
dtype = "float64"
[[tasks]]
model = { name = "mlp", hidden = [16] }
dataset = "digits"
recipe = "short"
[[strategies]]
use = "one_shot"
[[strategies]]
use = "snip"
ablations = ["scratch_e", "equal_cost", "other_order"]
compared_to = "imp"
[[strategies]]
use = "imp"
params = { prune_rate = 0.7 }
ablations = []
[[strategies]]
use = "dense"
ablations = ["equal_cost"]
compared_to = "imp"
"""


@pytest.fixture(scope="module", params=[4, pytest.param(1, marks=pytest.mark.slow)])
def results(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablated")
    (folder / "a.toml").write_text(SUITE)
    found = folder / "results.duckdb"
    size = request.param
    summary = lth_bench.run(folder / "a.toml", found, "cpu", workers=1, cohort_size=size)
    assert summary.exit_code == 0
    return folder, lth_bench.results(found)


def test_tickets_of_ablations_are_rows_with_their_own_cost(results):
    rows = results[1].tickets()
    steps = {row.label: (row.status, row.steps, row.search_steps) for row in rows.itertuples()}
    assert steps == {
        "dense": ("ok", 12, 0),
        "dense-equal_cost": ("ok", 24, 0),
        "imp": ("ok", 12, 12),
        "one_shot": ("ok", 12, 12),
        "one_shot-random_labels": ("ok", 12, 12),
        "one_shot-half_data": ("ok", 12, 12),
        "snip": ("ok", 12, 0),
        "snip-scratch_e": ("ok", 12, 0),
        "snip-equal_cost": ("ok", 24, 0),
        "snip-other_order": ("ok", 12, 0),
    }


def test_a_longer_dense_network_is_compared_with_the_dense_run_and_is_no_baseline(results):
    folder, found = results
    assert found.sql("SELECT DISTINCT steps FROM dense_runs").steps.tolist() == [12]
    pairs = found.sql(
        "SELECT label, versus, count(*) AS n FROM paired WHERE strategy = 'dense' GROUP BY ALL"
    )
    assert pairs.values.tolist() == [["dense-equal_cost", "dense", 2]]
    board = found.sql(
        "SELECT label, delta_n, delta_dense FROM leaderboard WHERE strategy = 'dense'"
    )
    rows = board.set_index("label")
    assert rows.delta_n.to_dict() == {"dense": 2, "dense-equal_cost": 2}
    assert rows.delta_dense["dense"] == 0
    with reading(folder / "results.duckdb", print) as con:
        scope = resolve(con)
        known = baselines(con, scope)
        found = metric.rows(con, scope, known, 0.005)
        assert {r["label"] for r in found if known.has(r)} == {"dense"}
        # asked for, it is compared with at every density
        known = baselines(con, scope, "dense-equal_cost")
        rows = {r["label"]: r for r in metric.rows(con, scope, known, 0.005)}
        assert known.has(rows["dense-equal_cost"]) and not known.has(rows["dense"])
        assert {rows[label]["difference_n"] for label in ("imp", "snip", "dense")} == {2}
        longer = rows["dense-equal_cost"]["mean"]
        assert rows["imp"]["difference"] == pytest.approx(rows["imp"]["mean"] - longer)


def test_a_ticket_of_an_ablation_can_be_taken_home(results):
    folder, found = results
    for label in ("one_shot-random_labels", "snip-scratch_e"):
        rows = found.tickets(label=label)
        ticket = lth_bench.load_ticket(folder / "results.duckdb", rows.ticket_id[0])
        assert ticket.start.step == 0
    first = lth_bench.load_ticket(
        folder / "results.duckdb", found.tickets(label="snip").ticket_id[0]
    )
    assert not torch.equal(ticket.start.weights["fc1"], first.start.weights["fc1"])


def test_masks_of_two_orders_can_be_compared(results):
    """From the same initial values: SNIP's mask depends on the batch, but on these more."""
    folder, _ = results
    board = overlaps(folder / "results.duckdb", ("snip", "none"), ("snip-other_order", "none"))
    row = board.rows[0]
    assert (row["initial_values"], row["pairs"]) == ("shared", 2)
    assert row["chance"] < row["overlap"] < 1
