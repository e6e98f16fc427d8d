"""The instability of the dense network from a step on, from the suite to the report."""

from __future__ import annotations

import pytest

import lth_bench
from lth_bench.analysis.evidence import barriers
from lth_bench.store.reading import reading

SUITE = """
schema_version = 1
[suite]
name = "stable"
densities = [0.5]
seeds = 2
controls = ["reorder"]
[recipes.short]
batch_size = 60
lr = 0.1
steps = 24
val_size = 97
eval_every = 12
[[tasks]]
model = { name = "mlp", hidden = [20] }
dataset = "digits"
recipe = "short"
[[strategies]]
use = "late_rewind"
params = { prune_rate = 0.5, rewind_step = 12 }
[[strategies]]
use = "dense_rewind"
label = "dense-at-0"
params = { rewind_step = 0 }
[[strategies]]
use = "dense_rewind"
label = "dense-at-12"
params = { rewind_step = 12 }
"""
CONTROLS = ("none", "reorder")


@pytest.mark.slow
def test_barriers_of_the_dense_network_stand_beside_the_tickets(tmp_path):
    (tmp_path / "a.toml").write_text(SUITE)
    results = tmp_path / "results.duckdb"
    summary = lth_bench.run(tmp_path / "a.toml", results, "cpu", workers=1, cohort_size=1)
    assert summary.exit_code == 0
    found = lth_bench.results(results)
    rows = found.tickets(status="ok").sort_values(["label", "control", "seed"])
    counts = rows.groupby(["label", "control"]).size().to_dict()
    both = {
        (label, c): 2 for label in ("dense-at-0", "dense-at-12", "late_rewind") for c in CONTROLS
    }
    assert counts == {("dense", "none"): 2, **both}
    twelve = rows[rows.label == "dense-at-12"].set_index("control")
    assert set(twelve.density) == set(twelve.target_density) == {1.0}
    assert set(twelve.steps) == {12}
    assert set(twelve.loc["none"].search_steps) == {12}
    assert set(twelve.loc["reorder"].search_steps) == {0}
    # from step 0 on, and in the seed's own order, it is the dense run
    accuracy = rows[rows.control == "none"].set_index(["label", "seed"]).test_accuracy
    assert accuracy["dense-at-0"].to_dict() == accuracy["dense"].to_dict()
    runs = found.sql("SELECT DISTINCT steps FROM dense_runs").steps
    assert runs.tolist() == [24]
    with reading(results, print) as con:
        (points,) = barriers(con).values()
    errors = [p for p in points if p.metric == "barrier_test_error"]
    assert {(p.name, p.target_density, p.rewind_step, p.n) for p in errors} == {
        ("dense-at-0", 1.0, 0.0, 2), ("dense-at-12", 1.0, 12.0, 2), ("late_rewind", 0.5, 12.0, 2),
    }  # fmt: skip
    recorded = found.sql(
        "SELECT e.label, m.metric, avg(m.value) AS mean FROM metrics m JOIN tickets t "
        "USING (ticket_id) JOIN experiments e USING (experiment_id) GROUP BY ALL"
    ).pivot(index="metric", columns="label", values="mean")
    assert {p.name: p.mean for p in errors} == pytest.approx(
        recorded.loc["barrier_test_error"].dropna().to_dict()
    )
    assert (recorded.loc["copies_distance"].dropna() > 0.01).sum() == 3
    # it matches the dense run trivially, and so nothing
    labels = found.sql("SELECT DISTINCT label FROM matching").label
    assert labels.tolist() == ["late_rewind"]


@pytest.mark.parametrize("value", ["24", "100"])
def test_the_step_is_within_the_training(tmp_path, value):
    (tmp_path / "a.toml").write_text(SUITE.replace("rewind_step = 0", f"rewind_step = {value}"))
    with pytest.raises(lth_bench.UserError, match="rewind_step must be before the end of training"):
        lth_bench.run(tmp_path / "a.toml", tmp_path / "results.duckdb", "cpu", workers=1)
