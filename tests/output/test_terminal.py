"""Tables whose sentences take several lines, so that they fit."""

from __future__ import annotations

from lth_bench.analysis.table import Board, Cell, Table
from lth_bench.output.terminal import LEAST_PROSE, as_text

SENTENCE = "every word of this sentence is kept whole, and its lines stand below one another " * 2


def shown(width: int, name: str = "a") -> list[str]:
    lines = [[(Cell(name), Cell("kept"), Cell(SENTENCE)), (Cell("b"), Cell("broken"), Cell(""))]]
    table = Table(header=("rule", "", "what"), blocks=lines, left=frozenset({0, 1, 2}), prose=2)
    return [line.rstrip() for line in as_text(Board("x", [], [table]), width).splitlines()]


def test_a_sentence_is_broken_between_words_below_its_column() -> None:
    lines = shown(60)
    assert max(map(len, lines)) <= 60
    first, *rest = [line for line in lines if "kept" in line or line.startswith(" " * 14)]
    assert first.startswith("a     kept    every word")
    assert " ".join(" ".join([first[14:], *rest]).split()) == SENTENCE.strip()
    assert any(line.split() == ["b", "broken"] for line in lines)


def test_it_is_no_wider_where_there_is_more_room() -> None:
    assert max(map(len, shown(200))) <= 80
    assert shown(200) == shown(80)


def test_a_table_that_leaves_too_little_room_stays_as_it_is() -> None:
    lines = shown(80, name="x" * (80 - LEAST_PROSE))
    assert any(SENTENCE.strip() in line for line in lines)
