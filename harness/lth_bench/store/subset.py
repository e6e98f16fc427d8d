"""The part of a journal that belongs to some suites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lth_bench.errors import UnknownName
from lth_bench.store.journal import decode, encode, is_ticket, whole_lines

OF_SUITE = ("run", "trial", "workers", "look")
"""Records that name the one suite that they are of."""


@dataclass(kw_only=True)
class Wanted:
    """What belongs to some suites."""

    suites: Sequence[str]
    experiments: set[str] = field(default_factory=set)
    """Ids of those that they planned."""
    runs: set[str] = field(default_factory=set)
    """Ids of theirs."""


def copy_suites(journal: Path, suites: Sequence[str], target: Path) -> None:
    """Copy complete records to a file: those of the suites, or all if none is given.

    Results of their experiments are included whatever suite they were run for; runs and plans of
    other suites are not. UnknownName for a suite that the journal does not have.
    """
    wanted = _wanted(journal, suites) if suites else None
    with target.open("wb") as file:
        for offset, line in whole_lines(journal):
            if wanted is not None:
                line = _part(decode(line, journal, offset), line, wanted)
            file.write(line)


def _part(record: dict[str, Any], line: bytes, wanted: Wanted) -> bytes:
    """The part of a line that belongs to the suites; may be empty."""
    if record["record"] == "planned":
        chosen = [e for e in planned(record) if e.get("suite") in wanted.suites]
        return encode({**record, "experiments": chosen}) if chosen else b""
    if record["record"] in OF_SUITE:
        return line if record.get("suite") in wanted.suites else b""
    if "experiment_id" in record:
        return line if str(record["experiment_id"]) in wanted.experiments else b""
    return line if str(record.get("run_id")) in wanted.runs else b""  # how a run or tuning goes


def planned(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The experiments of a `planned` record."""
    found = record.get("experiments")
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def _wanted(journal: Path, suites: Sequence[str]) -> Wanted:
    """What the suites planned and ran."""
    wanted = Wanted(suites=suites)
    known: set[str] = set()
    for offset, line in whole_lines(journal):
        if is_ticket(line):
            continue
        record = decode(line, journal, offset)
        if record["record"] == "run" and record.get("suite") in suites:
            wanted.runs.add(str(record.get("run_id")))
        elif record["record"] == "planned":
            for experiment in planned(record):
                known.add(str(experiment.get("suite")))
                if experiment.get("suite") in suites:
                    wanted.experiments.add(str(experiment.get("experiment_id")))
    for suite in suites:
        if suite not in known:
            raise UnknownName("suite", suite, known)
    return wanted
