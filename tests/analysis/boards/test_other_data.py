"""The second interval: on other test examples too, worked by hand."""

from __future__ import annotations

import math
from statistics import mean, stdev, variance

import pytest
from close import close

from lth_bench.analysis.boards import other_data
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.output.formats import render_board

DENSE = ["1111111101", "1111111011", "1111110111"]
IMP = ["1111111100", "1110111001", "1110110110"]
CELLS = {("dense", 1.0): (0.9, 0.9, 0.9), ("imp", 0.5): (0.8, 0.7, 0.7)}
ANSWERS = {("dense", 1.0): DENSE, ("imp", 0.5): IMP}
T2, Z = 4.302652730, 1.959963985


def ends(table: list[list[int]]) -> tuple[float, float]:
    """Mean ± √((t·s/√n)² + (z·extra)²) of [seeds][examples], with lists alone."""
    n, size = len(table), len(table[0])
    by_example = list(zip(*table, strict=True))
    extra = variance(map(mean, by_example)) / size - mean(map(variance, by_example)) / (n * size)
    by_seed = [mean(row) for row in table]
    spread = max(stdev(by_seed), 0.5 / size)
    reach = math.hypot(T2 * spread / math.sqrt(n), Z * math.sqrt(max(0.0, extra)))
    return mean(by_seed) - reach, mean(by_seed) + reach


def bits(answers: list[str]) -> list[list[int]]:
    return [list(map(int, one)) for one in answers]


def rows_of(con) -> dict[str, dict]:
    return {row["label"]: row for row in leaderboard(con, Question()).rows}


def test_by_hand(chosen) -> None:
    row = rows_of(chosen(CELLS, answers=ANSWERS))["imp"]
    difference = [
        [a - b for a, b in zip(*pair, strict=True)]
        for pair in zip(bits(IMP), bits(DENSE), strict=True)
    ]
    low, high = ends(difference)
    assert row["difference_other_data_low"] == pytest.approx(low)
    assert row["difference_other_data_high"] == pytest.approx(high)
    assert low < row["difference_low"] < row["difference_high"] < high
    assert (row["other_data_low"], row["other_data_high"]) == pytest.approx(ends(bits(IMP)))
    assert row["other_data_missing"] is None


def test_the_baseline_has_an_interval_of_its_mean_alone(chosen) -> None:
    row = rows_of(chosen(CELLS, answers=ANSWERS))["dense"]
    assert (row["other_data_low"], row["other_data_high"]) == pytest.approx(ends(bits(DENSE)))
    assert row["difference_other_data_high"] is None and row["other_data_missing"] is None


def test_verdicts_stay_on_the_seeds(chosen) -> None:
    found = [
        [{k: v for k, v in row.items() if k not in other_data.COLUMNS} for row in board.rows]
        for board in (
            leaderboard(chosen(CELLS, answers=ANSWERS), Question()),
            leaderboard(chosen(CELLS, test_examples=10), Question()),
        )
    ]
    assert close(found[0]) == found[1]


def test_results_without_answers_say_so(chosen) -> None:
    board = leaderboard(chosen(CELLS, test_examples=10), Question())
    assert all(row["difference_other_data_high"] is None for row in board.rows)
    assert {row["other_data_missing"] for row in board.rows} == {
        "recorded by a version that kept no answers"
    }
    (table,) = board.tables
    assert "± other data" not in table.header
    assert [note for note in table.notes if "no interval for other test data" in note]


def test_rows_of_which_some_seeds_have_no_answers_say_so(chosen) -> None:
    cells = {**CELLS, ("snip", 0.5): (0.7, 0.6, 0.7)}
    board = leaderboard(chosen(cells, answers=ANSWERS), Question())
    found = {row["label"]: row for row in board.rows}
    assert found["snip"]["difference_other_data_high"] is None
    assert found["imp"]["difference_other_data_high"] is not None
    assert [note for note in board.tables[0].notes if note.startswith("rows without an interval")]


def test_a_metric_that_is_no_fraction_of_examples_says_so(chosen) -> None:
    losses = {("dense", 1.0): (0.2, 0.3, 0.4), ("imp", 0.5): (0.3, 0.5, 0.4)}
    con = chosen(CELLS, answers=ANSWERS, metrics={"test_loss": losses})
    board = leaderboard(con, Question(metric="test_loss"))
    missing = {row["other_data_missing"] for row in board.rows}
    assert missing == {"test_loss is not a fraction of test examples"}
    assert "test_loss is not a fraction of test examples" in board.legend
    assert not [note for note in board.tables[0].notes if "other test data" in note]


def test_one_seed_has_none(chosen) -> None:
    one = {key: answers[:1] for key, answers in ANSWERS.items()}
    con = chosen({key: values[:1] for key, values in CELLS.items()}, answers=one)
    assert rows_of(con)["imp"]["other_data_missing"] == "one seed"


def test_the_column_is_shown_where_there_is_room(chosen) -> None:
    board = leaderboard(chosen(CELLS, answers=ANSWERS), Question())
    row = next(row for row in board.rows if row["label"] == "imp")
    half = f"{100 * (row['difference_other_data_high'] - row['difference']):.2f}"
    wide, narrow = (render_board(board, "table", width) for width in (200, 80))
    assert "± other data" in wide and half in wide
    assert "± other data" not in narrow.split("density:")[0]
    assert "about other seeds on these" in " ".join(wide.split())


def test_compared_with_a_label_at_the_same_density(chosen) -> None:
    cells = {**CELLS, ("snip", 0.5): (0.9, 0.9, 0.9)}
    con = chosen(cells, answers={**ANSWERS, ("snip", 0.5): DENSE})
    rows = leaderboard(con, Question(baseline="snip")).rows
    found = {row["label"]: row for row in rows}["imp"]
    wanted = rows_of(con)["imp"]
    for name in ("difference_other_data_low", "difference_other_data_high"):
        assert found[name] == pytest.approx(wanted[name])


def test_too_many_answers_are_not_read(chosen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_data, "MOST_ANSWERS", 59)
    rows = rows_of(chosen(CELLS, answers=ANSWERS))
    assert "too many tickets" in rows["imp"]["other_data_missing"]
