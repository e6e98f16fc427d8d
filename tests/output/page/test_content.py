from __future__ import annotations

from lth_bench.analysis.table import Cell, Table
from lth_bench.output.page.content import Name, clean, clean_lines, grid_of, named


def test_control_characters_are_removed() -> None:
    assert clean("a\nb\u001b[31m\u202ec") == "a b�[31m�c"
    assert clean_lines("a\r\nb\tc\u0000\n") == "a\nb   c�"
    assert clean(3) == "3"


def test_a_table_of_the_terminal_becomes_a_grid() -> None:
    table = Table(
        header=("method", "n"),
        blocks=[[(Cell("imp", "best"), Cell("3"))], [(Cell("snip"), Cell("2"))]],
        title="mlp",
        notes=("a note",),
    )
    grid = grid_of(table)
    assert grid.caption == "mlp"
    assert [(c.title, c.numeric) for c in grid.columns] == [("method", False), ("n", True)]
    assert [(row.cells[0].text, row.first) for row in grid.rows] == [("imp", True), ("snip", True)]
    assert list(grid.notes) == ["a note"]


def test_lists_keep_names_as_names() -> None:
    assert named(["a", "b"]) == [Name("a"), " and ", Name("b")]
    assert named(list("abcd"), 3) == [Name("a"), ", ", Name("b"), " and ", "2 more"]
