"""Merges results from elsewhere into a journal, as if they had been run here.

Local results are kept. A merge adds what is missing: experiments, tickets of densities and controls
that have none, and results where there is only a failure or nothing yet. Checkpoints are not
merged.

A suite's settings, and a label's configuration on a task, are those planned last. If both sides
have plans, they are ordered by time, and plans out of that order are written again. So a merge
gives the same in either direction, and repeating one that was killed completes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lth_bench.errors import UserError
from lth_bench.store.fold import FoldReport, fold
from lth_bench.store.history import PlannedEarlier, Result, read_history, task_of
from lth_bench.store.journal import Journal
from lth_bench.store.origin import find_journal
from lth_bench.store.paths import Paths
from lth_bench.store.replay import Pick, lines, replay
from lth_bench.system.temporary import temporary_folder


@dataclass(frozen=True, kw_only=True)
class MergeReport:
    """What was merged from one set of results."""

    source: Path
    experiments_new: int
    experiments_known: int
    tickets_new: int
    """Finished rounds, including intermediate ones."""
    tickets_known: int
    filled: int
    """Experiments that had failed or were unfinished here, and now have a better outcome."""
    different: int
    """Experiments with different results there and here; the local one is kept."""
    configurations: tuple[str, ...]
    """Labels on tasks whose newest configurations differ, and which one counts."""
    records: int
    """Records written."""
    trials_new: int = 0
    """Trials of tuning."""


def merge(own: Paths, others: Sequence[Path]) -> tuple[list[MergeReport], FoldReport]:
    """Merge results from elsewhere into `own`, one after another, and fold them.

    All are checked before anything is written. UserError for results that are missing, damaged,
    newer, not lth-bench's, or `own` themselves; if a run writes to `own`; and if `own` is a
    database without its journal.
    """
    _check_own(own)
    with temporary_folder("lth-bench-merge-") as folder:
        journals = [
            find_journal(other, own, Path(folder) / f"{number}.jsonl")
            for number, other in enumerate(others)
        ]
        with Journal(own) as journal:
            reports = [
                merge_journal(journal, other, theirs)
                for other, theirs in zip(others, journals, strict=True)
            ]
    return reports, fold(own, patience=2.0)


def _check_own(own: Paths) -> None:
    if own.journal.exists():
        fold(own, patience=0.0)  # raises if something is wrong with ours
    elif own.results.exists() and own.results.stat().st_size:
        raise UserError(
            f"{own.results} has no journal beside it to merge into; merge it and the others into "
            f"new results: `lth-bench merge {own.quoted} … --results NEW.duckdb`"
        )


def merge_journal(journal: Journal, source: Path, theirs: Path) -> MergeReport:
    """Append to an open journal everything it lacks from the journal `theirs`, in one write.

    `source` is the user's name for it.
    """
    ours = journal.paths.journal
    here, there = read_history(ours), read_history(theirs)
    known, found = here.experiments(), there.experiments()
    places = [p for key, p in there.places.items() if _better(p, here.places.get(key))]
    rounds = [
        r
        for key, r in there.rounds.items()
        if key not in here.rounds and not _is_result(here.outcomes.get(r.experiment))
    ]
    ends = [end for key, end in there.outcomes.items() if _better(end, here.outcomes.get(key))]
    trials = [trial for key, trial in there.trials.items() if _better(trial, here.trials.get(key))]
    others = [offset for key, offset in there.others.items() if key not in here.others]
    picks = replay(here.runs, there.runs, ours, theirs)
    picks += replay(here.plans, there.plans, ours, theirs)
    # in their order: an experiment's end follows its tickets
    results = [*(x.offset for x in (*places, *rounds, *ends, *trials)), *others]
    picks += [Pick(theirs, offset) for offset in sorted(results)]
    if picks:
        journal.extend(lines(picks))
    tickets = len(places) + len(rounds)
    return MergeReport(
        source=source,
        experiments_new=len(found - known),
        experiments_known=len(found & known),
        tickets_new=tickets,
        tickets_known=len(there.places) + len(there.rounds) - tickets,
        filled=sum(end.experiment in known for end in ends),
        different=_different(here.places, there.places),
        configurations=tuple(_configurations(here.plans, there.plans)),
        records=len(picks),
        trials_new=len(trials),
    )


def _better(theirs: Result, ours: Result | None) -> bool:
    return ours is None or theirs.worth > ours.worth


def _is_result(result: Result | None) -> bool:
    return result is not None and result.final


def _different(here: Mapping[str, Result], there: Mapping[str, Result]) -> int:
    """Experiments with another result there at a density with a result here."""
    found = set()
    for key, theirs in there.items():
        ours = here.get(key)
        if ours is not None and ours.final and theirs.final and ours.outcome != theirs.outcome:
            found.add(theirs.experiment)
    return len(found)


def _configurations(
    here: Mapping[str, PlannedEarlier], there: Mapping[str, PlannedEarlier]
) -> Iterator[str]:
    ours, theirs = (
        {plan.group: plan for plan in sorted(plans.values(), key=lambda p: p.when)}
        for plans in (here, there)
    )
    for group, plan in theirs.items():
        if group in ours and ours[group].config_id != plan.config_id:
            newer = "there" if plan.when >= ours[group].when else "here"
            yield f"{task_of(group)}: the one planned {newer} is newer, and counts"
