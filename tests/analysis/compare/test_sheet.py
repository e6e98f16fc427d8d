"""What is said of a comparison, and how wide it is."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from io import BytesIO, StringIO, TextIOWrapper
from typing import Any

import pytest
from rich.console import Console

from lth_bench.analysis.compare.lines import Options, across, compare
from lth_bench.analysis.compare.pairs import groups
from lth_bench.analysis.compare.sheet import joined, sheet
from lth_bench.analysis.measures import Measure, measure
from lth_bench.analysis.table import Board, Cell, Table
from lth_bench.output.terminal import as_text, print_tables
from lth_bench.suite.decide import Decide
from lth_bench.system.streams import ERRORS

ACCURACY = measure("test_accuracy")
LONG = "late_rewinding-random_labels/reinit"
"""As long as names of labels get in shipped suites."""


@pytest.fixture
def made(sample):
    """`made(measure, names, rules)`: a board of seven seeds, three densities and two tasks in each
    suite of `rules`.
    """

    def side(chance, name, *, known, **said) -> list[Any]:
        scale = 20_000 if known.unit == "steps" else 1
        rule = said.pop("rule")
        found = []
        for task in (("lenet300", "mnist", "long_schedule"), ("mlp", "digits", "mlp")):
            for density in (0.5, 0.2107, 0.0557):
                values = {s: scale * (0.9 + chance.gauss(0, 0.01)) for s in range(7)}
                found.append(replace(sample(name, density, values, task=task, **said), rule=rule))
        return found

    def make(known: Measure, names=("imp",), rules=None, **given) -> Board:
        chance = random.Random(1)
        a: list[Any] = []
        b: list[Any] = []
        for suite, rule in (rules or {"mine": None}).items():
            for name in names:
                said: Any = {"known": known, "suite": suite, "rule": rule}
                a += side(chance, name, **said)
                b += side(chance, name if len(names) > 1 else "snip", **said)
        b[0] = replace(b[0], values={}, skipped=frozenset(range(7)))
        b[1] = replace(
            b[1], values={s: x for s, x in b[1].values.items() if s != 2}, lost=frozenset([2])
        )
        options = Options(known, **given)
        found = [compare(group, options) for group in groups(a, b, by_name=len(names) > 1)]
        tasks = across(found, known)
        board = sheet("A", "B", comparisons=found, tasks=tasks, options=options)
        return joined([board], [(options, found)])

    return make


@pytest.mark.parametrize("metric", ["test_accuracy", "test_loss", "early_stop_step"])
@pytest.mark.parametrize("names", [("imp",), ("imp", LONG)])
@pytest.mark.parametrize("rule", [None, Decide()])
def test_tables_fit_a_terminal_of_80_columns(made, metric, names, rule) -> None:
    board = made(measure(metric), names, {"mine": rule})
    lines = as_text(board, 80).splitlines()
    assert max(map(len, lines)) == 80  # the rule beside the heading
    for word in ("verdict", "B − A", "needs 6+ tasks" if len(names) == 1 else "needs 7+ tasks"):
        assert any(word in line for line in lines)
    assert any("B skipped 7/7" in line for line in lines)


def test_columns_go_from_the_right_as_many_as_it_takes(made) -> None:
    board = made(ACCURACY, ("imp", LONG))
    heads = {
        width: {
            " ".join(line.split())
            for line in as_text(board, width).splitlines()
            if line.startswith("density %")
        }
        for width in (200, 80)
    }
    whole = "density % strategy A B B − A p verdict detects n"
    assert heads[200] == {whole}
    assert "density % strategy B − A verdict n" in heads[80] and whole in heads[80]


def on_a_terminal(board: Board, width: int) -> list[str]:
    console = Console(
        file=StringIO(), width=width, force_terminal=True, color_system=None, highlight=False
    )
    with console.capture() as captured:
        print_tables(board, console)
    return captured.get().splitlines()


def test_intervals_below_are_aligned_in_ascii() -> None:
    table = Table(
        header=("strategy", "difference", "other data", "verdict in words"),
        blocks=[[[Cell("imp"), Cell("−0.25 ± 0.10"), Cell("0.55"), Cell("matches or better")]]],
        left=frozenset({0, 3}), interval=1, second=2,
    )  # fmt: skip
    for width in (50, 30):
        raw = BytesIO()
        stream = TextIOWrapper(raw, encoding="ascii", errors=ERRORS)
        print_tables(Board("made", [], [table]), Console(file=stream, width=width))
        stream.flush()
        lines = raw.getvalue().decode("ascii").splitlines()
        ends = {found.end() for line in lines if (found := re.search(r"0\.(10|55)(?= |$)", line))}
        assert len(ends) == 1, lines
        assert sum("+/-" in line for line in lines) == 2


def answered(samples: list[Any], chance: random.Random) -> list[Any]:
    """The samples with which of 400 test examples each seed gets right, about nine in ten."""

    def bits() -> bytes:
        return bytes(sum((chance.random() < 0.9) << i for i in range(8)) for _ in range(50))

    return [replace(s, answers={seed: bits() for seed in s.values}, examples=400) for s in samples]


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("name", ["", LONG])
def test_both_intervals_are_there_at_any_width(sample, width, name) -> None:
    """Of every line: the half-widths that the rows have, as the table writes them."""
    chance = random.Random(2)
    a, b = (
        answered([sample(label, d, {s: 0.9 + chance.gauss(0, 0.01) for s in range(5)},
                         task=("lenet300", "mnist", "short")) for d in (0.5, 0.2)], chance)
        for label in (name or "imp", name or "snip")
    )  # fmt: skip
    options = Options(ACCURACY)
    found = [compare(group, options) for group in groups(a, b, by_name=bool(name))]
    board = sheet("A", "B", comparisons=found, tasks={}, options=options)
    lines = on_a_terminal(board, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    shown = board.rows[:3]
    assert len(shown) == 3
    for row in shown:
        own = ACCURACY.half_width(row["difference"], row["high"])
        second = ACCURACY.half_width(row["difference"], row["other_data_high"])
        assert f"± {own}" in text
        below, beside = f"± {second}" in text, second in text.split()
        assert below or (beside if width == 200 else f"± other data: {second}" in text)


def test_the_legend_names_no_column_that_is_not_there(made) -> None:
    board = made(ACCURACY)
    assert "± other data" not in board.legend
    assert not any("± other data" in table.header for table in board.tables)
    assert "of at most 30 pairs" not in board.legend


def test_the_legend_has_the_margin_that_lines_are_judged_by(made) -> None:
    def said(rules: Any, **given: Any) -> str:
        legend = made(ACCURACY, rules=rules, **given).legend
        return str(legend.partition("differ by less than ")[2].partition(";")[0])

    assert said({"mine": None}) == "0.5 points"
    assert said({"mine": Decide(margin=0.02)}) == "2 points"
    two = {"mine": Decide(margin=0.02), "other": None}
    assert said(two) == "2 points (mine) or 0.5 points (other)"
    assert said(two, margin=0.01) == "1 points"


def test_lines_whose_seeds_were_added_say_why_they_have_no_second_interval(made) -> None:
    board = made(ACCURACY, rules={"mine": Decide()})
    lines = [row for row in board.rows if row["line"] != "across tasks"]
    why = {row["other_data_missing"] for row in lines if row["difference"] is not None}
    assert len(why) == 1 and next(iter(why)).startswith("seeds were added until decided")
    assert not [note for table in board.tables for note in table.notes if "not recorded" in note]
    assert "of at most 30 pairs" in board.legend
