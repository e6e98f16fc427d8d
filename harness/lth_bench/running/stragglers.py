"""Which experiments take much longer than similar ones, while they run and afterwards."""

from __future__ import annotations

import bisect
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lth_bench.running.executors.simulated import Pace
from lth_bench.running.executors.worker import COMPANY
from lth_bench.running.progress import ExperimentStarted, Straggling, title

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment

FACTOR = 3.0
"""Times the expected duration from which an experiment is a straggler."""
LEAST = 10.0
"""Seconds beyond the expected duration below which it is none: those are a busy machine's."""
SIMILAR = 3
"""Ended experiments that tell what similar ones take."""
AGAIN = 2.0
"""A straggler is told of again when it has taken so many times as long as when last told."""

Similar = tuple[tuple[str, str, str], bool, object, str]
"""Of similar experiments: the task, whether they train more than the dense run, the batch size, on
which the time of a step depends, and in a tuning the label, as of its studies; else ""."""


@dataclass(kw_only=True)
class _Running:
    experiment: Experiment
    worker: str
    kind: Similar
    steps: int
    since: float
    told: float = 0.0
    """Seconds that it had taken when last told of; 0 before."""
    spent: int = 0
    """Steps of its trainings that really ran; it found the others."""


class StragglerWatch:
    """Compares how long each experiment takes with what similar ones took, per step of their plan:
    the median of those of the same task and batch size that ended in this run and trained half of
    their steps or more; and, where earlier runs tell it, the pace of the task, whichever is longer.

    Trials of a tuning are compared within their study alone: there are many, and what parameters
    cost beside trainings is closer to each other than to another strategy's. One whose batch size
    no other three have is never called late.
    """

    def __init__(
        self,
        paces: Mapping[tuple[str, str, str], Pace] | None = None,
        now: Callable[[], float] = time.monotonic,
        *,
        trials: bool = False,
    ) -> None:
        """`paces` are those of tasks in earlier runs; `trials`: these are of a tuning."""
        self._now, self._trials = now, trials
        # in a full pool each experiment has the cohort for a part of the time
        self._paces = {
            task: pace.seconds * (COMPANY if pace.size > 1 else 1)
            for task, pace in (paces or {}).items()
        }
        self._running: dict[str, _Running] = {}
        self._rates: dict[Similar, list[float]] = defaultdict(list)
        """Seconds a step, sorted; of those that train the dense run alone, seconds."""

    def started(self, event: ExperimentStarted) -> None:
        """A worker has it; from another one's time nothing is kept."""
        e = event.experiment
        self._running[e.experiment_id] = _Running(
            experiment=e,
            worker=event.worker,
            kind=(
                e.task,
                event.steps > 0,
                e.recipe.get("batch_size"),
                e.label if self._trials else "",
            ),
            steps=max(1, event.steps),
            since=self._now(),
        )

    def stopped(self, experiments: Sequence[Experiment]) -> None:
        """These run no more, and start again."""
        for e in experiments:
            self._running.pop(e.experiment_id, None)

    def take(self, record: Mapping[str, Any]) -> Straggling | None:
        """A ticket's record, or the end of an experiment: what became of a straggler."""
        one = self._running.get(str(record.get("experiment_id")))
        if one is None:
            return None
        if record["record"] != "experiment":
            one.spent += int((record.get("cost") or {}).get("spent_steps") or 0)
            return None
        del self._running[one.experiment.experiment_id]
        seconds = self._now() - one.since
        found = self._straggling(one, seconds, ended=True) if one.told else None
        trained = one.spent * 2 >= one.steps if one.kind[1] else one.spent > 0
        if record.get("status") == "ok" and trained:
            bisect.insort(self._rates[one.kind], seconds / one.steps)
        return found

    def late(self) -> Iterator[Straggling]:
        """Those that have become stragglers, or are for twice as long as when last told of."""
        for one in self._running.values():
            seconds, expected = self._now() - one.since, self._expected(one)
            if expected is None or seconds < max(FACTOR * expected, expected + LEAST):
                continue
            if seconds >= AGAIN * one.told:
                one.told = seconds
                yield self._straggling(one, seconds)

    def _straggling(self, one: _Running, seconds: float, ended: bool = False) -> Straggling:
        return Straggling(
            experiment_id=one.experiment.experiment_id,
            title=title(one.experiment),
            worker=one.worker,
            seconds=seconds,
            expected_seconds=self._expected(one) or 0.0,
            ended=ended,
        )

    def _expected(self, one: _Running) -> float | None:
        """Seconds; None where neither this run nor an earlier one tells."""
        rates, found = self._rates[one.kind], list[float]()
        if len(rates) >= SIMILAR:
            found.append(one.steps * rates[len(rates) // 2])
        if one.kind[1] and one.kind[0] in self._paces:
            found.append(one.steps * self._paces[one.kind[0]])
        return max(found, default=None)
