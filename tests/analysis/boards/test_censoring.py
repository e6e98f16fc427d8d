"""Times that some trainings never reached, on every kind of board, figure and comparison."""

from __future__ import annotations

import pytest

from lth_bench.analysis.compare.lines import Options, across, compare
from lth_bench.analysis.compare.pairs import groups
from lth_bench.analysis.compare.sheet import sheet
from lth_bench.analysis.evidence import gather
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.measures import measure
from lth_bench.analysis.page.gather import suite_facts
from lth_bench.analysis.samples import samples
from lth_bench.errors import UserError
from lth_bench.output.page.sections.ranking import ranking
from lth_bench.output.page.sections.summary import summary
from lth_bench.output.pictures.metric import against_cost, against_density
from lth_bench.stats import wilson

STEP = measure("generalisation_step")
BUDGET = 400.0
LABELS = {("dense", 1.0): 100.0, ("imp", 0.5): 90.0, ("snip", 0.5): 200.0}
SEEDS = range(6)


def numbers(never):
    """Two models; `never` are the (model, label) whose odd seeds never generalise."""
    cells, steps, reached = {}, {}, {}
    for model in ("mlp", "conv2"):
        for (label, density), step in LABELS.items():
            key = (model, label, density)
            lost = [(model, label) in never and seed % 2 == 1 for seed in SEEDS]
            cells[key] = [0.9] * len(SEEDS)
            steps[key] = [BUDGET if out else step + s for s, out in zip(SEEDS, lost, strict=True)]
            reached[key] = [0.0 if out else 1.0 for out in lost]
    return cells, {"generalisation_step": steps, "generalised": reached}


@pytest.fixture
def con(chosen):
    cells, metrics = numbers({("mlp", "snip")})
    return chosen(cells, metrics=metrics)


@pytest.fixture
def whole(chosen):
    cells, metrics = numbers(())
    return chosen(cells, metrics=metrics)


@pytest.mark.parametrize("by", ["matching", "area", "cost"])
@pytest.mark.parametrize("across", [False, True])
def test_boards_that_compute_with_the_values_are_refused(con, by, across):
    with pytest.raises(UserError) as raised:
        leaderboard(con, Question(by=by, metric=STEP.name, across=across))
    message = raised.value.message
    assert f"--by {by}" in message and "3 trainings never generalised" in message
    assert "snip at 50.00%" in message and "leave out --by" in message
    assert ("--across" in message) == across


@pytest.mark.parametrize("by", ["matching", "area", "cost"])
def test_they_are_not_refused_where_all_got_there(whole, by):
    assert leaderboard(whole, Question(by=by, metric=STEP.name)).rows


def test_the_board_by_the_metric_marks_the_mean_and_judges_by_order(con):
    rows = leaderboard(con, Question(metric=STEP.name)).rows
    found = {(r["model"], r["label"]): r for r in rows}
    assert found["mlp", "snip"]["censored"] == 3
    assert found["mlp", "snip"]["verdict"] == "worse"  # six of six later than dense
    assert found["mlp", "snip"]["signs"] == [-1] * 6
    assert found["conv2", "snip"]["censored"] == 0


def test_across_tasks_only_ranks_are_compared(con, whole):
    board = leaderboard(con, Question(metric=STEP.name, across=True))
    assert [(r["label"], r["mean_rank"]) for r in board.rows] == [("imp", 1), ("snip", 2)]
    assert all(r["difference"] is None and r["verdict"] is None for r in board.rows)
    assert "only ranks are compared" in board.legend
    assert "within the budget" in board.tables[0].title
    known = leaderboard(whole, Question(metric=STEP.name, across=True))
    assert known.rows[1]["difference"] == pytest.approx(100)
    assert "only ranks" not in known.legend


def test_a_comparison_has_no_test_across_tasks(con, whole):
    for results, tested in ((con, False), (whole, True)):
        sides = [samples(results, metric=STEP.name, labels=[name]) for name in ("imp", "snip")]
        lines = [compare(group, Options(STEP)) for group in groups(*sides, by_name=False)]
        verdicts = across(lines, STEP)
        assert bool(verdicts) == tested
        table = sheet("imp", "snip", comparisons=lines, tasks=verdicts, options=Options(STEP))
        said = table.tables[-1].notes[0]
        assert ("No test across tasks" in said) != tested


def test_pages_and_figures_say_which_means_are_lower_bounds(con, whole):
    said = "generalised within the budget: snip at 50.00% on 3 of 6 seeds"
    for evidence in gather(con, measure=STEP):
        lacking = evidence.place.task.model == "mlp"
        assert evidence.bounds.startswith(said) == lacking
        for picture in (against_density(evidence), against_cost(evidence)):
            assert ("lower bounds" in picture.note) == lacking
    assert not any(evidence.bounds for evidence in gather(whole, measure=STEP))
    assert not any(evidence.bounds for evidence in gather(con))  # about accuracy

    (suite,) = suite_facts(con, asked=STEP)
    for task in suite.tasks:
        lacking = task.place.task.model == "mlp"
        assert not (lacking and task.matching)
        assert (said in str(summary(task).parts)) == lacking
        cells = [cell.text for row in ranking(task).parts[0].rows for cell in row.cells]
        assert any(text.startswith("≥ 30") for text in cells) == lacking


def test_the_share_of_seeds_that_got_there_has_wilson_s_interval(con):
    rows = leaderboard(con, Question(metric="generalised")).rows
    by_label = {row["label"]: row for row in rows if row["model"] == "mlp"}
    for label, count in (("snip", 3), ("imp", 6)):
        row = by_label[label]
        assert (row["mean"], row["low"], row["high"]) == pytest.approx(tuple(wilson(count, 6)[:3]))
    # all seeds agree, and that is no proof that others would
    difference = by_label["imp"]
    assert difference["difference"] == pytest.approx(0)
    assert difference["difference_high"] > 0.4
