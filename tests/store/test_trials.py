"""Trials of tuning: in the tables `trials` and `tuning`, and in no view of results."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

from close import close_rows

from lth_bench.store import Paths, fold
from lth_bench.store.database import open_safe
from lth_bench.store.export import export_snapshot
from lth_bench.store.glossary import VIEWS
from lth_bench.store.journal import Journal
from lth_bench.store.merge import merge
from lth_bench.store.trials import Study, read_studies

RECORDS = runpy.run_path(str(Path(__file__).with_name("records.py")))
Search = RECORDS["Search"]
TUNED = {"strategies": ("dense", "imp", "imp-tuned", "snip"), "tuned": {"imp-tuned": "imp"}}


def folded(paths: Paths, query: str) -> list[tuple[Any, ...]]:
    fold(paths)
    with open_safe(paths) as con:
        return con.execute(query).fetchall()


def studies(paths: Paths) -> list[Study]:
    fold(paths)
    with open_safe(paths) as con:
        return read_studies(con)


def test_what_tuning_tries_is_in_no_view_of_results(make_scenario: Any, write: Any) -> None:
    """As if the search had not been, but for the rows of `experiments`, which say what they are."""
    paths = write(make_scenario(**TUNED))
    before = _views(paths)
    with Journal(paths) as journal:
        for record in Search(trials=6).records():
            journal.append(record)
    beside = _views(paths)
    assert len(beside.pop("tuning")) == 1
    assert before.pop("tuning") == []
    planned = before.pop("experiments")
    added = [row for row in beside.pop("experiments") if row not in planned]
    assert before == beside
    assert len(added) == 12
    query = "SELECT current, scored_on, count(*) FROM experiments GROUP BY ALL ORDER BY ALL"
    assert folded(paths, query) == [(False, "validation", 12), (True, "test", 12)]


def _views(paths: Paths) -> dict[str, list[Any]]:
    fold(paths)
    with open_safe(paths) as con:
        return {name: close_rows(con.execute(f"FROM {name}").fetchall()) for name in VIEWS}


def test_a_study_in_one_row(write: Any) -> None:
    search = Search()
    (row,) = folded(
        write(search),
        "SELECT study, trials, trials_complete, trials_pruned, best_trial, default_value, "
        "best_value, tuning_steps, budget FROM tuning",
    )
    best = search.trial(search.best)
    own = search.trial(0)["values"][0]
    assert row == (
        "quickstart/mlp/digits/mlp/imp", 12, 10, 2, search.best, own, best["values"][0],
        search.steps, '{"trials":12}',
    )  # fmt: skip
    assert row[6] > row[5]


def test_of_two_objectives_no_trial_is_the_best(write: Any) -> None:
    query = "SELECT best_trial, best_value, default_value FROM tuning"
    paths = write(Search(objectives=("accuracy", "cost")))
    assert folded(paths, query) == [(None, None, None)]
    (study,) = studies(paths)
    front = [t.values for t in study.front]
    assert 1 < len(front) < len(study.complete)
    for accuracy, cost in front:
        assert not any(a >= accuracy and c < cost for a, c in (t.values for t in study.complete))
    assert study.best is not None
    assert study.best.values[0] == max(a for a, _ in front)


def test_the_cost_stands_with_the_label_and_not_with_its_controls(
    make_scenario: Any, write: Any
) -> None:
    paths = write(make_scenario(**TUNED, controls=("reinit",)))
    query = "SELECT DISTINCT label, control, tuned_from, tuning_steps FROM leaderboard"
    search = Search()
    assert {r for r in folded(paths, query) if r[2] or r[3]} == {
        ("imp-tuned", "none", search.study_id, search.steps)
    }
    (found,) = folded(paths, "SELECT DISTINCT tuned_trial FROM experiments WHERE tuned_from <> ''")
    assert found == (search.best,)


def test_the_last_record_of_a_number_counts(write: Any) -> None:
    paths = write(Search(trials=3, changes={1: {"state": "failed", "values": []}}))
    query = 'SELECT state, len("values") FROM trials ORDER BY number'
    assert folded(paths, query)[1] == ("failed", 0)
    with Journal(paths) as journal:
        journal.append(Search(trials=3).trial(1))
    assert folded(paths, query) == [("complete", 1)] * 3
    assert folded(paths, "SELECT count(*) FROM trial_experiments") == [(6,)]


def test_what_a_trial_ran_is_known_from_its_experiments(write: Any) -> None:
    search = Search()
    (study,) = studies(write(search))
    trial = study.trials[3]
    rate = search.trial(3)["params"]["prune_rate.conv"]
    assert trial.settings == {"prune_rate": {"conv": rate}, "scope": "global"}
    assert study.default is not None
    assert study.default.params["prune_rate.conv"] == 0.9
    assert (study.steps, study.seeds, study.densities) == (search.steps, (100, 101), (0.2,))


def test_ties_go_to_the_first(write: Any) -> None:
    same = {n: {"values": [0.5]} for n in range(4)}
    (study,) = studies(write(Search(trials=4, changes=same)))
    assert study.best is not None
    assert study.best.number == 0
    assert len(study.front) == 4


def test_a_merge_brings_trials_once(make_scenario: Any, write: Any, tmp_path: Path) -> None:
    ours = write(make_scenario(), Search(trials=3, changes={2: {"state": "failed", "values": []}}))
    theirs = RECORDS["write"](tmp_path / "theirs.duckdb", Search(trials=6), Search(label="snip"))
    (report,), _ = merge(ours, [theirs.journal])
    assert report.trials_new == 3 + 1 + 12  # three more, one that had failed, another study
    assert report.configurations == ()
    assert {s.label: len(s.trials) for s in studies(ours)} == {"imp": 6, "snip": 12}
    assert [t.state for t in studies(ours)[0].trials][:3] == ["complete"] * 3
    (again,), _ = merge(ours, [theirs.journal])
    assert (again.trials_new, again.records) == (0, 0)


def test_a_snapshot_of_a_suite_has_its_trials(write: Any, tmp_path: Path) -> None:
    paths = write(Search(suite="one"), Search(suite="other"))
    fold(paths)
    export_snapshot(paths.results, tmp_path / "one.duckdb", ["one"])
    snapshot = Paths(tmp_path / "one.duckdb")
    with open_safe(snapshot) as con:
        found = read_studies(con)
    assert [(s.suite, len(s.trials)) for s in found] == [("one", 12)]
    assert found[0].trials[0].settings is not None


HOSTILE: dict[str, dict[str, Any]] = {
    "no values": {"values": None},
    "a value that is not finite": {"values": [float("nan")]},
    "too many values": {"values": [0.5, 0.6]},
    "no parameters": {"params": {}, "distributions": {}},
    "null parameters": {"params": None, "distributions": None},
    "a list of parameters": {"params": [1, 2], "distributions": ["x"]},
    "no budget": {"budget": None},
    "a budget of text": {"budget": "much"},
    "holes in between": {"intermediate": [[0, None], [], [1.0], [1.0, 0.5, 3.0]]},
    "no seconds": {"seconds": None, "steps": None},
    "less than nothing": {"steps": -5, "seconds": float("-inf")},
    "no experiments": {"experiment_ids": None},
    "an unknown state": {"state": "running"},
    "no objectives": {"objectives": None, "directions": None},
    "an unknown direction": {"directions": ["sideways"]},
    "no names": {"model": None, "label": None, "strategy": None},
}


def test_a_record_in_another_form_is_read_as_what_it_lacks(write: Any) -> None:
    changes = dict(enumerate(HOSTILE.values(), 1))
    paths = write(Search(trials=len(changes) + 2, changes=changes))
    (study,) = studies(paths)
    trials = dict(zip(HOSTILE, study.trials[1:], strict=False))
    assert study.trials[0].values
    for what in ("no values", "a value that is not finite", "too many values"):
        assert trials[what] not in study.complete, what
    for what in ("no parameters", "null parameters", "a list of parameters"):
        assert (trials[what].params, trials[what].distributions) == ({}, {}), what
    assert trials["holes in between"].intermediate == ()
    assert (trials["less than nothing"].steps, trials["less than nothing"].seconds) == (0, 0.0)
    assert trials["no experiments"].settings is None
    assert study.best is not None
    assert folded(paths, "SELECT trials FROM tuning") == [(len(changes) + 2,)]


def test_the_first_record_in_another_form(write: Any) -> None:
    """What it lacks of the study's own facts, the next one has."""
    whole: dict[str, Any] = {}
    for change in HOSTILE.values():
        whole |= change
    (study,) = studies(write(Search(trials=2, changes={0: whole})))
    assert (study.model, study.label, study.objectives) == ("mlp", "imp", ("accuracy",))
    assert [t.number for t in study.complete] == [1]


def test_a_tie_goes_to_the_earlier_trial(write: Any) -> None:
    """Means of the same accuracies differ by their last bits, which decide nothing."""
    top = 0.9719416386083052
    values = {n: {"values": [0.9]} for n in range(12)}
    values |= {2: {"values": [top]}, 4: {"values": [top + 2e-16]}, 6: {"values": [top - 1e-8]}}
    paths = write(Search(changes=values))
    (study,) = studies(paths)
    assert study.best is not None and study.best.number == 2
    row = folded(paths, "SELECT best_trial, best_value FROM tuning")
    assert row == [(2, top)]


def test_a_front_with_ties(write: Any) -> None:
    points = [(0.9, 2.0), (0.9 + 2e-16, 2.0), (0.9 + 2e-16, 1.0), (0.8, 0.5), (0.8, 0.6)]
    values = {n: {"values": list(point), "state": "complete"} for n, point in enumerate(points)}
    search = Search(trials=5, objectives=("accuracy", "cost"), changes=values)
    (study,) = studies(write(search))
    assert [t.number for t in study.front] == [2, 3]
    assert study.best is not None and study.best.number == 2
