from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.output.answer import print_answer
from lth_bench.store.query import Answer


def shown(columns: tuple[str, ...], *rows: tuple[Any, ...], format: str = "table",
          width: int | None = None) -> str:  # fmt: skip
    out = io.StringIO()
    print_answer(Answer(columns, iter(rows)), format, out, width)
    return out.getvalue()


def test_a_table_aligns_numbers_right() -> None:
    text = shown(("label", "mean"), ("imp", 0.97123456), ("a longer one", None), (None, 12.5))
    assert text == (
        "label             mean\n"
        "────────────  ────────\n"
        "imp           0.971235\n"
        "a longer one\n"
        "                  12.5\n"
        "(3 rows)\n"
    )


def test_the_row_count_is_singular_for_one() -> None:
    assert shown(("x",), (1,)).endswith("(1 row)\n")
    assert shown(("x",)).endswith("(0 rows)\n")


def test_a_wide_table_is_printed_row_by_row() -> None:
    text = shown(("name", "value"), ("a", "x" * 50), ("b", 2), width=40)
    assert "row 1" in text
    assert "name   a\nvalue  " + "x" * 50 in text
    assert "value  2\n(2 rows)\n" in text


def test_control_characters_are_escaped() -> None:
    text = shown(("a\x1b",), ("\x1b[2J\nx",), (["\x07"],))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert len(text.splitlines()) == 5


def test_json_is_one_object_without_nan() -> None:
    text = shown(("a", "b"), (math.nan, [1, math.inf]), ("ü", {"k": None}), format="json")
    assert json.loads(text) == {
        "columns": ["a", "b"],
        "rows": [{"a": None, "b": [1, None]}, {"a": "ü", "b": {"k": None}}],
    }


def test_csv_keeps_every_digit() -> None:
    value = 0.1 + 0.2
    text = shown(("a", "b"), (value, 'quo"te,\nline'), (None, [1, "x"]), format="csv")
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b"], [repr(value), 'quo"te,\nline'], ["", '[1, "x"]']
    ]  # fmt: skip


def test_markdown_escapes_pipes_and_line_breaks() -> None:
    text = shown(("a|b",), ("x|y\nz\\",), format="markdown")
    assert text == "| a\\|b |\n| --- |\n| x\\|y z\\\\ |\n"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(UserError, match="unknown format 'latex'; choose from: table, json"):
        shown(("x",), format="latex")
