"""The part of a journal that belongs to some suites: every kind of record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lth_bench.errors import UnknownName
from lth_bench.store.journal import encode
from lth_bench.store.subset import copy_suites


def of_run(suite: str, run: str) -> list[dict[str, Any]]:
    """A run's records of every kind, with one experiment that is named after the run."""
    experiment = {"experiment_id": f"e-{run}", "suite": suite}
    records: list[dict[str, Any]] = [
        {"record": "run", "suite": suite},
        {"record": "started", "work": {"steps": {f"e-{run}": 5}}},
        {"record": "tuning", "opening": f"{suite}: one study", "studies": []},
        {"record": "planned", "experiments": [experiment]},
        {"record": "begun", "experiment_id": f"e-{run}"},
        {"record": "straggler", "experiment_id": f"e-{run}", "seconds": 9.0},
        {"record": "retried", "experiment_ids": [f"e-{run}"], "reason": "its worker died"},
        {"record": "note", "message": "slow"},
        {"record": "ticket", "experiment_id": f"e-{run}", "ticket_id": f"t-{run}"},
        {"record": "experiment", "experiment_id": f"e-{run}", "status": "ok"},
        {"record": "trial", "suite": suite, "number": 0},
        {"record": "look", "suite": suite, "label": "imp"},
        {"record": "workers", "suite": suite, "workers": []},
        {"record": "tuned"},
    ]
    return [{**record, "at": "2026-01-31T00:00:00+00:00", "run_id": run} for record in records]


def part(tmp_path: Path, suites: list[str]) -> list[dict[str, Any]]:
    journal, target = tmp_path / "all.jsonl", tmp_path / "part.jsonl"
    records = [*of_run("mine", "run-1"), *of_run("other", "run-2")]
    journal.write_bytes(b"".join(map(encode, records)))
    copy_suites(journal, suites, target)
    return [json.loads(line) for line in target.read_bytes().splitlines()]


def test_every_record_of_a_suite_is_kept_and_none_of_another(tmp_path: Path) -> None:
    """Those of a tuning too, which name their run alone: followers would see it never end."""
    assert part(tmp_path, ["mine"]) == of_run("mine", "run-1")
    assert part(tmp_path, ["other"]) == of_run("other", "run-2")


def test_without_a_suite_everything_is_kept(tmp_path: Path) -> None:
    assert part(tmp_path, []) == [*of_run("mine", "run-1"), *of_run("other", "run-2")]


def test_a_suite_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown suite 'mime'"):
        part(tmp_path, ["mime"])
