"""The layout's bounds: what lies where, how long modules are, and that a name means one thing."""

from __future__ import annotations

import runpy
from pathlib import Path
from statistics import median

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
