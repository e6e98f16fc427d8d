"""A run whose seeds are added until its comparisons are decided: what is due goes to the schedule,
and every look to the journal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.analysis.seed_pairs import verdict_in_order
from lth_bench.running.executors.schedule import Schedule
from lth_bench.running.pending import PendingWork
from lth_bench.running.progress import Event, ExperimentStarted, Recorded, SeedsAdded, title
from lth_bench.running.recorder import Recorder, write_planned, write_started
from lth_bench.running.shard import part_of
from lth_bench.running.until_decided.past import past
from lth_bench.running.until_decided.seeds import DueSeeds
from lth_bench.running.until_decided.units import SeedRow, SeedUnit
from lth_bench.stats.sequential import look_after
from lth_bench.store.paths import Paths, results_option

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.running.plan import Plan, Planned

ERROR = 0.05
"""Of each row: the most that it may be called different, or equivalent, by mistake."""


@dataclass(kw_only=True)
class Due:
    """Seeds that are added, as a run finds them."""

    seeds: DueSeeds
    told: list[dict[str, Any]]
    """The records of looks that the journal has."""


class RunWork(NamedTuple):
    """What a run does."""

    plan: Plan
    """What it has as planned when it begins."""
    left: PendingWork
    due: Due | None = None
    """None at a fixed number of seeds."""


def due_first(whole: Plan, paths: Paths, left: PendingWork) -> RunWork:
    """Of a plan up to the maximum of seeds, and what of it is left: what is due at first, and what
    has ended.
    """
    planned = {p.experiment.experiment_id for p in whole.experiments}
    left = _without_stuck(whole, paths, left, planned)
    found = past(paths, left, planned)
    seeds = DueSeeds(whole)
    seeds.begin(found.known(left.ended), found.begun)
    mine = [p for p in whole.experiments if p.experiment.experiment_id in seeds.due]
    todo = [p for p in mine if p.experiment.experiment_id not in left.ended]
    return RunWork(
        part_of(whole, mine), replace(left, todo=todo), Due(seeds=seeds, told=found.looks)
    )


def _without_stuck(
    whole: Plan, paths: Paths, left: PendingWork, planned: Collection[str]
) -> PendingWork:
    """The same without retries of seeds that a verdict left out: back in their place they would
    move every later pair, and a verdict that stuck could become another.
    """
    if not left.retried:
        return left
    before = replace(left, ended={**left.ended, **left.retried})
    seeds = DueSeeds(whole)
    seeds.begin(past(paths, before, planned).known(before.ended), ())
    kept = {i: left.retried[i] for i in seeds.left_out() if i in left.retried}
    if not kept:
        return left
    one = len(kept) == 1
    note = (
        f"{len(kept)} experiment{'' if one else 's'} that ended without a result "
        f"{'is' if one else 'are'} not retried: comparisons were decided without "
        f"{'its seed' if one else 'their seeds'}, and seeds that come late change no verdict; "
        f"--rerun trains everything again"
    )
    return replace(
        left,
        todo=[p for p in left.todo if p.experiment.experiment_id not in kept],
        ended={**left.ended, **kept},
        retried={i: status for i, status in left.retried.items() if i not in kept},
        notes=[*left.notes, note],
    )


class UntilDecided:
    """Stands between the executor and the recorder of a run."""

    def __init__(self, *, due: Due, plan: Plan, recorder: Recorder) -> None:
        """`plan` has every experiment up to the maximum."""
        self.seeds, self.plan, self.recorder = due.seeds, plan, recorder
        self.schedule = Schedule(())
        self.schedule.more = self._more
        self._told = {_place(record): _said(record) for record in due.told}
        """Of each look that the journal has, what its newest record says: the one that counts."""
        self._changed: set[tuple[Any, ...]] = set()
        """Comparisons of which a look is new or says something else than before."""
        self._waiting: dict[str, Planned] = {}
        """Added, and not begun yet."""
        self._later: dict[int, list[Planned]] = {}
        """By the look that it is for: due, and not in the schedule yet."""

    def begin(self, sound: Sequence[Planned]) -> Schedule:
        """The schedule of what is due at first, without what cannot run: that gets no seeds."""
        self._tell_looks()
        self.seeds.leave_to({p.experiment.task for p in sound})
        self.schedule.add(sound)
        return self.schedule

    def handle(self, event: Event) -> None:
        """An executor's event or a worker's; the journal gets it first."""
        if isinstance(event, ExperimentStarted):
            self._plan_now(event.experiment)
        self.recorder.handle(event)
        if isinstance(event, Recorded):
            due = self.seeds.take(event.record)
            self._tell_looks()
            for item in self._added(due):
                look = look_after(item.experiment.seed, self.seeds.rule.max_seeds)
                self._later.setdefault(look, []).append(item)
            if not len(self.schedule):
                self.schedule.add(self._next_batch())

    def _next_batch(self) -> list[Planned]:
        """What is due for the look at the fewest seeds: of all labels together, so that cohorts are
        full, and no chain of looks of a long method keeps the first look of others waiting.
        """
        return self._later.pop(min(self._later)) if self._later else []

    def _more(self, task: str | None) -> list[Planned]:
        """Where nothing waits: what is due, or one look ahead."""
        return self._next_batch() or self._added(self.seeds.ahead(task))

    def _added(self, items: list[Planned]) -> list[Planned]:
        """The same, of which those who listen know."""
        if items:
            self._waiting |= {p.experiment.experiment_id: p for p in items}
            self.recorder.summary.planned += len(items)
            self.recorder.emit(self._event(items))
        return items

    def _plan_now(self, experiment: Experiment) -> None:
        """A seed that was added has a row as soon as it begins, and not before: what a kill leaves
        is then what the next run goes on with.
        """
        item = self._waiting.pop(experiment.experiment_id, None)
        if item is not None:
            journal, run_id = self.recorder.journal, self.recorder.run_id
            event = self._event([item])
            write_planned(journal, run_id, event.experiments)
            write_started(journal, run_id, event)

    def _event(self, items: Sequence[Planned]) -> SeedsAdded:
        return SeedsAdded(
            steps={
                p.experiment.experiment_id: max(1, p.steps or self._dense_steps(p)) for p in items
            },
            trainings=sum(max(1, len(p.fits)) for p in items),
            titles={p.experiment.experiment_id: title(p.experiment) for p in items},
            experiments=[p.experiment.planned_record() for p in items],
        )

    def _dense_steps(self, item: Planned) -> int:
        return self.plan.dense_runs.get((*item.experiment.task, item.experiment.seed), 0)

    def _tell_looks(self) -> None:
        for unit, row, i in self.seeds.new_looks():
            record = look_record(unit, row, i, self.plan.suite.baseline)
            place, said = _place(record), _said(record)
            # with it go all later ones, so that a comparison's last look is its newest record
            if self._told.get(place) != said or place[1:] in self._changed:
                self._changed.add(place[1:])
                self._told[place] = said
                self.recorder.journal.append({**record, "run_id": self.recorder.run_id})


def conclusion(seeds: DueSeeds, plan: Plan, results: Path) -> list[str]:
    """What became of the comparisons in these results, in sentences."""
    most = seeds.rule.max_seeds
    kinds: Counter[str] = Counter()
    for unit in seeds.units.values():
        for row in unit.rows:
            found = verdict_in_order(row.pairs, unit.rule, unit.measure, unit.step(seeds.outcomes))
            kinds[found.stop.why if found.stop else "to come"] += 1
    words = {
        "decided": "decided",
        "futile": f"stopped as unlikely to be decided by {most} seeds",
        "maximum": f"still open at {most} seeds",
        "lost": "lost a seed",
        "skipped": "cannot reach their density",
        "no baseline": f"without a baseline, as {plan.suite.baseline} lost seeds",
        "dropped": "without a pair, as seeds ran out of memory or time",
        "to come": "not decided yet",
    }
    told = ", ".join(f"{kinds[why]} {word}" for why, word in words.items() if kinds[why])
    due, fixed = len(seeds.due), len(plan.experiments)
    count = kinds.total()
    compared = f"{count} comparison{'' if count == 1 else 's'}"
    return [
        f"{compared}: {told or 'none'}; expect {ERROR * count:.1f} wrong at most",
        *_what_to_do(kinds, plan.suite.baseline, results_option(results)),
        f"{due} experiments, where {most} seeds of everything are {fixed}",
    ]


def _what_to_do(kinds: Mapping[str, int], baseline: str, results: str) -> list[str]:
    """About comparisons whose first three seeds gave no pair, which no rerun by itself changes."""
    found = []
    if kinds["no baseline"]:
        found.append(
            f"{baseline} lost seeds among the first three of a task, and without it nothing is "
            f'decided there: `lth-bench query{results} "FROM failures"` has the reasons; once '
            f"that is fixed, run again with --retry all"
        )
    if kinds["dropped"]:
        found.append(
            "where the first three seeds ran out of memory or time no more are added: run again "
            "with --retry oom --retry timeout and more memory or a longer --timeout"
        )
    return found


def look_record(unit: SeedUnit, row: SeedRow, i: int, baseline: str) -> dict[str, Any]:
    """The journal's record of a look (`store.run_records.LookRecord`), without its run."""
    experiment = next(iter(unit.by_seed.values())).experiment
    plan, verdict = experiment.planned_record(), row.looks[i]
    assert verdict.stop is not None
    summary = verdict.summary
    names = ("suite", "model", "dataset", "recipe", "label")
    return {
        "record": "look",
        **{name: plan[name] for name in names},
        "target_density": row.density,
        "look": {
            "n": verdict.stop.at,
            "verdict": verdict.kind,
            "stop": None if verdict.stop.why == "to come" else verdict.stop.why,
            "difference": None if summary is None else summary.mean,
            "deviation": None if summary is None else summary.deviation,
            "p": verdict.p,
            "p_equivalent": verdict.p_equivalent,
            "margin": verdict.margin,
            "max_seeds": verdict.stop.maximum,
            "baseline": baseline,
            "metric": unit.measure.name,
            **{name: plan[name] for name in ("source_model", "source_dataset", "source_recipe")},
        },
    }


def _place(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Which look a record is of, its number of pairs first: of two with one place the newer one
    counts.
    """
    look = record.get("look") or {}
    names = ("suite", "model", "dataset", "recipe", "label", "target_density")
    source = ("source_model", "source_dataset", "source_recipe")
    of = (*(record.get(name) for name in names), *(look.get(name) for name in source))
    return (look.get("n"), *of)


def _said(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """What it says of the look."""
    look = record.get("look") or {}
    names = ("verdict", "stop", "difference", "margin", "max_seeds", "baseline", "metric")
    return tuple(look.get(name) for name in names)
