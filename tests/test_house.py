"""The layout's bounds: what lies where, how long modules are, and that a name means one thing."""

from __future__ import annotations

import ast
import runpy
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

COUNT = runpy.run_path(str(Path(__file__).parent / "house" / "count.py"))
MODULES = COUNT["modules"](COUNT["PACKAGE"])
LENGTHS = {name: COUNT["lines"](file) for name, file in MODULES.items()}


def test_nothing_lies_loose_at_the_top() -> None:
    assert COUNT["loose"](MODULES) == []


def test_a_module_is_one_idea() -> None:
    assert 100 <= median(LENGTHS.values()) <= 160
    assert max(LENGTHS.values()) <= 400
    short = [name for name, n in LENGTHS.items() if n < COUNT["SHORT"]]
    assert len(short) < len(MODULES) / 10, short


def test_no_modules_import_each_other() -> None:
    assert COUNT["circles"](MODULES) == []


def test_a_name_means_one_thing() -> None:
    assert COUNT["two_meanings"](MODULES) == {}


def test_constructors_take_more_than_four_arguments_by_name() -> None:
    counts = COUNT["constructors"](MODULES)
    assert counts["running.recorder.Recorder"] == 0 and counts["data.arrays.Arrays"] == 4
    assert {name: n for name, n in counts.items() if n > 4} == {}


def test_functions_take_more_than_five_arguments_by_name() -> None:
    counts = COUNT["functions"](MODULES)
    assert {name: n for name, n in counts.items() if n > 5} == {}


SHOWS = ("cli.", "output.")
"""Rooms that show rows and compute none."""
READS = (*SHOWS, "tuning.", "maintenance.", "running.")
"""Rooms that take every statistic from `analysis` or `stats`."""
TIMES = "maintenance.selftest."
"""Measures the speed of a device, and no results."""
MATHS = {"statistics", "numpy", "scipy", "pandas"}


def leaks(name: str, tree: ast.AST) -> Iterator[str]:
    """What a module computes or asks itself that is another room's: `line: what`.

    A connection that was opened elsewhere can be asked without an import of duckdb, and a mean or a
    deviation taken without one of `stats`: import-linter sees neither.
    """
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            whence = [node.module or ""] if isinstance(node, ast.ImportFrom) else names
            found = {top for module in whence if (top := module.partition(".")[0]) in MATHS}
            if "statistics" in found or (found and name.startswith(SHOWS)):
                yield f"{line}: imports {', '.join(sorted(found))}"
        if not name.startswith(SHOWS):
            continue
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in ("execute", "executemany", "sql"):
            yield f"{line}: asks the database"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and _is_a_mean(node):
            yield f"{line}: takes a mean"


def _is_a_mean(node: ast.BinOp) -> bool:
    """sum(x) / len(x), and its like."""
    calls = [side.func for side in (node.left, node.right) if isinstance(side, ast.Call)]
    names = [getattr(func, "id", getattr(func, "attr", "")) for func in calls]
    return len(names) == 2 and names[0] in ("sum", "fsum") and names[1] == "len"


def test_what_shows_results_computes_none() -> None:
    found = {
        name: told
        for name, file in MODULES.items()
        if name.startswith(READS)
        and not name.startswith(TIMES)
        and (told := list(leaks(name, ast.parse(file.read_text(encoding="utf-8")))))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("name", "code", "what"),
    [
        ("cli.x", "con.execute('SELECT 1')", ["1: asks the database"]),
        ("output.x", "import numpy as np", ["1: imports numpy"]),
        ("output.x", "m = sum(x) / len(x)", ["1: takes a mean"]),
        ("tuning.x", "from statistics import fmean", ["1: imports statistics"]),
        ("maintenance.x", "con.execute('SELECT 1')", []),
        ("running.x", "import numpy", []),
    ],
)
def test_the_leaks_that_imports_do_not_show_are_found(
    name: str, code: str, what: list[str]
) -> None:
    assert list(leaks(name, ast.parse(code))) == what


def test_a_run_emits_events_and_prints_nothing() -> None:
    """`output.progress` draws them; what a person reads is decided there."""
    rooms = ("running.", "lottery.", "training.", "tuning.", "analysis.", "stats.")
    printing = [
        name
        for name, file in MODULES.items()
        if name.startswith(rooms)
        for node in ast.walk(COUNT["tree"](file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("print", "sys.stderr.write")
    ]
    assert printing == []
