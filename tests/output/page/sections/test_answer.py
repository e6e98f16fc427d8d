"""The answer first: what opens a report, a suite and a task."""

from __future__ import annotations

import pytest

from lth_bench.analysis.page.gather import suite_facts
from lth_bench.output.page.content import IntervalCell
from lth_bench.output.page.sections.answer import answer, opening

TASKS = (("mlp", "digits", "mlp"), ("conv2", "cifar10", "paper"))


@pytest.fixture
def suite(results):
    def make(**scenario):
        (found,) = suite_facts(results(**scenario))
        return found

    return make


def first(section):
    """What is shown at first: at the headline density."""
    (views,) = section.parts
    return views.views[0].parts


def texts(grid) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in grid.rows]


def test_a_suite_of_one_task_is_the_title_of_its_page(page, suite) -> None:
    scenario = {"strategies": ("dense", "imp", "random"), "seeds": range(5)}
    card = suite(**scenario).card
    assert card.finding.startswith("imp is ")
    found = page(**scenario)
    assert found.root.one("h1").text.strip() == card.finding
    assert found.root.one("p", class_="kicker").text == "Lottery tickets, compared"
    # not said twice
    assert found.root.one("main").text.count(card.finding) == 0


def test_methods_stand_by_rank_with_the_dense_run_above(suite) -> None:
    (task,) = suite(strategies=("dense", "imp", "random"), seeds=range(5)).tasks
    section = answer(task)
    assert section.title == "Every method at 20% of the weights"
    grid, about = first(section)
    rows = texts(grid)
    assert [row[1] for row in rows] == ["dense", "imp", "random"]
    assert [row[0] for row in rows][:2] == ["", "1"]
    by_rank = {row["label"]: row for row in (one.row for one in task.card.rows)}
    for label, row in zip(("imp", "random"), rows[1:], strict=True):
        assert row[2] == task.measure.value(by_rank[label]["mean"])
        assert "±" in row[3]
    assert "the middle density" in about.pieces[0] and "0.5 points" in about.pieces[0]


def test_intervals_are_drawn_to_one_scale(suite) -> None:
    (task,) = suite(strategies=("dense", "imp", "random"), seeds=range(5)).tasks
    drawn = [row.cells[4] for row in first(answer(task))[0].rows[1:]]
    assert all(isinstance(cell, IntervalCell) for cell in drawn)
    imp, random = drawn
    assert imp.zero == random.zero
    assert 0 <= random.low <= random.high < imp.zero  # what is worse is on the left
    assert imp.low <= imp.mean <= imp.high
    assert imp.band[0] < imp.zero < sum(imp.band)


def test_lower_is_better_is_drawn_on_the_right(results) -> None:
    from lth_bench.analysis.measures import measured

    con = results(strategies=("dense", "imp", "random"), seeds=range(5))
    (found,) = suite_facts(con, (), measured(con, "test_loss"))
    *_, last = (row.cells[4] for row in first(answer(found.tasks[0]))[0].rows)
    assert found.tasks[0].card.rows[-1].row["difference"] > 0  # a higher loss
    assert last.high < last.zero


def test_several_tasks_have_a_line_each(suite) -> None:
    found = suite(tasks=TASKS, strategies=("dense", "imp", "random"), seeds=range(5))
    said, grid, *_ = opening(found, finding=True)
    assert said.pieces == [found.card.finding]
    rows = texts(grid)
    assert [row[0] for row in rows] == [task.name for task in found.card.tasks]
    assert all(row[1].startswith("imp") for row in rows)
    assert grid.caption == "First of each task, at 20% of the weights"
    assert opening(found, finding=False)[0] == grid


def test_what_to_do_next_is_a_command(suite) -> None:
    (code,) = (part for part in opening(suite(seeds=(0, 1)), finding=True) if part.kind == "code")
    assert code.text.endswith("--seeds 5")


def test_failures_alone(suite) -> None:
    outcomes = {(label, seed): ("failed", "x") for label in ("dense", "imp") for seed in (0, 1, 2)}
    (task,) = suite(strategies=("dense", "imp"), outcomes=outcomes).tasks
    grid, _ = first(answer(task))
    assert [row[1:5] for row in texts(grid)] == [["imp", "–", "", ""]]


def test_nothing_without_tickets(suite) -> None:
    found = suite(strategies=("dense",))
    assert opening(found, finding=True) == []
    assert answer(found.tasks[0]) is None


def test_the_answer_at_every_density_the_headline_first(suite) -> None:
    (task,) = suite(strategies=("dense", "imp", "random"), densities=(0.5, 0.2, 0.1)).tasks
    section = answer(task)
    (choice,) = section.parts
    assert [view.choice for view in choice.views] == ["20%", "50%", "10%"]
    assert section.title == choice.views[0].heading
    for view in choice.views:
        grid, about = view.parts
        assert view.heading == f"Every method at {view.choice} of the weights"
        assert f"at {view.choice}:" in grid.caption
        assert ("chosen afterwards" in about.pieces[0]) == (view.choice != "20%")


def test_a_single_density_has_nothing_to_choose(suite) -> None:
    (task,) = suite(strategies=("dense", "imp"), densities=(0.2,)).tasks
    assert [part.kind for part in answer(task).parts] == ["grid", "prose"]
