"""Sentences about the workers of a run."""

from __future__ import annotations

from lth_bench.output.workers import doing, summed_up
from lth_bench.running.usage import WorkerUse


def use(slot: int, **more: object) -> WorkerUse:
    return WorkerUse(slot=slot, worker="a cpu", host="a", device="cpu", **more)  # type: ignore[arg-type]


def test_what_they_did_is_a_line() -> None:
    uses = [
        use(0, starting_seconds=4.0, busy_seconds=96.0, training_seconds=50.0, steps=5000,
            examples=300_000),
        use(1, busy_seconds=80.0, queued_seconds=12.0, idle_seconds=8.0, retries=2),
    ]  # fmt: skip
    assert summed_up(uses) == (
        "2 workers, busy 88% of the time (2% starting, 6% waiting for others' results, 4% with "
        "nothing left); each trained 100 steps/s, 6,000 examples/s; 2 experiments retried"
    )


def test_who_did_nothing_is_no_line() -> None:
    assert summed_up([]) is None and summed_up([use(0)]) is None
    assert summed_up([use(0, busy_seconds=1.0)]) == "1 worker, busy 100% of the time"


def test_a_place_that_moved_is_one_worker() -> None:
    assert doing([use(0, state="busy"), use(0, state="starting")]) == (
        "0 of 1 worker busy, 1 starting"
    )
