"""A stranger's journal through every command that reads: shown, or one error with the line."""

from __future__ import annotations

import csv
import json
import math
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lth_bench.errors import UserError
from lth_bench.store import Paths, fold
from lth_bench.store.database import open_safe
from lth_bench.store.glossary import VIEWS
from lth_bench.store.journal import encode
from lth_bench.store.staging import COLUMNS

RECORDS = runpy.run_path(str(Path(__file__).parents[1] / "store" / "records.py"))
SCENARIO = RECORDS["Scenario"](
    strategies=("dense", "imp", "snip"), seeds=(0, 1, 2), controls=("reinit",), densities=(0.5,)
)
THEIRS = RECORDS["Scenario"](
    strategies=("dense", "imp", "snip"), seeds=(3, 4), controls=("reinit",), densities=(0.5,),
    run_id="run-2",
)  # fmt: skip
ID = THEIRS.experiments()[-1]["experiment_id"]
WHOLE = "seed", "round", "number"
"""Places of whole numbers, beside those that the columns say."""


def good() -> list[dict[str, Any]]:
    records = [*SCENARIO.records(), *list(RECORDS["Search"]().records())[:4]]
    found: list[dict[str, Any]] = json.loads(json.dumps(records))
    return found


def spoilt(value: Any, name: str = "") -> Any:
    """With an @ in place of every number that may have a fraction."""
    if isinstance(value, dict):
        return {k: spoilt(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [spoilt(v, name) for v in value]
    fraction = isinstance(value, float) or "accuracy" in name
    return "@" if fraction and COLUMNS.get(name) != "BIGINT" and name not in WHOLE else value


def journal(paths: Paths, number: str) -> None:
    """Good results, and others that have this in place of their numbers."""
    lines = [encode(record) for record in good()]
    theirs = json.loads(json.dumps([*THEIRS.records(), *list(RECORDS["Search"]().records())[4:9]]))
    bad = [encode(spoilt(r) if r["record"] in ("ticket", "trial") else r) for r in theirs]
    assert sum(line.count(b'"@"') for line in bad) > 100
    lines += [line.replace(b'"@"', number.encode()) for line in bad]
    paths.journal.write_bytes(b"".join(lines))


COMMANDS = [
    ["leaderboard"], ["leaderboard", "--by", "area"], ["leaderboard", "--by", "matching"],
    ["leaderboard", "--by", "cost"], ["leaderboard", "--by", "speed"],
    ["leaderboard", "--by", "ingredients"],
    ["leaderboard", "--format", "json"], ["compare", "imp", "snip"], ["show", ID], ["why", ID],
    ["report", "--output", "report.html"], ["query", "FROM tickets_flat"],
    ["query", "FROM curves", "--format", "json"], ["export", "csv", "--output", "tables"],
    ["gc"], ["db", "info"], ["db", "rebuild"], ["doctor"],
    ["claims", "mnist_lenet"], ["merge", "results.duckdb", "--results", "merged.duckdb"],
]  # fmt: skip


SLOW = [pytest.param(n, marks=pytest.mark.slow) for n in ('"nan"', "-1" + "0" * 400, '"-inf"')]


@pytest.mark.parametrize("number", ["1e999", *SLOW])
def test_nan_and_infinity_are_null_in_every_command(here: Any, number: str) -> None:
    paths = Paths(here.results)
    journal(paths, number)
    for command in COMMANDS:
        done = here(*command, code=0)
        assert "error:" not in done.stderr, command
    with open_safe(paths) as con:
        for view in VIEWS:
            con.execute(f"FROM {view} ORDER BY ALL")
            for row in con.fetchall():
                assert all(map(math.isfinite, numbers(row))), (view, row)
    for file in (here.folder / "tables").glob("*.csv"):
        with file.open() as opened:
            words = {word.lower() for row in csv.reader(opened) for word in row}
        assert not words & {"nan", "inf", "-inf", "infinity"}, file


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, float):
        yield value
    elif not isinstance(value, str | bytes) and hasattr(value, "__iter__"):
        for item in value:
            yield from numbers(item)


@pytest.mark.slow
@pytest.mark.parametrize("number", ["-Infinity", "NaN"])
def test_numbers_that_json_lacks_are_an_error_with_the_line(here: Any, number: str) -> None:
    paths = Paths(here.results)
    journal(paths, number)
    lines = paths.journal.read_bytes().splitlines()
    line = next(i for i, text in enumerate(lines, 1) if number.encode() in text)
    for command in COMMANDS:
        if command[0] in ("leaderboard", "query", "doctor", "gc") or command == ["db", "info"]:
            continue  # the first two read as `compare` does; the others tell it among other things
        done = here(*command, code=4)
        (said,) = [x for x in done.stderr.splitlines() if x.startswith("error:")]
        assert f"results.journal.jsonl, line {line} is not a record" in said, command


WRONG = [
    ("ticket", {"curve": 5}), ("ticket", {"density": "half"}), ("ticket", {"layers": {"a": 1}}),
    ("experiment", {"seconds": [1]}), ("planned", {"experiments": 3}), ("trial", {"values": "x"}),
    ("ticket", {"cost": {"steps": 1.5e300}}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field"), WRONG)
@pytest.mark.parametrize("after", [0, 60])
def test_a_wrong_type_is_an_error_with_the_line(
    tmp_path: Path, kind: str, field: dict[str, Any], after: int
) -> None:
    """Also where some of the journal was folded before, and where empty lines count."""
    paths = Paths(tmp_path / "results.duckdb")
    lines = [encode(record) for record in good()] * (1 + after // 50)
    paths.journal.write_bytes(b"".join(lines[:after]))
    if after:
        fold(paths)
    bad = encode({"record": kind, "experiment_id": "x", "ticket_id": "y", **field})
    rest = [b"\n", *lines[after : after + 5], bad, *lines[:2]]
    with paths.journal.open("ab") as file:
        file.write(b"".join(rest))
    at = paths.journal.read_bytes().splitlines().index(bad.rstrip()) + 1
    with pytest.raises(UserError, match=rf"results\.journal\.jsonl, line {at} is not a record"):
        fold(paths)
