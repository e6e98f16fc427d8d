"""The shipped suites beyond images: planned, and every strategy run for a few steps."""

from __future__ import annotations

import shlex

import duckdb
import pytest

from lth_bench.suite import load_suite
from lth_bench.suite.source import FOLDER

NAMES = ("tabular", "char_lm", "grokking")
"""Those that need no file."""


@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_planned(here, name) -> None:
    out = " ".join(here("plan", name).stdout.split())
    suite = load_suite(name)
    assert f"{name}: " in out and all(strategy.label in out for strategy in suite.strategies)
    assert len(suite.tasks) == (3 if name == "tabular" else 1)


def test_pretrained_needs_a_network_and_says_how_to_make_it(here) -> None:
    """Then its commands, as the message and the README have them."""
    said = " ".join(here("plan", "pretrained", code=4).stderr.split())
    start = load_suite("pretrained").tasks[0].model.start
    assert f"there is no file {here.folder / 'reports' / start.name}" in said
    assert said.endswith(f"the suite says that this makes it: {start.command}")
    assert start.command in (FOLDER / "README.md").read_text(encoding="utf-8")
    for command in start.command.split(" && "):
        here(*shlex.split(command)[1:])
    out = " ".join(here("plan", "pretrained").stdout.split())
    assert "initial values are fixed by digits_mlp.safetensors" in out
    assert "no estimate" not in out
    here("run", "pretrained", "--smoke", "-s", "dense", "--cohort-size", 1)
    with duckdb.connect(str(here.results), read_only=True) as con:
        scores = con.execute(
            "SELECT recipe, score FROM tickets_flat WHERE suite = 'pretrained-smoke' ORDER BY ALL"
        ).fetchall()
    assert [recipe for recipe, _ in scores] == ["fine_tuning", "full_rate"]
    assert min(score for _, score in scores) > 0.9  # after 8 steps: the values are the file's


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_runs_on_every_task(here, name) -> None:
    here("run", name, "--smoke", "--cohort-size", 1)
    suite = load_suite(name)
    with duckdb.connect(str(here.results), read_only=True) as con:
        rows = con.execute(
            "SELECT label, dataset, control, status, score, metric FROM tickets_flat"
        ).fetchall()
    assert {(label, dataset) for label, dataset, *_ in rows} == {
        (strategy.label, task.dataset.label)
        for task in suite.tasks
        for strategy in suite.strategies
    }
    unfinished = {row for row in rows if row[3] != "ok"}
    # a control that would be its own ticket is skipped, and so is a density out of reach
    assert all(status == "skipped" for *_, status, _, _ in unfinished), unfinished
    assert {row[5] for row in rows} == {
        "tabular": {"test_accuracy", "test_rmse"},
        "char_lm": {"test_perplexity"},
        "grokking": {"test_accuracy"},
    }[name]


@pytest.mark.slow
def test_every_strategy_runs_from_the_pretrained_network(here) -> None:
    for command in load_suite("pretrained").tasks[0].model.start.command.split(" && "):
        here(*shlex.split(command)[1:])
    here("run", "pretrained", "--smoke", "--cohort-size", 1)
    with duckdb.connect(str(here.results), read_only=True) as con:
        rows = con.execute(
            """SELECT DISTINCT recipe, label, control, status FROM tickets_flat
            WHERE suite = 'pretrained-smoke'"""
        ).fetchall()
    labels = {(s.label, "none") for s in load_suite("pretrained").strategies} | {("imp", "reinit")}
    assert set(rows) == {
        (recipe, *label, "ok") for recipe in ("fine_tuning", "full_rate") for label in labels
    }


@pytest.mark.slow
def test_memorising_tickets_are_found_before_and_trained_as_long(here) -> None:
    """In grokking's smoke form: masks from step 1 of 8 or from the end, then the same training."""
    here("run", "grokking", "--smoke", "-s", "imp-memorising", "-s", "imp-generalising")
    with duckdb.connect(str(here.results), read_only=True) as con:
        rows = con.execute(
            """SELECT label, target_density, steps, search_steps, m.value FROM tickets_flat t
            JOIN metrics m ON m.ticket_id = t.ticket_id AND m.metric = 'generalised'
            WHERE strategy <> 'dense' ORDER BY ALL"""
        ).fetchall()
    assert rows == [
        ("imp-generalising", 0.25, 8, 16, 0),
        ("imp-generalising", 0.5, 8, 8, 0),
        ("imp-memorising", 0.25, 8, 10, 0),
        ("imp-memorising", 0.5, 8, 1, 0),
    ]
