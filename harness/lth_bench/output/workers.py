"""Sentences about the workers of a run: what they do now, what they did, and who is late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lth_bench.output.words import counted, duration
from lth_bench.running.progress import Straggling
from lth_bench.running.usage import WorkerState, WorkerUse, efficiency

DOES: dict[WorkerState, str] = {
    "starting": "starting",
    "queued": "waiting for others' results",
    "idle": "done",
    "gone": "left out",
}
"""States of workers that are not busy."""


def doing(uses: Sequence[WorkerUse]) -> str:
    """What the workers of a run do now: `62 of 64 workers busy, 2 done`."""
    states = Counter(use.state for use in {use.slot: use for use in uses}.values())
    others = [f"{states[state]} {words}" for state, words in DOES.items() if states[state]]
    total = sum(states.values())
    return ", ".join([f"{states['busy']} of {counted(total, 'worker')} busy", *others])


def summed_up(uses: Sequence[WorkerUse]) -> str | None:
    """What the workers of a run did with their time, in a line; None where none had any."""
    share = efficiency(uses)
    if share is None:
        return None
    available = sum(use.available_seconds for use in uses)
    spent = {
        "starting": sum(use.starting_seconds for use in uses),
        "waiting for others' results": sum(use.queued_seconds for use in uses),
        "with nothing left": sum(use.idle_seconds for use in uses),
    }
    parts = [f"{s / available:.0%} {what}" for what, s in spent.items() if s >= 0.005 * available]
    places = len({use.slot for use in uses})
    text = f"{counted(places, 'worker')}, busy {share:.0%} of the time"
    text += f" ({', '.join(parts)})" if parts else ""
    training = sum(use.training_seconds for use in uses)
    if training:
        steps = sum(use.steps for use in uses) / training
        examples = sum(use.examples for use in uses) / training
        text += f"; each trained {steps:,.0f} steps/s, {examples:,.0f} examples/s"
    if retries := sum(use.retries for use in uses):
        text += f"; {counted(retries, 'experiment')} retried"
    return text


def lateness(event: Straggling, seconds: float | None = None) -> str:
    """An experiment that is late, on which worker, and by how much."""
    so_far = duration(event.seconds if seconds is None else seconds)
    where = f" on {event.worker}" if event.worker else ""
    return f"{event.title}{where}: {so_far} so far, {duration(event.expected_seconds)} expected"
