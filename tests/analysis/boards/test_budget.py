"""Methods at equal total cost, worked by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.errors import NothingSelected, UserError
from lth_bench.output.formats import render_board

BUDGET = 3000
CELLS = {
    ("dense", 1.0): (0.95, 0.94, 0.93),
    ("dense-equal_cost", 1.0): (0.96, 0.96, 0.94),
    ("imp", 0.5): (0.90, 0.92, 0.91),  # of two trainings of search and its own
    ("snip", 0.5): (0.80, 0.81, 0.82),  # of one training
    ("snip-equal_cost", 0.5): (0.93, 0.94, 0.94),
    ("one_shot-equal_cost", 0.5): (0.91, "diverged", 0.92),
    ("imp", 0.2): (0.7, 0.7, 0.7),  # of another budget, which no ablation has
}
STEPS = {"dense-equal_cost": (3000, 0), "snip-equal_cost": (3000, 0),
         "one_shot-equal_cost": (1490, 1500)}  # fmt: skip


@pytest.fixture
def spent(scenario, made):
    """`spent(**options)`: a suite with these cells, and what each ablated label spends."""

    def make(**options: Any) -> Any:
        return made(scenario(**options))

    return make


@pytest.fixture
def scenario(chosen_class):
    @dataclass
    class Spent(chosen_class):
        spends: Mapping[str, tuple[int, int]] = field(default_factory=lambda: STEPS)
        """Steps of training and search by label."""

        def experiments(self) -> list[dict[str, Any]]:
            found = super().experiments()
            for experiment in found:
                if experiment["label"] in self.spends:
                    experiment["strategy"] = experiment["label"].split("-")[0]
                    ablation = {"name": "equal_cost", "steps": BUDGET}
                    experiment["config"] = {"ablation": ablation}
                if experiment["strategy"] == "dense":
                    experiment |= {"densities": [1.0], "iterative": False}
            return found

        def results(self, experiment: dict[str, Any]) -> Any:
            for record in super().results(experiment):
                if record["record"] == "ticket":
                    steps, search = self.spends.get(
                        experiment["label"],
                        (1000, {0.5: 2000, 0.2: 4000}.get(record["target_density"], 0)
                         if experiment["label"] == "imp" else 0),
                    )  # fmt: skip
                    record["cost"] |= {"steps": steps, "search_steps": search}
                yield record

    def make(cells=CELLS, **options: Any) -> Any:
        labels = list(dict.fromkeys(label for label, _ in cells))
        return Spent(cells=cells, strategies=labels, **options)

    return make


def by_label(board) -> dict[str, dict[str, Any]]:
    return {row["label"]: row for row in board.rows}


def test_who_spent_the_budget_by_hand(spent) -> None:
    board = leaderboard(spent(baseline="imp"), Question(by="budget"))
    found = by_label(board)
    # not the methods of one training, nor the sparser ticket of five; 2,990 steps are within 1%
    assert list(found) == ["dense-equal_cost", "snip-equal_cost", "imp", "one_shot-equal_cost"]
    assert {row["budget"] for row in board.rows} == {BUDGET}
    assert {row["trainings"] for row in board.rows} == {3}
    snip = found["snip-equal_cost"]
    # .03, .02, .03: mean .0266, deviation .00577, t(2) = 4.3027
    assert snip["difference"] == pytest.approx(0.08 / 3)
    half = 4.302652730 * 0.0057735 / 3**0.5
    assert snip["difference_high"] == pytest.approx(0.08 / 3 + half, rel=1e-5)
    assert (snip["baseline"], snip["verdict"], snip["rank"]) == ("imp", "better", 1)
    assert found["imp"]["difference"] is None and found["imp"]["verdict"] is None
    assert found["imp"]["rank"] == 2
    assert found["dense-equal_cost"]["rank"] is None
    assert found["dense-equal_cost"]["difference"] == pytest.approx((0.06 + 0.04 + 0.03) / 3)
    lost = found["one_shot-equal_cost"]
    assert (lost["n"], lost["lost"], lost["verdict"], lost["rank"]) == (2, 1, "failed", 3)


def test_dense_at_the_same_cost_is_the_baseline_where_that_is_dense(spent) -> None:
    found = by_label(leaderboard(spent(), Question(by="budget")))
    snip = found["snip-equal_cost"]
    assert snip["baseline"] == "dense-equal_cost"
    assert snip["difference"] == pytest.approx((-0.03 - 0.02 + 0.0) / 3)
    asked = by_label(leaderboard(spent(), Question(by="budget", baseline="snip")))
    assert asked["imp"]["baseline"] == "snip-equal_cost"
    assert asked["imp"]["difference"] == pytest.approx((-0.03 - 0.02 - 0.03) / 3)


def test_where_the_baseline_spent_another_budget(spent, scenario) -> None:
    cells = {key: values for key, values in CELLS.items() if key[0] != "dense-equal_cost"}
    found = by_label(leaderboard(spent(cells=cells), Question(by="budget")))
    assert {row["baseline"] for row in found.values()} == {"imp"}  # whose budget it is
    board = leaderboard(spent(cells=cells), Question(by="budget", baseline="dense"))
    assert {row["baseline"] for row in board.rows} == {None}
    assert "no baseline at 3,000 steps" in board.tables[0].notes
    assert {row["verdict"] for row in board.rows} == {None}


def test_the_table(spent) -> None:
    board = leaderboard(spent(baseline="imp"), Question(by="budget"))
    (table,) = board.tables
    assert len(table.blocks) == 1
    assert table.lines()[0][0].text == "3,000 steps (3.00×)"
    text = render_board(board, "table", 160)
    assert "At equal total cost" in text and "+2.67" in text


@pytest.mark.parametrize("width", [100, 160])
def test_it_fits_the_terminal(spent, width: int) -> None:
    text = render_board(leaderboard(spent(), Question(by="budget")), "table", width)
    table = text.split("At equal total cost")[0]
    assert max(map(len, table.splitlines())) <= width


def test_every_format_has_every_row(spent) -> None:
    board = leaderboard(spent(), Question(by="budget"))
    (found,) = json.loads(render_board(board, "json")).values()
    assert [row["label"] for row in found] == [row["label"] for row in board.rows]
    for format in ("csv", "markdown", "latex"):
        text = render_board(board, format).replace("\\_", "_")
        assert all(row["label"] in text for row in board.rows)


def test_it_is_for_each_task_alone() -> None:
    with pytest.raises(UserError, match="--by budget compares within each task"):
        Question(by="budget", across=True)


def test_without_the_ablation_it_says_what_to_do(spent) -> None:
    cells = {key: values for key, values in CELLS.items() if "equal_cost" not in key[0]}
    with pytest.raises(NothingSelected, match=r"compared_to = \"imp\".*studies/cost"):
        leaderboard(spent(cells=cells), Question(by="budget"))


def test_collapsed_seeds_are_noted(spent) -> None:
    gone = [(["fc1"], 0.0), ([], 0.5), ([], 0.5)]
    board = leaderboard(spent(empty={("snip-equal_cost", 0.5): gone}), Question(by="budget"))
    (said,) = [x for x in board.tables[-1].notes if x.startswith("† layer collapse")]
    assert "snip-equal_cost at 50.00% (1 seed: no weight is left in fc1; no path" in said


def test_the_interval_for_other_data_by_hand(spent) -> None:
    """Right where imp is not on the first of four examples, at every seed: the deviation counts as
    half of 1/4, and √((4.3027 · .125 / √3)² + (1.96 · √(.25 / 4))²) = .5801.
    """
    answers = {("imp", 0.5): ["0110"] * 3, ("snip-equal_cost", 0.5): ["1110"] * 3}
    means = {"imp": 0.5, "snip-equal_cost": 0.75, "one_shot-equal_cost": 0.5}
    cells = {("dense", 1.0): (0.9,) * 3} | {(name, 0.5): (x,) * 3 for name, x in means.items()}
    board = leaderboard(spent(cells=cells, answers=answers, baseline="imp"), Question(by="budget"))
    found = by_label(board)
    snip = found["snip-equal_cost"]
    assert snip["difference"] == pytest.approx(0.25)
    assert snip["difference_other_data_high"] == pytest.approx(0.25 + 0.580099, rel=1e-5)
    assert snip["difference_other_data_low"] == pytest.approx(0.25 - 0.580099, rel=1e-5)
    assert snip["other_data_missing"] is None
    assert found["imp"]["difference_other_data_high"] is None  # nothing is compared with itself
    assert found["imp"]["other_data_high"] is not None
    lacking = found["one_shot-equal_cost"]
    assert lacking["other_data_missing"] == "recorded by a version that kept no answers"
    (table,) = board.tables
    (place,) = table.wide
    assert table.header[place] == "± other data" and "± other data: half-width" in board.legend
    assert {line[2].text: line[place].text for line in table.lines()} == {
        "snip-equal_cost": "58.01", "imp": "", "one_shot-equal_cost": "",
    }  # fmt: skip


def test_without_answers_there_is_no_such_column(spent) -> None:
    board = leaderboard(spent(baseline="imp"), Question(by="budget"))
    assert "± other data" not in (*board.tables[0].header, board.legend)
    assert any("no interval for other test data" in note for note in board.tables[0].notes)


def test_where_seeds_were_added_rows_are_judged_at_their_looks(spent) -> None:
    base = [0.90, 0.91, 0.92, 0.90, 0.91]
    points = {"one_shot-equal_cost": (1.4, 1.5, 1.7), "snip-equal_cost": (0.4, 0.6, 0.8, 0.5, 0.7),
              "dense-equal_cost": (3.0, 3.1)}  # fmt: skip
    cells = {("dense", 1.0): base, ("imp", 0.5): base} | {
        (label, 1.0 if "dense" in label else 0.5):
        [x + point / 100 for x, point in zip(base, those, strict=False)]
        for label, those in points.items()
    }  # fmt: skip
    options = {"cells": cells, "baseline": "imp", "seeds": range(5)}
    con = spent(**options, decide={"margin": None, "max_seeds": 10})
    board = leaderboard(con, Question(by="budget"))
    found = by_label(board)
    snip = found["snip-equal_cost"]
    assert snip["verdict_text"] == "better (decided at 5 of 10)"
    assert snip["difference"] == pytest.approx(0.006) and snip["difference_n"] == 5
    # the repeated interval: .6 ± 5.226 · .158 / √5
    assert snip["difference_low"] == pytest.approx(0.00230, abs=2e-5)
    assert found["one_shot-equal_cost"]["verdict_text"] == "better (decided at 3 of 10)"
    two = found["dense-equal_cost"]
    assert (two["verdict"], two["decided_at"], two["stop"]) == ("insufficient", 2, "to come")
    assert (found["imp"]["verdict"], found["imp"]["stop"]) == (None, None)
    assert "5/30 is decided at 5 of at most 30" in board.legend
    fixed = leaderboard(spent(**options), Question(by="budget"))
    assert {row["stop"] for row in fixed.rows} == {None}
    assert "at most 30" not in fixed.legend


def test_each_suite_has_its_own_margin(spent) -> None:
    con = spent(baseline="imp", decide={"margin": 0.03, "max_seeds": 10})
    board = leaderboard(con, Question(by="budget"))
    assert {row["margin"] for row in board.rows if row["baseline"]} == {0.03}
    assert "margin of 3 points" in board.legend
