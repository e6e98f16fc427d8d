"""A suite of a regression, several labels, text and classes, trained once: what every command,
board and page says of each task's metric."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from lth_bench.analysis.measures import measure

SUITE = """
schema_version = 1
[suite]
name = "mixed"
densities = [0.5, 0.2]
seeds = [0, 1]
[recipes.short]
optimizer = "adam"
lr = 0.01
steps = 12
batch_size = 20
val_size = 20
eval_every = 6
[[tasks]]
model = { name = "mlp", hidden = [6] }
dataset = "tabular:diabetes"
recipe = "short"
[[tasks]]
model = { name = "mlp", hidden = [6] }
dataset = "arrays:LABELS"
recipe = "short"
[[tasks]]
model = { name = "transformer", width = 8, heads = 2, mlp = 8 }
dataset = { name = "stdlib_text", size = 2000, length = 8, unit = "characters" }
recipe = "short"
[[tasks]]
model = { name = "mlp", hidden = [6] }
dataset = "tabular:wine"
recipe = "short"
[[strategies]]
use = "random"
[[strategies]]
use = "imp"
params = { prune_rate = 0.5 }
[tune]
budget = { trials = 2 }
densities = [0.5]
seeds = 1
strategies = ["imp"]
[[claims]]
name = "close"
text = "IMP stays close to the dense network"
source = "made up"
dataset = "tabular:diabetes"
of = "imp"
versus = "dense"
density = 0.5
at_most = 100.0
"""
METRICS = {"test_rmse": False, "test_map": True, "test_perplexity": False, "test_accuracy": True}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    from .conftest import Here

    here = Here(tmp_path_factory.mktemp("mixed"))
    draws = np.random.default_rng(0)
    inputs = draws.normal(size=(80, 4)).astype("float32")
    labels = (inputs @ draws.normal(size=(4, 3)) > 0).astype("uint8")
    file = here.folder / "labels.npz"
    np.savez(file, train_x=inputs[:60], train_y=labels[:60], test_x=inputs[60:], test_y=labels[60:])
    here.suite = here.write("mixed.toml", SUITE.replace("LABELS", str(file)))
    here.said = here("run", here.suite, "--cohort-size", 2)
    return here


def rows(here, *arguments):
    return json.loads(here("leaderboard", *arguments, "--json").stdout)["leaderboard"]


def test_the_run_ends_with_a_card_that_names_each_metric(mixed) -> None:
    for name in METRICS:
        assert measure(name).without_split in mixed.said.stdout
    assert "lower is better" in mixed.said.stdout


@pytest.mark.parametrize("by", ["accuracy", "flops", "matching", "area", "cost", "speed"])
def test_every_board_has_every_task_in_its_direction(mixed, by: str) -> None:
    found = rows(mixed, "--by", by)
    if by != "speed":
        assert {row["metric"]: row["higher_is_better"] for row in found} == METRICS
    assert len({row["dataset"] for row in found}) == 4
    shown = mixed("leaderboard", "--by", by, "-d", "tabular:diabetes").stdout
    assert "accuracy" not in shown and "points" not in shown
    assert by == "matching" or "test_rmse" in shown


@pytest.mark.parametrize("by", ["accuracy", "matching", "area", "cost", "speed"])
def test_tasks_of_several_metrics_are_ranked_together_by_ranks(mixed, by: str) -> None:
    found = rows(mixed, "--by", by, "--across")
    assert {row["tasks"] for row in found} == {4}
    if by in ("accuracy", "area"):
        assert all(row["difference"] is None for row in found)
        assert "no common unit" in mixed("leaderboard", "--by", by, "--across").stdout


def test_a_value_to_reach_is_one_metrics(mixed) -> None:
    failed = mixed("leaderboard", "--by", "cost", "--reach", 60, code=4)
    assert "choose tasks with -d or -m" in " ".join(failed.stderr.split())
    board = mixed("leaderboard", "--by", "cost", "--reach", 1e6, "-d", "tabular:diabetes").stdout
    assert "to reach test_rmse ≤ 1e+06" in board and "2/2" in board
    refused = mixed("leaderboard", "--by", "cost", "--reach", 60, "-d", "tabular:wine", code=4)
    assert "--reach must be an accuracy in (0, 1], but got 60" in " ".join(refused.stderr.split())


def test_two_labels_are_compared_by_each_metric(mixed) -> None:
    found = json.loads(mixed("compare", "random", "imp", "--json").stdout)["comparison"]
    assert {row["metric"] for row in found} == METRICS.keys()
    said = mixed("compare", "random", "imp", "--task", "mlp*/tabular:diabetes").stdout
    text = " ".join(said.split())  # wherever lines end
    assert "test_rmse" in text and "lower is better" in text and "accuracy" not in text


def test_an_experiment_is_shown_by_its_metric(mixed) -> None:
    query = "SELECT experiment_id FROM experiments WHERE label = 'imp' AND dataset LIKE 'tab%dia%'"
    identity = mixed("query", query, "--format", "csv").stdout.splitlines()[1]
    shown = mixed("show", identity).stdout
    assert "RMSE" in shown and "accuracy" not in shown


def test_claims_are_in_the_tasks_metric(mixed) -> None:
    (row,) = json.loads(mixed("claims", mixed.suite, "--json").stdout)["claims"]
    assert (row["metric"], row["verdict"]) == ("test_rmse", "insufficient")
    assert " pt" not in mixed("claims", mixed.suite).stdout


def words_of(page: str) -> str:
    """What a reader sees, and the figures' data: without style sheets and the pages' own code."""
    return re.sub(r"<(style|script(?! type=.application/json))[^>]*>.*?</(style|script)>", "", page,
                  flags=re.S)  # fmt: skip


def test_a_page_speaks_of_each_metric(mixed) -> None:
    mixed("report", "--output", mixed.folder / "page.html")
    page = words_of((mixed.folder / "page.html").read_text(encoding="utf-8"))
    for text in ("Test RMSE", "Test mAP", "Test perplexity", "Test accuracy", "lower is better"):
        assert text in page


@pytest.mark.slow
def test_tune_searches_by_each_metric(mixed) -> None:
    done = json.loads(mixed("tune", mixed.suite, "--json", "--cohort-size", 2).stdout)
    found = {study["dataset"]: study for study in done["studies"]}
    names = {study["objectives"][0] for study in found.values()}
    assert names == {"rmse", "map", "perplexity", "accuracy"}
    for study in found.values():
        assert study["complete"] == 2
        better = max if study["objectives"][0] in ("map", "accuracy") else min
        assert study["best"] == better(study["best"], study["default"])
    rmse = found["tabular:diabetes"]
    assert rmse["best"][0] > 1  # no fraction
    directions = mixed("query", "SELECT DISTINCT objectives[1], directions[1] FROM trials "
                       "WHERE dataset LIKE 'tab%dia%'", "--format", "csv").stdout  # fmt: skip
    assert directions.splitlines()[1] == "rmse,minimize"
    mixed("report", "--output", mixed.folder / "tuned.html")


@pytest.mark.slow
def test_a_page_of_a_regression_has_no_word_of_accuracy(mixed) -> None:
    text = SUITE.replace('name = "mixed"', 'name = "regression"')
    second = text.index("[[tasks]]", text.index("[[tasks]]") + 1)
    suite = mixed.write("regression.toml", text[:second] + text[text.index("[[strategies]]") :])
    mixed("run", suite, "--cohort-size", 2)
    mixed("report", "--suite", "regression", "--output", mixed.folder / "regression.html",
          "--figures", mixed.folder / "figures")  # fmt: skip
    page = words_of((mixed.folder / "regression.html").read_text(encoding="utf-8"))
    assert "Test RMSE" in page and "test_rmse" in page
    assert "accuracy" not in page.lower()
    names = [path.name for path in (mixed.folder / "figures").iterdir()]
    assert names and not any("accuracy" in name for name in names)
