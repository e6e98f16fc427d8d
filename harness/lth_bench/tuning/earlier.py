"""What the journal already holds of tuning's experiments: no experiment is run twice."""

from __future__ import annotations

import re

from lth_bench.store.journal import decode, is_ticket, whole_lines
from lth_bench.store.paths import Paths
from lth_bench.tuning.trial import Outcome

_ID = re.compile(rb'"experiment_id":"([0-9a-f]+)"')


def earlier_outcomes(paths: Paths, done: frozenset[str]) -> dict[str, Outcome]:
    """experiment_id → outcome, of the experiments scored on validation that ended as in `done`."""
    found: dict[str, Outcome] = {}
    for offset, line in whole_lines(paths.journal):
        if is_ticket(line):
            # tickets are most of a journal; those of reported results need no parsing
            match = _ID.search(line)
            if match is None or match[1].decode() not in found:
                continue
        record = decode(line, paths.journal, offset)
        if record["record"] == "planned":
            for item in record["experiments"]:
                if item.get("scored_on") == "validation":
                    found.setdefault(item["experiment_id"], Outcome())
        elif record["record"] in ("ticket", "experiment") and record["experiment_id"] in found:
            found[record["experiment_id"]].take(record)
    return {key: outcome for key, outcome in found.items() if outcome.status in done}
