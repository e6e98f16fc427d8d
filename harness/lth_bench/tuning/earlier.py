"""What the journal already holds of tuning's experiments: no experiment is run twice."""

from __future__ import annotations

import re
from typing import Any

from lth_bench.store.journal import bad_record, decode, is_ticket, whole_lines
from lth_bench.store.paths import Paths
from lth_bench.training.keys import digest
from lth_bench.tuning.trial import Outcome

_ID = re.compile(rb'"experiment_id":"([0-9a-f]+)"')


def earlier_outcomes(paths: Paths, done: frozenset[str]) -> dict[str, Outcome]:
    """experiment_id → outcome, of the experiments scored on validation that ended as in `done`.

    UserError for a record that lacks what is read of it.
    """
    found: dict[str, Outcome] = {}
    for offset, line in whole_lines(paths.journal):
        if is_ticket(line):
            # tickets are most of a journal; those of reported results need no parsing
            match = _ID.search(line)
            if match is None or match[1].decode() not in found:
                continue
        record = decode(line, paths.journal, offset)
        try:
            _take(found, record)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            why = f"a field is missing or of the wrong type: {type(error).__name__} {error}"
            raise bad_record(paths.journal, offset, why) from error
    return {key: outcome for key, outcome in found.items() if outcome.status in done}


def _take(found: dict[str, Outcome], record: dict[str, Any]) -> None:
    if record["record"] == "planned":
        for item in record["experiments"]:
            if item.get("scored_on") == "validation":
                dataset = digest((item.get("config") or {}).get("dataset"))
                found.setdefault(item["experiment_id"], Outcome(dataset=dataset))
    elif record["record"] in ("ticket", "experiment") and record["experiment_id"] in found:
        found[record["experiment_id"]].take(record)
