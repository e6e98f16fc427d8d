"""The part of a journal that belongs to some suites."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lth_bench.errors import UnknownName
from lth_bench.store.journal import decode, encode, is_ticket, whole_lines


def copy_suites(journal: Path, suites: Sequence[str], target: Path) -> None:
    """Copy complete records to a file: those of the suites, or all if none is given.

    Results of their experiments are included whatever suite they were run for; runs and plans of
    other suites are not. UnknownName for a suite that the journal does not have.
    """
    wanted = _experiments(journal, suites) if suites else set()
    with target.open("wb") as file:
        for offset, line in whole_lines(journal):
            file.write(
                _part(decode(line, journal, offset), line, suites, wanted) if suites else line
            )


def _part(record: dict[str, Any], line: bytes, suites: Sequence[str], wanted: set[str]) -> bytes:
    """The part of a line that belongs to the suites; may be empty."""
    if record["record"] == "planned":
        chosen = [e for e in planned(record) if e.get("suite") in suites]
        return encode({**record, "experiments": chosen}) if chosen else b""
    if record["record"] in ("run", "trial", "workers", "look"):
        return line if record.get("suite") in suites else b""
    return line if str(record.get("experiment_id")) in wanted else b""


def planned(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The experiments of a `planned` record."""
    found = record.get("experiments")
    return [e for e in found if isinstance(e, dict)] if isinstance(found, list) else []


def _experiments(journal: Path, suites: Sequence[str]) -> set[str]:
    """The experiments planned by the suites."""
    wanted: set[str] = set()
    known: set[str] = set()
    for offset, line in whole_lines(journal):
        if is_ticket(line):
            continue
        record = decode(line, journal, offset)
        if record["record"] == "planned":
            for experiment in planned(record):
                known.add(str(experiment.get("suite")))
                if experiment.get("suite") in suites:
                    wanted.add(str(experiment.get("experiment_id")))
    for suite in suites:
        if suite not in known:
            raise UnknownName("suite", suite, known)
    return wanted
