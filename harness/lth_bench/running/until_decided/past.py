"""What earlier runs leave for one that adds seeds until decided, read from the journal."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lth_bench.store.journal import decode, is_ticket, whole_lines
from lth_bench.store.paths import Paths

if TYPE_CHECKING:
    from lth_bench.running.pending import PendingWork


@dataclass(kw_only=True)
class Past:
    """Records, in the order in which they were written."""

    tickets: list[dict[str, Any]] = field(default_factory=list)
    """Of experiments that have ended and stay."""
    begun: list[str] = field(default_factory=list)
    """Experiments that were begun and have not ended, as after a kill."""
    looks: list[dict[str, Any]] = field(default_factory=list)

    def known(self, ended: Mapping[str, str]) -> list[dict[str, Any]]:
        """The records of what has ended: the tickets, then each experiment's end."""
        ends = [
            {"record": "experiment", "experiment_id": identity, "status": status}
            for identity, status in ended.items()
        ]
        return [*self.tickets, *ends]


def past(paths: Paths, left: PendingWork, planned: Collection[str]) -> Past:
    """What the journal has of these planned experiments.

    A ticket from other data than today's is none: its experiment is to be done again, so that it is
    not among those that stay.
    """
    found = Past()
    begun: dict[str, None] = {}
    for offset, line in whole_lines(paths.journal):
        if is_ticket(line):
            record = decode(line, paths.journal, offset)
            if record.get("experiment_id") in left.ended:
                found.tickets.append(record)
            continue
        if not line.startswith((b'{"record":"begun"', b'{"record":"look"')):
            continue
        record = decode(line, paths.journal, offset)
        if record["record"] == "look":
            found.looks.append(record)
        elif (identity := str(record.get("experiment_id"))) in planned:
            begun[identity] = None
    found.begun = [identity for identity in begun if identity not in left.ended]
    return found
