"""Tables at any width: a word or number that is torn apart cannot be read or copied."""

from __future__ import annotations

from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from lth_bench.analysis.table import Board, Table, plain_cells
from lth_bench.output import terminal
from lth_bench.output.columns import Uncropped, records, table

WORDS = st.text("abcdefgh012345._/=-", min_size=1, max_size=30)
CELLS = st.lists(WORDS, max_size=6).map(" ".join)


def printed(thing: object, width: int, encoding: str = "utf-8", tty: bool = True) -> str:
    out = StringIO()
    console = Uncropped(file=out, force_terminal=tty, width=width, color_system=None, markup=True)
    if encoding != "utf-8":
        out = EncodedIO(encoding)
        console.file = out
    console.print(thing)
    return out.getvalue()


class EncodedIO(StringIO):
    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5), st.integers(20, 120))
def test_no_word_is_broken_at_any_width(rows: list[tuple[str, ...]], width: int) -> None:
    listing = table("first", "second one", "third")
    for row in rows:
        listing.add_row(*map(Text, row))
    shown = printed(listing, width)
    found = shown.split()
    for row in rows:
        for cell in row:
            for word in cell.split():
                assert word in found, (word, shown)
    if all(len(word) <= width - 4 for row in rows for cell in row for word in cell.split()):
        assert all(len(line) <= width for line in shown.splitlines())


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_no_word_of_a_board_is_broken_at_any_width(width: int) -> None:
    header = ("left %", "#", "strategy", "accuracy %", "steps")
    lines = [
        plain_cells(("50.00", "1", "iterative_magnitude", "96.91 ± 0.67", "3,000")),
        plain_cells(("", "2", "一次剪枝", "95.84 ± 0.25", "3,000")),
    ]
    board = Board("rows", [], [Table(header=header, blocks=[lines])])
    out = StringIO()
    console = Uncropped(file=out, force_terminal=True, width=width, color_system=None)
    terminal.print_tables(board, console)
    found = out.getvalue().split()
    for word in ("50.00", "iterative_magnitude", "一次剪枝", "96.91", "3,000"):
        assert word in found
    if width >= 40:
        from rich.cells import cell_len

        assert all(cell_len(line) <= width for line in out.getvalue().splitlines())


def test_wide_tables_are_printed_row_by_row() -> None:
    listing = table("name", "what it is", "tasks")
    listing.add_row("cifar_conv", "six methods with the recipes of the lottery-ticket paper", "3")
    assert printed(listing, 80).splitlines()[1].split() == ["name", "what", "it", "is", "tasks"]
    assert "paper   3" in printed(listing, 80)
    assert printed(listing, 24) == (
        "cifar_conv\n  tasks: 3\n  what it is: six\n    methods with the\n    recipes of the\n"
        "    lottery-ticket paper\n\n"
    )


def test_a_pipe_gets_the_full_width() -> None:
    listing = table("a", "b")
    listing.add_row("x" * 70, "y" * 70)
    assert f"{'x' * 70}   {'y' * 70}" in printed(listing, 100, tty=False)


def test_columns_are_aligned_in_ascii() -> None:
    listing = table("tuned − own", "n")
    listing.add_row("0.41 ± 0.20", "3")
    listing.add_row("none", "4")
    lines = printed(listing, 80, encoding="ascii").splitlines()
    assert "tuned - own" in lines[1]
    assert "0.41 +/- 0.20" in lines[3]
    assert len({line.rindex("|") for line in lines[3:5]}) == 1


def test_short_fields_of_a_record_share_a_line() -> None:
    named = [("n", "3"), ("", ""), ("steps", "1,000"), ("", "reused"), ("stop", "480")]
    assert list(records(named, 24)) == ["  n: 3   steps: 1,000", "  reused   stop: 480"]
