"""How rows of the leaderboard by accuracy are read: what all boards share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from lth_bench.analysis.boards.judging import Words
from lth_bench.analysis.boards.layout import tables
from lth_bench.analysis.boards.metric import header, line
from lth_bench.analysis.boards.missing import outstanding
from lth_bench.analysis.boards.rows import ranked
from lth_bench.analysis.table import Board
from lth_bench.output.formats import render_board

ROW: dict[str, Any] = {
    "suite": "s", "model": "mlp", "dataset": "digits", "recipe": "short",
    "source_model": "mlp", "source_dataset": "digits", "source_recipe": "short",
    "target_density": 0.2, "strategy": "imp", "label": "imp", "control": "none",
    "n": 3, "mean": 0.97123, "low": 0.9672, "high": 0.97526, "rank": 1,
    "early_stop_step": 640.0, "density": 0.2, "steps": 20000.0, "search_steps": 1250000.0,
    "flops_masked_ratio": 4.256, "planned": 3, "failed": 0, "skipped": 0, "pending": 0, "lost": 0,
    "difference": -0.00412, "difference_low": -0.01, "difference_high": 0.00176,
    "difference_n": 3, "difference_deviation": 0.0024, "baseline": "dense", "margin": 0.005,
    "verdict": "open", "n50": 4, "n80": 8, "detectable": 0.0123, "within_margin": False,
    "rank_low": None, "rank_high": None,
}  # fmt: skip
NONE = {
    **dict.fromkeys(("mean", "low", "high", "rank", "density", "flops_masked_ratio", "verdict",
                     "difference", "difference_low", "difference_high", "detectable")),
    "n": 0,
}  # fmt: skip
WORDS = Words("0.5", " points")


def texts(**changes: Any) -> tuple[str, ...]:
    return tuple(cell.text for cell in line({**ROW, **changes}, True, WORDS))


def board(rows: list[dict[str, Any]]) -> Board:
    found = tables(rows, header, lambda row, first: line(row, first, WORDS), outstanding)
    return Board("leaderboard", rows, found)


def test_the_cells_of_a_row() -> None:
    assert texts() == (
        "20.00", "1", "imp", "97.12 ± 0.40", "−0.41 ± 0.59", "open ~4–8", "1.23", "3", "640",
        "1.27M", "4.26",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "column", "text"),
    [
        ({"difference": 0.004, "difference_high": 0.005}, 4, "+0.40 ± 0.10"),
        ({"high": None}, 3, "97.12"),
        ({"difference_high": None}, 4, "−0.41"),
        ({"n": 2, "failed": 1}, 7, "2/3"),
        ({**NONE, "failed": 2, "skipped": 1}, 3, "2 failed, 1 skipped"),
        ({**NONE, "pending": 3}, 3, "3 to come"),
        ({**NONE, "pending": 3}, 10, ""),
        ({"strategy": "early_bird", "label": "eb", "density": 0.1731}, 2, "eb (17.31%)"),
        ({"density": 0.2001}, 2, "imp"),
        ({"target_density": 0.00012, "density": 0.0001}, 2, "imp (0.010%)"),
        ({"target_density": 0.00012}, 0, "0.012"),
        ({"source_dataset": "mnist"}, 2, "imp from mnist"),
        ({"strategy": "dense", "label": "dense"}, 1, ""),
        ({"label": "[red]\x1b[31m\n"}, 2, "[red]�[31m�"),
        ({"tied": True}, 1, "1"),
        ({"tied": True, "rank": 3}, 1, "3="),
        ({"tied": False, "rank": 3}, 1, "3"),
        ({"tied": None, "rank": 2}, 1, "2"),
        ({"flops_masked_ratio": 0.0123}, 10, "0.012"),
        ({"detectable": None}, 6, ""),
    ],
)  # fmt: skip
def test_the_cells_of_special_cases(changes: dict[str, Any], column: int, text: str) -> None:
    assert texts(**changes)[column] == text


@pytest.mark.parametrize(
    ("changes", "text", "style"),
    [
        ({"verdict": "better"}, "better", "good"),
        ({"verdict": "worse", "within_margin": True}, "worse <0.5", "bad"),
        ({"verdict": "equivalent"}, "≈ dense", ""),
        ({"verdict": "equivalent", "baseline": "a_longer_label"}, "≈ equal", ""),
        ({"verdict": "open"}, "open ~4–8", ""),
        ({"verdict": "open", "n50": 8}, "open ~8", ""),
        ({"verdict": "open", "n80": None}, "open >100", ""),
        ({"verdict": "open", "n80": None, "difference_n": 250}, "open >250", ""),
        ({"verdict": "insufficient"}, "needs 3+", ""),
        ({"verdict": "failed", "lost": 2}, "2 failed", "warn"),
        ({"verdict": None}, "", ""),
    ],
)
def test_a_verdict_is_a_word(changes: dict[str, Any], text: str, style: str) -> None:
    cell = line({**ROW, **changes}, True, WORDS)[5]
    assert (cell.text, cell.style) == (text, style)


def test_controls_have_no_colour() -> None:
    cells = line({**ROW, "control": "reinit", "verdict": "worse", "rank": None}, False, WORDS)
    assert {cell.style for cell in cells[1:]} == {"dim"}
    assert cells[2].text == "└ reinit"


def test_controls_follow_their_ticket_or_come_last() -> None:
    rows = [
        {**ROW, "label": "a"}, {**ROW, "label": "b", "rank": 2},
        {**ROW, "label": "b", "control": "reinit"}, {**ROW, "label": "a", "control": "shuffle"},
        {**ROW, "label": "a", "control": "reinit"}, {**ROW, "label": "c", "control": "x"},
    ]  # fmt: skip
    (table,) = board(rows).tables
    assert [cells[2].text for cells in table.lines()] == [
        "a", "└ shuffle", "└ reinit", "b", "└ reinit", "└ x"
    ]  # fmt: skip
    assert [cells[0].text for cells in table.lines()] == ["20.00"] + [""] * 5


def test_markdown_stays_a_table_with_any_names() -> None:
    text = render_board(board([{**ROW, "label": "a|b_c*", "suite": "my|suite"}]), "markdown")
    lines = text.splitlines()
    assert lines[0].startswith("### my\\|suite: mlp")
    assert "**a\\|b\\_c\\***" in lines[-1]
    assert {len(re.findall(r"(?<!\\)\|", x)) for x in lines[2:]} == {12}


def test_latex_is_escaped_and_balanced() -> None:
    text = render_board(board([{**ROW, "label": r"50%_{x}&$\y"}]), "latex")
    assert r"\textbf{50\%\_\{x\}\&\$\textbackslash{}y}" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1
    body = text.split(r"\midrule")[1]
    assert len(re.findall(r"(?<!\\)&", body)) == 10


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(0, 4)), max_size=12))
def test_equal_values_share_a_rank_within_their_task(values: list[tuple[str, int | None]]) -> None:
    rows = [
        {**ROW, "model": model, "label": str(n), "value": value}
        for n, (model, value) in enumerate(sorted(values, key=lambda v: v[0]))
    ]
    found = ranked([dict(row) for row in rows], lambda row: row["value"])
    for model in {row["model"] for row in rows}:
        mine = [row for row in found if row["model"] == model]
        known = [row for row in mine if row["value"] is not None]
        assert [row["rank"] for row in mine[len(known) :]] == [None] * (len(mine) - len(known))
        if known:
            expected = rankdata([row["value"] for row in known], method="min")
            assert [row["rank"] for row in known] == list(expected)
            assert [row["rank"] for row in known] == sorted(expected)


def test_dense_runs_come_first_and_controls_are_unranked() -> None:
    rows = [
        {**ROW, "label": "a", "value": 2}, {**ROW, "label": "a", "control": "reinit", "value": 0},
        {**ROW, "label": "dense", "strategy": "dense", "value": 0},
        {**ROW, "label": "b", "value": 1},
    ]  # fmt: skip
    found = ranked(rows, lambda row: row["value"])
    assert [(r["label"], r["control"], r["rank"]) for r in found] == [
        ("dense", "none", None), ("b", "none", 1), ("a", "none", 2), ("a", "reinit", None)
    ]  # fmt: skip


def test_missing_rows_are_counted(results: Callable[..., Any]) -> None:
    rows = [{**ROW, "failed": 2, "skipped": 1, "pending": 0}, {**ROW, "pending": 2}]
    assert outstanding(rows) == [
        '2 of 6 rows failed and 1 were skipped; why: lth-bench query "FROM failures"',
        (
            "2 rows are still to come; run the suite again to go on, with --retry oom,timeout "
            "where memory or time was short"
        ),
    ]
    assert outstanding([ROW]) == []
