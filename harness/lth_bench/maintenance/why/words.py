"""The answer of `why` as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lth_bench.system.printable import printable

Record = dict[str, Any]
MOST = 12
"""Trainings that are listed; `--json` has all."""


def worded(found: Record) -> str:
    """A few lines for a person, names from the database made safe."""
    return "\n".join(printable(line) for line in _lines(found))


def _lines(found: Record) -> Iterator[str]:
    e = found["experiment"]
    yield (
        f"{e['experiment_id']}: {e['label']} on {e['model']} · {e['dataset']} · {e['recipe']}, "
        f"seed {e['seed']}, suite {e['suite']}"
    )
    reason = str(found["reason"] or "").splitlines()
    yield f"status    {found['status']}" + (f": {reason[0]}" if reason else "")
    if found["planned_by"] is not None:
        run = found["planned_by"]
        yield f"planned   by run {run['run_id']}, {_when(run['recorded_at'])}: {run['command']}"
    if found["ended_by"] is not None:
        yield f"ended     in run {found['ended_by']['run_id']}, {_when(found['ended_by']['at'])}"
    if found["data"]["replaced"] is not None:
        yield (
            f"because   the data of {e['dataset']} had changed: its results before were from other "
            f"data ({found['data']['replaced'][:12]} then)"
        )
    else:
        yield from _compared("because", found["earlier"])
    yield from _compared("replaced", found["later"])
    yield from _shared(found["trainings"])
    yield f"now       {found['now']}"
    for note in found["notes"]:
        yield f"note      {note}"


def _compared(what: str, other: Record | None) -> Iterator[str]:
    if other is None:
        if what == "because":
            yield "because   nothing was planned in its place before"
        return
    word = "the last one here" if what == "because" else "planned since"
    yield (
        f"{what:<9} of {other['experiment_id']}, {word} ({other['status']}, run "
        f"{other['run_id']}), it differs in"
        if what == "because"
        else f"replaced  by {other['experiment_id']}, {word} (run {other['run_id']}), which has"
    )
    for change in other["changed"]:
        yield f"            {change}"


def _shared(trainings: list[Record]) -> Iterator[str]:
    if not trainings:
        return
    own = sum(t["trained_here"] for t in trainings)
    yield f"trainings {len(trainings)}: {own} trained for it, {len(trainings) - own} found finished"
    for t in trainings[:MOST]:
        who = (
            "trained for it"
            if t["trained_here"]
            else f"found; {t['trained_by'] or 'an unknown experiment'} had trained it"
        )
        steps = "" if t["steps"] is None else f"{t['steps']:,} steps, "
        gone = "" if t["kept"] else ", not on disk"
        yield f"            {t['key'][:12]}  round {t['round']}, {steps}{who}{gone}"
    if len(trainings) > MOST:
        yield f"            and {len(trainings) - MOST} more (--json has all)"


def _when(at: object) -> str:
    return str(at or "at an unknown time").replace("T", " ")[:19]
