"""Why an experiment was trained or reused, from databases made for the purpose."""

from __future__ import annotations

import dataclasses
import runpy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lth_bench.cli.app import app
from lth_bench.cli.why import worded
from lth_bench.lottery.experiment import Experiment
from lth_bench.maintenance.why import PARTS, changes, why
from lth_bench.store import Journal, Paths, fold, reading

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))


def scenario(run: str, **changes: Any) -> Any:
    """IMP at one seed, as a run planned and trained it."""
    return RECORDS["Scenario"](strategies=("dense", "imp"), seeds=(0,), run_id=run, **changes)


@pytest.fixture
def twice(tmp_path: Path) -> Paths:
    """Two runs: the strategies' source was edited between them."""
    first = scenario("run-1", source_hash="before")
    second = scenario("run-2", source_hash="after")
    paths: Paths = RECORDS["write"](tmp_path / "results.duckdb", first, second)
    fold(paths)
    return paths


def identity(s: Any, label: str = "imp") -> str:
    return str(next(e["experiment_id"] for e in s.experiments() if e["label"] == label))


def ask(paths: Paths, which: str, source: str | None) -> dict[str, Any]:
    with reading(paths.results) as con:
        return why(con, which, paths.artifacts, lambda name: source)


def test_changes_since_the_previous_experiment_are_listed(twice: Paths) -> None:
    new = identity(scenario("run-2", source_hash="after"))
    found = ask(twice, new, "after")
    assert found["current"]
    assert found["earlier"]["experiment_id"] == identity(scenario("run-1", source_hash="before"))
    assert found["earlier"]["changed"] == ["source of the strategy: before → after"]
    assert found["now"].startswith("reused: it is finished")
    assert found["ended_by"]["run_id"] == "run-2"
    text = worded(found)
    assert "the first version of this experiment" not in text
    assert new in text


def test_a_replaced_experiment_names_its_successor(twice: Paths) -> None:
    old = identity(scenario("run-1", source_hash="before"))
    found = ask(twice, old[:12], "before")
    assert not found["current"]
    assert found["later"]["experiment_id"] == identity(scenario("run-2", source_hash="after"))
    assert found["earlier"] is None
    assert found["now"].startswith("nothing: the suite has changed since")
    assert "replaced  by" in worded(found)
    assert "it is the first version of this experiment" in worded(found)


def test_an_edited_source_is_noticed(twice: Paths) -> None:
    new = identity(scenario("run-2", source_hash="after"))
    found = ask(twice, new, "edited again")
    assert "source has changed since" in found["now"]
    assert any("edited again" in note for note in found["notes"])
    assert any("not installed" in note for note in ask(twice, new, None)["notes"])


def test_a_failed_experiment_says_how_to_run_it_again(tmp_path: Path) -> None:
    bad = scenario("run-1", outcomes={("imp", 0): ("failed", "out of luck")})
    paths = RECORDS["write"](tmp_path / "results.duckdb", bad)
    found = ask(paths, identity(bad), "abc")
    assert "--retry failed" in found["now"]
    assert "failed: out of luck" in worded(found)


def test_reused_and_own_trainings(twice: Paths) -> None:
    found = ask(twice, identity(scenario("run-2", source_hash="after")), "after")
    assert found["trainings"]
    assert all(t["trained_here"] or t["trained_by"] or t["run_id"] is None
               for t in found["trainings"])  # fmt: skip
    assert not any(t["kept"] for t in found["trainings"])
    assert any("no longer on disk" in note for note in found["notes"])
    key = "a" * 40
    records = list(scenario("run-2", source_hash="after").records())
    for record in records:
        for use in record.get("trainings", ()):
            use["key"] = key
    with Journal(twice) as journal:
        for record in records:
            journal.append(record)
    (twice.artifacts / "trainings" / key).mkdir(parents=True)
    (twice.artifacts / "trainings" / key / "training.json").touch()
    again = ask(twice, identity(scenario("run-2", source_hash="after")), "after")
    assert again["trainings"][0]["kept"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"source_hash": "a"}, {"source_hash": "b"}, "source of the strategy: a → b"),
        ({"params": {"rate": {"conv": 0.1}}}, {"params": {"rate": {"conv": 0.2}}},
         "parameter rate.conv: 0.1 → 0.2"),
        ({"params": {}}, {"params": {"rate": 0.2}}, "parameter rate: the default → 0.2"),
        ({"recipe": {"lr": 0.1}}, {"recipe": {"lr": 0.2}}, "recipe lr: 0.1 → 0.2"),
        ({"model": {"name": "mlp", "params": {"hidden": [3]}}},
         {"model": {"name": "mlp", "params": {"hidden": [4]}}}, "model hidden: [3] → [4]"),
        ({"dataset": {"name": "a"}}, {"dataset": {"name": "b"}}, "dataset name: a → b"),
        ({"densities": [0.5]}, {"densities": [0.5, 0.2]}, "densities: [0.5] → [0.5, 0.2]"),
        ({"ablation": {"name": "equal_cost", "steps": 80}},
         {"ablation": {"name": "equal_cost", "steps": 90}}, "ablation steps: 80 → 90"),
        ({}, {"objective": {"name": "focal", "params": {}}},
         "objective: the default → {\"name\": \"focal\", \"params\": {}}"),
        ({"recipe": {}}, {"recipe": {}}, "source of the model or the dataset: earlier → current"),
    ],
)  # fmt: skip
def test_the_text_of_each_difference(before: Any, after: Any, said: str) -> None:
    assert [str(change) for change in changes(before, after)] == [said]


def test_whatever_decides_an_experiment_is_explained() -> None:
    """Every field of an experiment is a part of its identity, or known not to be one."""
    fields = {field.name for field in dataclasses.fields(Experiment)}
    names = {"experiment_id", "config_id", "suite", "label", "model_label", "dataset_label",
             "recipe_name", "seed"}  # fmt: skip
    follow = {"iterative", "plugin_version", "dense_checkpoints", "tuned_from", "parameters",
              "prunable", "not_prunable", "start", "metric", "metric_unit",
              "higher_is_better", "beside_dense"}  # fmt: skip
    assert fields - names - follow == {*PARTS}


def test_the_command_explains_an_experiment(twice: Paths) -> None:
    new = identity(scenario("run-2", source_hash="after"))
    done = CliRunner().invoke(app, ["why", new, "--results", str(twice.results), "--no-plugins"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"{new}: imp on mlp · digits · mlp, seed 0, suite quickstart")
    assert "the strategy's source has changed since" in done.output
