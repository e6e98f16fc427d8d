"""What a file of rows says of itself: each key held to its type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lth_bench.store.rows_metadata import FORMAT, LOOKS, look_records, looks_table, metadata

LOOK = (
    "mlp", "digits", "short", "imp", 0.2, "mlp", "digits", "short", 3, "better", "decided",
    0.01, 0.001, 0.004, None, 0.005, 8, "dense", "test_accuracy",
)  # fmt: skip
SAID: dict[str, Any] = {
    "format": FORMAT, "suite": "mine", "suite_version": "1", "suite_toml": "", "overrides": [],
    "baseline": "dense", "command": "lth-bench run mine", "date": "2026-01-31",
    "environment": {"torch": "2.15.0", "git": None, "packages": {"numpy": "2.4.6"}},
    "decide": {"margin": None, "max_seeds": 8}, "looks": looks_table([LOOK]),
}  # fmt: skip


def test_what_a_run_writes_is_sound() -> None:
    assert metadata(json.dumps(SAID)) == (SAID, [])
    fixed = {key: value for key, value in SAID.items() if key not in ("decide", "looks")}
    assert metadata(json.dumps(fixed).encode()) == (fixed, [])


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("format", "1", 'format in its metadata must be a whole number, but is "1"'),
        ("format", 99, f"it is of format 99, and this version reads {FORMAT}"),
        ("suite", 5, "suite in its metadata must be a text, but is 5"),
        ("suite_version", 1.5, "must be a text or a whole number, but is 1.5"),
        ("suite_toml", None, "must be a text, but is null"),
        ("overrides", "a=1", "must be a list of texts"),
        ("overrides", [1], "must be a list of texts"),
        ("baseline", ["dense"], "must be a text"),
        ("command", {}, "must be a text"),
        ("date", "yesterday", "must be a date such as 2026-01-31"),
        ("date", 20260131, "must be a date"),
        ("environment", [], "must be an object of texts, and its packages another, but is []"),
        ("environment", {"torch": 2}, "must be an object of texts"),
        ("environment", {"packages": ["numpy"]}, "must be an object of texts"),
        ("environment", {"packages": "numpy"}, "must be an object of texts"),
        ("decide", 8, "must be an object with margin"),
        ("decide", {"margin": None}, "must be an object with margin"),
        ("decide", {"margin": "wide", "max_seeds": 8}, "must be an object with margin"),
        ("decide", {"margin": None, "max_seeds": True}, "must be an object with margin"),
        ("decide", {"margin": 10**400, "max_seeds": 8}, "must be an object with margin"),
        ("looks", [], "looks in its metadata must be an object with lists of equal length"),
        ("looks", {**SAID["looks"], "n": []}, "must be an object with lists of equal length"),
        ("looks", {**SAID["looks"], "n": ["3"]}, "must be an object with lists"),
        ("looks", {**SAID["looks"], "p": [float("nan")]}, "must be an object with lists"),
    ],
)
def test_a_value_of_another_type_is_one_short_sentence(key: str, value: Any, told: str) -> None:
    _, wrong = metadata(json.dumps({**SAID, key: value}))
    assert len(wrong) == 1 and told in wrong[0] and len(wrong[0]) < 500


@pytest.mark.parametrize(
    "text", [None, b"", "no JSON", "[1]", "[" * 100_000, '{"format": 1}', b"\xff\xfe"]
)
def test_what_is_no_such_object_is_told(text: Any) -> None:
    assert metadata(text)[1][0].startswith("its metadata has no 'lth_bench' with format, suite")


def test_a_look_that_lacks_a_value_is_not_written() -> None:
    assert looks_table([LOOK, (*LOOK[:8], None, *LOOK[9:])]) == looks_table([LOOK])
    assert looks_table([LOOK])["n"] == [3]


def test_looks_become_records_as_a_run_writes_them() -> None:
    (record,) = look_records(SAID, "rows", "2026-01-31T00:00:00+00:00")
    assert {record[key] for key in ("record", "suite", "label", "run_id")} == {
        "look", "mine", "imp", "rows",
    }  # fmt: skip
    assert record["target_density"] == LOOK[4] and "label" not in record["look"]
    assert {*record["look"]} == {*LOOKS} - {"model", "dataset", "recipe", "label", "target_density"}
    assert list(look_records({"suite": "mine"}, "rows", "")) == []
