from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean, geometric_mean
from typing import Any

import pytest
import scipy.stats

from lth_bench.stats import paired_interval, t_interval
from lth_bench.store import Journal, Paths, fold
from lth_bench.store.database import open_safe
from lth_bench.store.glossary import COLUMNS, VIEWS

Make = Callable[..., Any]

FLAT = """experiment_id, suite, strategy, label, params, control, model, dataset, recipe,
source_model, source_dataset, source_recipe, seed, target_density, density, effective_density,
unit_density, test_accuracy, test_loss, val_accuracy, train_accuracy, early_stop_step,
early_stop_accuracy, steps, flops_dense, flops_masked_theoretical, seconds, search_seconds,
status"""
LEADERBOARD = """suite, model, dataset, recipe, source_model, source_dataset, source_recipe,
target_density, strategy, label, control, n, mean, low, high, delta_dense, rank"""


class Database:
    """Rows as dictionaries."""

    def __init__(self, paths: Paths) -> None:
        fold(paths)
        self.con = open_safe(paths)

    def __call__(self, sql: str) -> list[dict[str, Any]]:
        result = self.con.execute(sql)
        names = [column[0] for column in result.description or ()]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Two tasks, four labels, four seeds, three densities, a control; snip fails at one seed."""
    import runpy

    records = runpy.run_path(str(Path(__file__).with_name("records.py")))
    scenario = records["Scenario"](
        tasks=(("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper")),
        strategies=("dense", "imp", "one_shot", "snip"),
        seeds=(0, 1, 2, 5), densities=(0.9, 0.5, 0.2), controls=("reinit",),
        outcomes={("snip", 1): ("failed", "ValueError: boom")},
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("views")
    database = Database(records["write"](folder / "results.duckdb", scenario))
    yield database
    database.con.close()


def single(rows: list[dict[str, Any]]) -> dict[str, Any]:
    (row,) = rows
    return row


# the interface


@pytest.mark.parametrize(
    ("view", "columns"), [("tickets_flat", FLAT), ("leaderboard", LEADERBOARD)]
)
def test_documented_columns_come_first_and_in_order(db: Database, view: str, columns: str) -> None:
    promised = re.split(r",\s+", columns)
    found = [r["column_name"] for r in db(f"DESCRIBE {view}")]
    assert found[: len(promised)] == promised


def test_every_view_and_column_has_a_comment(db: Database) -> None:
    views = {r["view_name"]: r["comment"] for r in db("FROM duckdb_views() WHERE NOT internal")}
    assert views == VIEWS
    columns = db("FROM duckdb_columns() WHERE NOT internal AND table_name NOT IN "
                 "(SELECT table_name FROM duckdb_tables())")  # fmt: skip
    assert [c["column_name"] for c in columns if not c["comment"]] == []
    assert {c["column_name"] for c in columns} == set(COLUMNS)
    assert [t["table_name"] for t in db("FROM duckdb_tables()") if not t["comment"]] == []


def test_the_file_uses_the_older_storage_version(db: Database) -> None:
    version = single(db("SELECT tags FROM duckdb_databases() WHERE database_name = 'results'"))
    assert "v1.0.0" in str(version["tags"])


# leaderboard


def test_the_leaderboard_has_a_row_per_cell_and_counts_every_ticket(db: Database) -> None:
    rows = db("FROM leaderboard")
    assert len(rows) == 2 * (1 + 3 * 3 * 2)
    assert (
        sum(r["planned"] for r in rows) == single(db("SELECT count(*) AS n FROM tickets_flat"))["n"]
    )
    snip = [r for r in rows if r["label"] == "snip"]
    assert {(r["n"], r["planned"], r["failed"], r["skipped"], r["pending"]) for r in snip} == {
        (3, 4, 1, 0, 0)
    }


def test_intervals_are_those_of_stats_and_of_scipy(db: Database) -> None:
    for row in db("FROM leaderboard"):
        where = (
            f"model = '{row['model']}' AND label = '{row['label']}' AND "
            f"control = '{row['control']}' AND target_density = {row['target_density']} "
            "AND status = 'ok'"
        )
        values = {r["seed"]: r["test_accuracy"] for r in db(f"FROM tickets_flat WHERE {where}")}
        own = t_interval(values.values())
        assert (row["n"], row["mean"]) == (own.n, pytest.approx(own.mean, abs=1e-14))
        assert (row["low"], row["high"]) == pytest.approx((own.low, own.high), abs=1e-14)
        theirs = scipy.stats.t.interval(
            0.95, own.n - 1, own.mean, scipy.stats.sem(list(values.values()))
        )
        assert (row["low"], row["high"]) == pytest.approx(theirs, abs=1e-13)
        dense = {
            r["seed"]: r["test_accuracy"]
            for r in db(f"FROM tickets_flat WHERE model = '{row['model']}' AND label = 'dense'")
        }
        delta = paired_interval(values, dense)
        assert row["delta_n"] == delta.n
        assert (row["delta_dense"], row["delta_low"], row["delta_high"]) == pytest.approx(
            (delta.mean, delta.low, delta.high), abs=1e-14
        )


def test_ranks_are_by_mean_within_task_and_density(db: Database) -> None:
    for model in ("mlp", "conv2"):
        for density in (0.5, 0.2):
            rows = db(
                f"FROM leaderboard WHERE model = '{model}' AND target_density = {density} "
                "AND control = 'none' ORDER BY mean DESC"
            )
            assert [r["rank"] for r in rows] == [1, 2, 3]
    assert {r["rank"] for r in db("FROM leaderboard WHERE control <> 'none'")} == {None}


def test_dense_is_its_own_reference(db: Database) -> None:
    rows = db("FROM leaderboard WHERE label = 'dense'")
    assert rows
    for row in rows:
        assert (row["target_density"], row["delta_dense"]) == (1.0, 0.0)
        assert row["flops_ratio"] == pytest.approx(1.0)


def test_cost_counts_search_and_training(db: Database) -> None:
    row = single(
        db("FROM leaderboard WHERE model = 'mlp' AND label = 'imp' AND target_density = 0.2 "
           "AND control = 'none'")
    )  # fmt: skip
    assert (row["steps"], row["search_steps"]) == pytest.approx((1000, 4000))
    assert row["flops_ratio"] == pytest.approx(5.0)
    assert row["flops_masked_ratio"] == pytest.approx(0.2 + 4 * 0.7)
    cost = single(
        db("FROM cost WHERE model = 'mlp' AND label = 'imp' AND target_density = 0.2 "
           "AND control = 'none'")
    )  # fmt: skip
    assert (cost["total_steps"], cost["total_seconds"]) == pytest.approx((5000, 7.5))
    flops = row["flops_dense"]  # trained in float32, searched in eight bits
    bits = flops * 0.2 / 2 * 1024 + 4 * 0.7 * flops / 2 * 64
    assert cost["total_bit_operations"] == pytest.approx(bits)
    assert cost["n"] == 4


def results_of(make_scenario: Make, write: Make, **options: Any) -> Database:
    return Database(write(make_scenario(**options)))


def test_one_seed_has_no_interval(make_scenario: Make, write: Make) -> None:
    db = results_of(make_scenario, write, seeds=(4,))
    for row in db("FROM leaderboard"):
        assert row["n"] == 1
        assert row["mean"] is not None
        assert [row[k] for k in ("low", "high", "delta_low", "delta_high")] == [None] * 4
    assert {r["low"] for r in db("FROM convergence")} == {None}
    assert {r["compatible_density"] for r in db("FROM matching")} == {
        r["matching_density"] for r in db("FROM matching")
    }


def test_all_failed_has_rows_and_no_means(make_scenario: Make, write: Make) -> None:
    labels = ("dense", "imp")
    failed = {(label, seed): ("diverged", "out of bounds") for label in labels for seed in range(3)}
    db = results_of(make_scenario, write, strategies=labels, outcomes=failed)
    rows = db("FROM leaderboard")
    assert {(r["n"], r["mean"], r["rank"], r["delta_dense"]) for r in rows} == {
        (0, None, None, None)
    }
    assert {r["failed"] for r in rows} == {3}
    assert len(db("FROM failures WHERE reason = 'out of bounds'")) == 9
    for view in VIEWS:
        db(f"FROM {view}")


def test_oom_and_timeout_are_pending_and_not_failed(make_scenario: Make, write: Make) -> None:
    owed = {("imp", 0): ("oom", "x"), ("imp", 1): ("timeout", "x"), ("imp", 2): ("failed", "x")}
    db = results_of(make_scenario, write, strategies=("dense", "imp"), outcomes=owed)
    rows = db("FROM leaderboard WHERE label = 'imp'")
    assert {(r["failed"], r["pending"]) for r in rows} == {(1, 2)}


def test_a_plan_without_results_is_pending(make_scenario: Make, write: Make) -> None:
    scenario = make_scenario()
    paths = write()
    with Journal(paths) as journal:
        journal.append(scenario.planned())
    db = Database(paths)
    assert {r["status"] for r in db("FROM tickets_flat")} == {"planned"}
    assert {(r["pending"], r["n"]) for r in db("FROM leaderboard")} == {(3, 0)}
    assert db("FROM failures") == []


def test_an_empty_journal_has_empty_views(write: Make) -> None:
    db = Database(write())
    for view in VIEWS:
        assert db(f"FROM {view}") == []


def test_controls_of_a_skipped_density_are_skipped(make_scenario: Make, write: Make) -> None:
    scenario = make_scenario(strategies=("imp",), seeds=(0,), controls=("reinit",))
    paths = write(scenario)
    ticket = next(r for r, _ in Journal(paths).read() if r.get("target_density") == 0.2)
    lines = [
        x for x in paths.journal.read_bytes().splitlines(True) if b'"target_density":0.2' not in x
    ]
    paths.journal.write_bytes(b"".join(lines))
    with Journal(paths) as journal:
        journal.append(
            {**ticket, "control": "none", "status": "skipped", "reason": "excluded", "metrics": {},
             "layers": [], "trainings": [], "density": None, "curve": []}
        )  # fmt: skip
    db = Database(paths)
    rows = db("FROM tickets_flat WHERE target_density = 0.2")
    assert [(r["status"], r["reason"]) for r in rows] == [("skipped", "excluded")] * 2
    assert {r["status"] for r in db("FROM tickets_flat WHERE target_density = 0.5")} == {"ok"}


def test_interrupted_is_pending_and_not_failed(make_scenario: Make, write: Make) -> None:
    db = results_of(
        make_scenario, write, strategies=("imp",), seeds=(0,), densities=(0.5,),
        outcomes={("imp", 0): ("interrupted", "the run was interrupted")},
    )  # fmt: skip
    row = single(db("FROM leaderboard"))
    assert (row["pending"], row["failed"]) == (1, 0)


# the other views


def test_paired_differences_are_by_seed(db: Database) -> None:
    accuracy = {
        (r["experiment_id"], r["target_density"], r["control"]): r["test_accuracy"]
        for r in db("FROM tickets_flat WHERE status = 'ok'")
    }
    dense = {
        (r["model"], r["seed"]): r["test_accuracy"]
        for r in db("FROM tickets_flat WHERE strategy = 'dense'")
    }
    rows = db("FROM paired")
    assert {r["versus"] for r in rows} == {"dense", "ticket"}
    for r in rows:
        own = accuracy[r["experiment_id"], r["target_density"], r["control"]]
        other = (
            dense[r["model"], r["seed"]]
            if r["versus"] == "dense"
            else accuracy[r["experiment_id"], r["target_density"], "none"]
        )
        assert r["difference"] == pytest.approx(own - other, abs=1e-15)
    assert {r["control"] for r in rows if r["versus"] == "ticket"} == {"reinit"}


def test_paired_also_compares_with_the_suite_s_baseline(make_scenario: Make, write: Make) -> None:
    scenario = make_scenario()
    run = {**scenario.run(), "baseline": "one_shot"}
    paths = write(scenario)
    with Journal(paths) as journal:
        journal.append(run)
    rows = Database(paths)("FROM paired WHERE versus = 'baseline'")
    assert {r["label"] for r in rows} == {"imp", "snip"}
    assert len(rows) == 2 * 2 * 3


def test_of_several_dense_labels_the_one_named_dense_is_the_baseline(
    make_scenario: Make, write: Make
) -> None:
    scenario = make_scenario(strategies=("dense", "imp"))
    paths = write(scenario)
    twin = [
        {**e, "label": "a_dense", "experiment_id": f"twin{e['seed']}", "config_id": "twin"}
        for e in scenario.experiments()
        if e["strategy"] == "dense"
    ]
    # also where the label `dense` has no result: differences mix no two networks
    twin.append({**twin[0], "seed": 99, "experiment_id": "twin99"})
    with Journal(paths) as journal:
        journal.append({**scenario.run(), "baseline": "a_dense"})
        journal.append({"record": "planned", "run_id": "r", "experiments": twin})
        for e in twin:
            for record in scenario.results({**e, "label": "random", "densities": [1.0]}):
                journal.append(record)
    db = Database(paths)
    assert {r["experiment_id"] for r in db("FROM dense_runs")} == {
        e["experiment_id"] for e in scenario.experiments() if e["label"] == "dense"
    }
    assert single(db("FROM leaderboard WHERE label = 'dense'"))["delta_dense"] == 0
    assert {r["label"] for r in db("FROM paired WHERE versus = 'dense'")} == {"imp", "a_dense"}
    pairs = db("FROM paired WHERE versus = 'baseline'")
    assert {r["label"] for r in pairs} == {"imp", "dense"}
    assert {r["target_density"] for r in pairs if r["label"] == "imp"} == {0.5, 0.2}


def test_matching_is_the_sparsest_not_worse(make_scenario: Make, write: Make) -> None:
    db = results_of(make_scenario, write, densities=(0.9, 0.5, 0.1))
    for row in db("FROM matching"):
        cells = db(f"FROM leaderboard WHERE label = '{row['label']}' AND control = 'none'")
        fine = [c["target_density"] for c in cells if c["delta_dense"] >= 0]
        near = [c["target_density"] for c in cells if c["delta_high"] >= 0]
        assert row["matching_density"] == min(fine, default=None)
        assert row["compatible_density"] == min(near, default=None)


def test_convergence_compares_with_dense_and_own_ticket(db: Database) -> None:
    row = single(
        db("FROM convergence WHERE model = 'mlp' AND label = 'imp' AND target_density = 0.2 "
           "AND control = 'reinit'")
    )  # fmt: skip
    tickets = db(
        "FROM tickets_flat WHERE model = 'mlp' AND label IN ('imp', 'dense') "
        "AND (target_density = 0.2 OR label = 'dense')"
    )
    steps = {
        kind: [r["early_stop_step"] for r in tickets if (r["label"], r["control"]) == kind]
        for kind in (("imp", "none"), ("imp", "reinit"), ("dense", "none"))
    }
    # all kinds have the same seeds, so that the mean of ratios is the ratio of means
    mean = {kind: geometric_mean(x) for kind, x in steps.items()}
    assert row["early_stop_step"] == pytest.approx(fmean(steps["imp", "reinit"]))
    assert row["step_ratio_ticket"] == pytest.approx(mean["imp", "reinit"] / mean["imp", "none"])
    assert row["step_ratio_dense"] == pytest.approx(mean["imp", "reinit"] / mean["dense", "none"])
    own = t_interval(steps["imp", "reinit"])
    assert (row["low"], row["high"]) == pytest.approx((own.low, own.high))


@pytest.mark.parametrize(
    ("flag", "cost"), [("on_density_front", "density"), ("on_cost_front", "flops_masked_ratio")]
)
def test_no_point_dominates_the_front(db: Database, flag: str, cost: str) -> None:
    for model in ("mlp", "conv2"):
        rows = db(f"""
            SELECT p.*, l.failed FROM pareto p
            JOIN leaderboard l USING (model, label, target_density)
            WHERE p.model = '{model}' AND l.control = 'none'
        """)
        assert any(row["failed"] for row in rows) or model != "mlp"
        for row in rows:  # seeds add up to other last bits
            row.update({"mean": round(row["mean"], 12), cost: round(row[cost], 12)})
        for a in rows:
            beaten = any(
                b["mean"] >= a["mean"] and b[cost] <= a[cost]
                and (b["mean"] > a["mean"] or b[cost] < a[cost])
                for b in rows if not b["failed"]
            )  # fmt: skip
            # a seed that was lost is no result to boast of, nor one to keep others off the front
            assert a[flag] is (not beaten and not a["failed"])


def test_nan_and_infinity_are_left_out_of_means(make_scenario: Make, write: Make) -> None:
    paths = write(make_scenario(strategies=("dense",), seeds=(0, 1)))
    ticket = next(r for r, _ in Journal(paths).read() if r["record"] == "ticket")
    with Journal(paths) as journal:
        journal.append({**ticket, "metrics": {"test_accuracy": math.nan}})
    row = single(Database(paths)("FROM leaderboard"))
    assert row["n"] == 1
    assert math.isfinite(row["mean"])


def test_sharing_counts_requested_and_run_trainings_by_hand(db: Database) -> None:
    rows = db(
        """SELECT e.suite, (e.label, e.model, e.dataset, e.recipe, e.seed) AS chain, k.key,
                  t.steps, k.reused
           FROM tickets i JOIN experiments e USING (experiment_id)
           JOIN ticket_trainings k USING (ticket_id) JOIN trainings t USING (key)"""
    )
    asked = {(str(r["chain"]), r["key"]): r["steps"] for r in rows}
    run = {r["key"]: r["steps"] for r in rows if not r["reused"]}
    found = single(db("FROM sharing"))
    assert found["suite"] == rows[0]["suite"]
    assert (found["trainings_asked"], found["steps_asked"]) == (len(asked), sum(asked.values()))
    assert (found["trainings_run"], found["steps_run"]) == (len(run), sum(run.values()))
    assert found["steps_share"] == pytest.approx(sum(run.values()) / sum(asked.values()))
    assert 0 < found["trainings_run"] < found["trainings_asked"]


def test_the_devices_view_counts_trainings_of_each_device(make_scenario: Make, write: Make) -> None:
    """Seconds, throughput and peak memory by run and device, without trainings that were found."""
    paths = write()
    scenario = make_scenario(strategies=("dense", "one_shot"), seeds=(0, 1))
    used: dict[str, list[dict[str, Any]]] = {"cuda:0": [], "cuda:1": []}
    with Journal(paths) as journal:
        for record in scenario.records():
            if record["record"] == "run":
                record["environment"]["host"] = "rig"
            if record["record"] == "ticket":
                odd = record["trainings"][-1]["key"] > "8"
                for training in record["trainings"]:
                    device = "cuda:1" if odd else "cuda:0"
                    memory = 3_000_000 if odd else 1_000_000 + len(used[device])
                    about = {"device": device, "device_name": "NVIDIA X", "peak_memory": memory}
                    training.update(about)
                    if not training["reused"]:
                        used[device].append(training)
            journal.append(record)
    rows = {r["worker"]: r for r in Database(paths)("FROM devices")}
    assert set(rows) == {device for device, trainings in used.items() if trainings}
    assert used["cuda:0"] or used["cuda:1"]
    for device, row in rows.items():
        trained = {t["key"]: t for t in used[device]}.values()
        steps, seconds = sum(t["steps"] for t in trained), sum(t["seconds"] for t in trained)
        assert (row["run_id"], row["suite"], row["host"]) == ("run-1", scenario.suite, "rig")
        assert (row["device"], row["cohort_size"]) == ("NVIDIA X", 1)
        assert (row["trainings_run"], row["steps_run"]) == (len(trained), steps)
        assert row["seconds_run"] == pytest.approx(seconds)
        assert row["model_steps_per_second"] == pytest.approx(steps / seconds)
        assert row["peak_memory"] == max(t["peak_memory"] for t in used[device])
