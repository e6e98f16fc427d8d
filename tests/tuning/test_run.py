"""Whole tunings, their experiments trained in this process."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace

import pytest
import torch
from thoroughness import some

from lth_bench.data.digits import Digits
from lth_bench.errors import UserError
from lth_bench.running.following import follow
from lth_bench.running.progress import (
    Note,
    RunEnded,
    Straggling,
    TrialEnded,
    TuningStarted,
    WorkersUsed,
)
from lth_bench.stats.curve import area, matching_density
from lth_bench.store.paths import Paths

TUNE = """
[tune]
budget = { trials = 3 }
seeds = 2
batch = 2
"""


def records(results, kind):
    lines = Paths(results).journal.read_text().splitlines()
    return [r for r in map(json.loads, lines) if r["record"] == kind]


def found(results):
    """(study, number) → parameters and values of the trials in the journal."""
    return {
        (r["study"], r["number"]): (r["params"], r["values"], r["steps"], r["experiment_ids"])
        for r in records(results, "trial")
    }


def planned(results):
    return [e for r in records(results, "planned") for e in r["experiments"]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Where a test keeps a finished tuning for the others."""
    return tmp_path_factory.mktemp("whole") / "r.duckdb"


@pytest.fixture
def finished(whole, read, tune, inline):
    """Of the tuning that tests share: read it, don't change it."""
    if not whole.exists():
        tune(read(TUNE), whole)
        inline.clear()  # whichever test comes first
    return whole


@pytest.fixture
def own(finished, tmp_path):
    """A test's own copy of it."""
    for suffix in (".duckdb", ".journal.jsonl", ".tuning.log"):
        shutil.copy(finished.with_suffix(suffix), tmp_path / f"own{suffix}")
    return tmp_path / "own.duckdb"


def test_every_study_spends_the_same_budget(finished):
    trials = records(finished, "trial")
    assert Counter(r["label"] for r in trials) == {"imp": 3, "snip": 3}
    assert {r["state"] for r in trials} == {"complete"}
    first = [r for r in trials if r["number"] == 0]
    assert [(r["label"], r["origin"], r["params"]) for r in first] == [
        ("imp", "default", {"prune_rate": 0.6}),
        ("snip", "default", {"batch_size": 128}),
    ]


def test_it_can_be_followed(finished):
    """One that has ended is told of at once, by what the journal has of its studies."""
    heard = []
    run = follow(Paths(finished), heard.append, sleep=lambda _: pytest.fail("it waits"))
    start, *between, end = heard
    # how busy the workers were; on a loaded machine a note, or an experiment that took long
    assert {type(event) for event in between} <= {WorkersUsed, Straggling, Note}
    assert isinstance(start, TuningStarted) and end == RunEnded()
    assert "2 studies of 3 trials" in start.opening
    assert {s.name: (s.done, s.total) for s in start.studies} == {
        "imp mlp(hidden=[12])/digits/short": (3, 3),
        "snip mlp(hidden=[12])/digits/short": (3, 3),
    }
    assert all(s.best.startswith("best 0.") for s in start.studies)
    assert (run.state, run.finished, run.failed, run.left) == ("complete", 6, 0, 0)


def test_trials_are_experiments_on_tuning_s_own_seeds(finished):
    experiments = {e["experiment_id"]: e for e in planned(finished)}
    for trial in records(finished, "trial"):
        mine = [experiments[i] for i in trial["experiment_ids"]]
        assert {e["seed"] for e in mine} == {1000, 1001}
        assert {e["scored_on"] for e in mine} == {"validation"}
        assert {e["label"].partition("#")[0] for e in mine} == {trial["label"]}
    assert len(experiments) == len(planned(finished))  # none is planned twice


def test_tickets_of_tuning_have_no_test_metrics(finished):
    metrics = [set(r["metrics"]) for r in records(finished, "ticket")]
    assert metrics
    assert not any(
        name for names in metrics for name in names if name.startswith(("test", "train"))
    )
    assert not any("early_stop_accuracy" in names for names in metrics)


def test_the_value_is_the_mean_accuracy_on_validation(finished):
    tickets = {}
    for r in records(finished, "ticket"):
        if r["reported"]:
            tickets.setdefault(r["experiment_id"], []).append(r)
    for trial in records(finished, "trial"):
        mine = [t for i in trial["experiment_ids"] for t in tickets[i]]
        accuracies = [t["metrics"]["val_accuracy"] for t in mine]
        assert len(accuracies) == 4  # two seeds, two densities
        assert trial["values"] == [pytest.approx(sum(accuracies) / 4)]
        assert trial["intermediate"][-1] == [4, pytest.approx(trial["values"][0])]


def test_the_cost_of_a_trial_is_counted_without_sharing(finished):
    trials = {r["label"]: r for r in records(finished, "trial") if r["number"] == 0}
    # two seeds, two densities, 12 steps each, and no dense run
    assert trials["snip"]["steps"] == 2 * 2 * 12
    # two seeds: the dense run and three rounds at a rate of 0.6 to 0.1 left
    assert trials["imp"]["steps"] == 2 * 4 * 12


def test_dense_runs_are_trained_once(finished):
    dense = [e for e in planned(finished) if e["strategy"] == "dense"]
    assert sorted(e["seed"] for e in dense) == [1000, 1001]
    spent = sum(r["cost"]["spent_steps"] for r in records(finished, "ticket"))
    alone = sum(r["steps"] for r in records(finished, "trial"))
    assert spent < alone


def test_a_rerun_has_nothing_to_do(own, read, tune, inline):
    before = found(own)
    summary = tune(read(TUNE), own)
    assert summary.ended == {}
    assert inline == []
    assert found(own) == before


def test_the_test_split_changes_nothing(finished, read, tune, tmp_path, monkeypatch):
    load = Digits.load

    def poisoned(self, root):
        arrays = load(self, root)
        noise = torch.full_like(arrays.test_x, 255)
        other = replace(arrays, test_x=noise, test_y=(arrays.test_y + 3) % 10)
        # by its name, which the choice of the validation split hangs on, it is the same data set
        object.__setattr__(other, "_fingerprint", arrays.fingerprint())
        return other

    monkeypatch.setattr(Digits, "load", poisoned)
    other = tmp_path / "poisoned.duckdb"
    tune(read(TUNE), other)
    strip = {k: v[:3] for k, v in found(finished).items()}
    assert {k: v[:3] for k, v in found(other).items()} == strip


class Killed(Exception):
    pass


class Impatient:
    """Kills the run after some trials."""

    def __init__(self, after):
        self.after, self.told = after, []

    def __call__(self, event):
        if not isinstance(event, TrialEnded):
            return
        self.told.append(event)
        if len(self.told) == self.after:
            raise Killed


@pytest.mark.parametrize("after", some([4, 1]))
def test_a_killed_search_resumes_with_the_same_results(
    finished, read, tune, tmp_path, after, inline
):
    results = tmp_path / "killed.duckdb"
    with pytest.raises(Killed):
        tune(read(TUNE), results, progress=Impatient(after))
    done = {r["experiment_id"] for r in records(results, "experiment")}
    inline.clear()
    summary = tune(read(TUNE), results)
    assert sum(summary.ended.values()) >= 6 - after
    assert done.isdisjoint(e.experiment_id for e in inline)
    assert found(results) == found(finished)


@pytest.mark.slow
def test_a_larger_budget_only_adds(finished, own, read, tune):
    summary = tune(read(TUNE, "tune.budget.trials=4"), own)
    assert summary.ended == {"complete": 2}
    assert found(finished).items() <= found(own).items()


def test_another_study_under_the_same_name(own, read, tune, inline):
    with pytest.raises(UserError, match=r"recipe.lr 0.005 instead of 0.01.*--restart"):
        tune(read(TUNE, "recipes.short.lr=0.01"), own)
    assert inline == []


def test_restart_starts_again_and_reuses_trainings(own, read, tune, inline):
    summary = tune(read(TUNE), own, restart=True)
    assert summary.ended == {"complete": 6}
    assert inline == []  # every experiment is in the journal


@pytest.mark.slow
def test_a_pruned_trial_leaves_its_other_seeds_alone(read, tune, tmp_path):
    text = (
        "\n[tune]\nbudget = { trials = 8 }\nseeds = 3\npruner = 'halving'\nstrategies = ['snip']\n"
    )
    results = tmp_path / "r.duckdb"
    tune(read(text), results)
    trials = records(results, "trial")
    pruned = [r for r in trials if r["state"] == "pruned"]
    assert pruned
    assert [r["state"] for r in trials if r["number"] == 0] == ["complete"]
    for trial in trials:
        seeds = len(trial["experiment_ids"]) / 2  # one experiment a density
        assert len(trial["intermediate"]) == 2 * seeds
        assert (seeds < 3) == (trial["state"] == "pruned")
        assert trial["steps"] == 2 * 12 * seeds


@pytest.mark.parametrize(
    ("objective", "label"),
    some(
        [
            ("'area'", "snip"),
            ("['accuracy', 'density']", "imp"),
            ("'matching'", "snip"),
            ("['accuracy', 'density']", "snip"),
            ("['accuracy', 'cost']", "imp"),
        ],
        2,
    ),
)
def test_objectives(read, tune, tmp_path, objective, label):
    text = f"\n[tune]\nbudget = {{ trials = 2 }}\nseeds = 1\nobjective = {objective}\n"
    text += f"strategies = ['{label}']\n"
    results = tmp_path / "r.duckdb"
    tune(read(text), results)
    trials = records(results, "trial")
    assert [r["state"] for r in trials] == ["complete"] * 2
    for r in trials:
        assert len(r["values"]) == len(r["objectives"]) == len(r["directions"])
        if r["objectives"][-1] == "density":
            assert r["values"][1] == r["params"]["task.density"]
        elif r["objectives"][-1] == "cost":
            # the dense run, and a round or more, over the dense run
            assert r["values"][1] >= 2
        else:
            assert 0 < r["values"][0] <= 1


@pytest.mark.slow
def test_a_tuned_recipe_trains_each_trial_with_its_own(read, tune, tmp_path):
    text = (
        "\n[tune]\nbudget = { trials = 3 }\nseeds = 1\nstrategies = ['snip']\n"
        "[tune.recipe]\nlr = { low = 1e-3, high = 1e-2, log = true }\n"
        "[tune.space.snip]\nbatch_size = true\n"
    )
    results = tmp_path / "r.duckdb"
    tune(read(text), results)
    experiments = {e["experiment_id"]: e for e in planned(results)}
    for trial in records(results, "trial"):
        mine = [experiments[i] for i in trial["experiment_ids"]]
        assert trial["recipe"] == "short"
        rates = {e["config"]["recipe"]["lr"] for e in mine}
        assert rates == {trial["params"]["recipe.lr"]}
        assert {e["recipe"] == "short" for e in mine} == {trial["number"] == 0}


FAILING = '''
from dataclasses import dataclass
from typing import Annotated, Literal
from lth_bench import Mask, Range, Ticket, hookimpl


@dataclass(frozen=True, eq=False)
class Moody:
    """Raises where it is told to."""

    mood: Literal["good", "bad"] = "bad"

    @hookimpl
    def select_mask(self, ticket: Ticket) -> Mask:
        if self.mood == "bad":
            raise RuntimeError("not today")
        return Mask.top_k(abs(ticket.initial.weights), ticket.target_count)
'''


def test_a_failed_trial_has_its_reason_and_the_search_continues(read, tmp_path, inline):
    from lth_bench.plugins import load_registry
    from lth_bench.running.request import Execution, RunRequest, SuiteSelection
    from lth_bench.tuning.run import tune_suite

    from .conftest import SUITE, Quiet

    file = tmp_path / "moody.py"
    file.write_text(FAILING)
    suite = read(
        "\n[tune]\nbudget = { trials = 4 }\nseeds = 1\nstrategies = ['moody']\n",
        text=SUITE.replace('use = "snip"', 'use = "moody"'),
    )
    results = tmp_path / "r.duckdb"
    request = RunRequest(
        selection=SuiteSelection(suite=suite.path, plugins=(file,)),
        execution=Execution(results=results, device="cpu", workers=1),
    )
    summary = tune_suite(suite, load_registry((file,)), request, emit=Quiet())
    trials = records(results, "trial")
    (first,) = (r for r in trials if r["number"] == 0)
    assert first["state"] == "failed"
    assert "not today" in first["reason"]
    assert {r["state"] for r in trials if r["params"] == {"mood": "good"}} == {"complete"}
    assert summary.exit_code == 1


@pytest.mark.parametrize(("objective", "label"), some([("area", "imp"), ("matching", "snip")]))
def test_every_trial_is_compared_with_the_suite_s_own_dense_run(
    read, tune, tmp_path, objective, label
):
    """Whatever recipe a trial has, and every trial counts what that dense run takes."""
    text = (
        f"\n[tune]\nbudget = {{ trials = 3 }}\nseeds = 1\nobjective = '{objective}'\n"
        f"strategies = ['{label}']\n[tune.recipe]\nlr = {{ low = 1e-5, high = 1e-2, log = true }}\n"
        f"[tune.space.{label}]\n"
        + ("scope = true\n" if label == "imp" else "batch_size = { choices = [64, 128] }\n")
    )
    results = tmp_path / "r.duckdb"
    tune(read(text), results)
    dense = [e for e in planned(results) if e["strategy"] == "dense"]
    assert [(e["seed"], e["config"]["recipe"]["lr"]) for e in dense] == [(1000, 5e-3)]
    tickets = {}
    for r in records(results, "ticket"):
        if r["reported"]:
            tickets.setdefault(r["experiment_id"], []).append(r)
    (top,) = tickets[dense[0]["experiment_id"]]
    top = top["metrics"]["val_accuracy"]
    trials = records(results, "trial")
    assert len({t["params"]["recipe.lr"] for t in trials}) == 3
    for trial in trials:
        mine = [t for i in trial["experiment_ids"] for t in tickets[i]]
        means = {t["target_density"]: t["metrics"]["val_accuracy"] for t in mine}
        value = area(means, top) if objective == "area" else matching_density(means, top - 0.005)
        assert trial["values"] == [pytest.approx(value)]
    # IMP: a dense run and three rounds; SNIP: two densities; and the dense run of the objective
    assert {t["steps"] for t in trials} == {{"imp": 5, "snip": 3}[label] * 12}
