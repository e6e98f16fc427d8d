"""A suite's card as a person sees it on 80 columns and 24 lines."""

from __future__ import annotations

import io
import re
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lth_bench.analysis.boards.scope import Selection
from lth_bench.analysis.card import cards
from lth_bench.analysis.leaderboard import Question, leaderboard
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.output.card import delta_in_words, drawn_row, print_card

_BOARDS = runpy.run_path(str(Path(__file__).parents[1] / "analysis" / "boards" / "conftest.py"))
made, chosen = _BOARDS["made"], _BOARDS["chosen"]

DENSE = ("dense", 1.0)
EVEN = [0.90, 0.91, 0.92, 0.90]
METHODS = {
    ("imp", 0.5): [0.91, 0.92, 0.93, 0.906], ("late_rewind", 0.5): [0.912, 0.917, 0.92, 0.90],
    ("one_shot", 0.5): [0.90, 0.91, 0.93, 0.89], ("early_bird", 0.5): [0.70, 0.75, 0.78, 0.71],
    ("snip", 0.5): [0.88, 0.89, 0.895, 0.87], ("rigl", 0.5): [0.89, 0.90, 0.90, 0.89],
    ("random", 0.5): [0.60, 0.65, 0.68, 0.61],
}  # fmt: skip


def shown(con: Any, width: int = 80, height: int = 24, ascii: bool = False, **chosen: Any) -> str:
    question = Question(selection=Selection(**chosen))
    (card,) = cards(con, question, leaderboard(con, question).rows)
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii" if ascii else "utf-8")
    console = Console(file=stream, width=width, height=height, force_terminal=True, highlight=False,
                      color_system=None)  # fmt: skip
    print_card(card, console)
    stream.flush()
    return raw.getvalue().decode()


def fits(text: str, height: int = 20) -> bool:
    """With four lines for what a run says after it."""
    lines = text.splitlines()
    commands = [line for line in lines if line.startswith("  lth-bench")]
    return len(lines) <= height and max(len(x) for x in lines if x not in commands) <= 80


@pytest.fixture(scope="module")
def tasks(chosen):
    """`tasks(n)`: n tasks of the methods."""

    def make(n: int) -> Any:
        models = [f"net{i}" for i in range(n)]
        cells = {(model, *DENSE): EVEN for model in models}
        cells |= {(model, *key): values for model in models for key, values in METHODS.items()}
        return chosen(cells)

    return make


def test_one_task(tasks) -> None:
    text = shown(tasks(1))
    assert fits(text)
    lines = text.splitlines()
    assert lines[0].startswith("quickstart · net0 on digits · 50% of the weights, the middle")
    assert lines[1].startswith("imp is first at 50% of the weights, tied with ")
    (imp,) = [line for line in lines if line.startswith("1 ") and " imp " in line]
    for part in ("91.65", "+0.90", "●", "┤", "×"):
        assert part in imp
    (far,) = [line for line in lines if "random" in line]
    assert "◄" in far and "worse" in far
    assert [line for line in lines if " dense " in line and "90.75" in line and "1×" in line]
    assert "verdicts settled." in text
    assert "next: " in text and "  lth-bench run quickstart --seeds " in text


@pytest.mark.parametrize("number", [2, 10])
def test_several_tasks_a_line_each(tasks, number: int) -> None:
    text = shown(tasks(number))
    assert fits(text)
    rows = [line for line in text.splitlines() if line.startswith("net")]
    assert len(rows) == number
    assert all("imp +" in row and "●" in row and "+0.90" in row for row in rows)
    assert "imp is first on" in text


def test_wide_terminals_say_more(tasks) -> None:
    text = shown(tasks(2), width=120, height=40)
    assert "cheapest match" in text and "accuracy %" in text and "Δ dense" in text
    assert max(map(len, text.splitlines())) <= 120


def test_what_has_no_room_is_counted(chosen) -> None:
    cells = {DENSE: EVEN} | {(f"m{i:02}", 0.5): [x - i / 100 for x in EVEN] for i in range(30)}
    text = shown(chosen(cells))
    assert fits(text)
    assert "and 21 more" in text


def test_all_failed(chosen) -> None:
    cells = {DENSE: EVEN, ("imp", 0.5): ["failed"] * 4, ("snip", 0.5): ["failed"] * 4}
    text = shown(chosen(cells))
    assert fits(text)
    assert "No method has a result at 50% of the weights, each 4 failed." in text
    assert text.count("4 of 4 failed") == 2
    assert 'next: 8 results failed; the reasons:\n  lth-bench query "FROM failures"' in text
    assert "●" not in text


def test_no_dense_run(chosen) -> None:
    text = shown(chosen(METHODS))
    assert fits(text)
    assert "There is no dense run to compare with." in text.replace("\n", " ").replace("  ", " ")
    assert "91.65" in text and "settled" not in text


def test_lower_is_better_is_drawn_to_the_right(chosen) -> None:
    cells = {DENSE: [10.0, 10.1, 10.2], ("imp", 0.5): [9.0, 9.1, 9.3],
             ("snip", 0.5): [20.0, 21.0, 22.0]}  # fmt: skip
    judged = {"digits": ("rmse", "", False)}
    text = shown(chosen(cells, judged=judged, metrics={"test_rmse": cells}))
    (imp,) = [line for line in text.splitlines() if line.startswith("1")]
    assert "test_rmse" in text and "−0.9" in imp and "better" in imp
    assert imp.index("│") < imp.index("●")
    assert "RMSE: lower is better" in text


def test_ascii(tasks) -> None:
    for number in (1, 2):
        text = shown(tasks(number), ascii=True)
        assert text.isascii() and fits(text)
        assert "o" in next(line for line in text.splitlines() if "+0.90" in line)


def test_a_density_chosen_later_is_said(tasks, chosen) -> None:
    cells = {DENSE: EVEN} | {("imp", d): EVEN for d in (0.5, 0.2, 0.1)}
    text = shown(chosen(cells), densities=[0.5])
    assert "density chosen afterwards" in text
    assert "Not fixed by the suite: it may be chosen for its results." in text
    assert "chosen afterwards" not in shown(chosen(cells))


def test_the_cheapest_match_of_each_task_is_named_where_there_is_no_column(chosen) -> None:
    cells = {(net, *DENSE): EVEN for net in ("mlp", "vit")}
    cells |= {
        ("mlp", "imp", 0.5): [x + 0.01 for x in EVEN],
        ("vit", "imp", 0.5): METHODS["random", 0.5],
    }
    cells |= {
        ("vit", "snip", 0.5): [x + 0.01 for x in EVEN],
        ("mlp", "snip", 0.5): METHODS["random", 0.5],
    }
    text = shown(chosen(cells))
    (line,) = [line for line in text.splitlines() if line.startswith("cheapest match: ")]
    assert ": imp" in line and ": snip" in line
    assert "cheapest match: " not in shown(chosen(cells), width=120)


def test_tasks_of_several_metrics_are_drawn_in_margins(tasks) -> None:
    con = tasks(2)
    question = Question()
    (card,) = cards(con, question, leaderboard(con, question).rows)
    one, other = card.tasks
    lower = replace(other, measure=Measure("test_rmse", "", higher=False))
    mixed = replace(card, tasks=[one, lower])
    row, best = drawn_row(one, mixed), one.best.row
    assert row["difference"] == pytest.approx(best["difference"] / best["margin"])
    assert row["margin"] == 1.0
    turned = drawn_row(lower, mixed)
    assert turned["difference"] == pytest.approx(-row["difference"])
    assert turned["difference_low"] == pytest.approx(-row["difference_high"])
    assert drawn_row(one, card) is best  # one metric: as they are
    raw = io.StringIO()
    print_card(mixed, Console(file=raw, width=120, color_system=None))
    heading = next(x for x in raw.getvalue().splitlines() if x.startswith("task"))
    assert re.search(r"[+−]\d[.\d]*m", heading)
    assert sum("●" in line or "◄" in line for line in raw.getvalue().splitlines()) == 2


def test_a_difference_of_other_seeds_than_the_means_beside_it_says_of_how_many() -> None:
    row = {"difference": -0.0025, "difference_n": 4, "n": 10}
    assert delta_in_words(row, ACCURACY, 10) == "−0.25 n=4"
    assert delta_in_words(row, ACCURACY, 3) == "−0.25 n=4"
    assert delta_in_words(row, ACCURACY, 4) == "−0.25"
    assert delta_in_words(row | {"difference": None}, ACCURACY, 10) == ""
