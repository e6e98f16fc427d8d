"""Reads all that the report shows: evidence, leaderboards, verdicts, claims, tuning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lth_bench.analysis import evidence as proofs
from lth_bench.analysis.boards.notes import ablations, collapses, shares, unlike
from lth_bench.analysis.boards.rows import BoardRow, origin
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.claims import claims_board
from lth_bench.analysis.evidence import Run
from lth_bench.analysis.leaderboard import Question, leaderboard, rows
from lth_bench.analysis.page.facts import (
    Judgement,
    ReportFacts,
    Standing,
    SuiteReport,
    TaskReport,
    TuningGain,
)
from lth_bench.analysis.samples import Sample, display_name, samples
from lth_bench.analysis.table import Board
from lth_bench.errors import UnknownName, UserError
from lth_bench.stats import Interval, Summary, differences, judge
from lth_bench.store.trials import Study, read_studies

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CellKey = tuple[float, str, str, str]
"""Target density, label, control, and MODEL/DATASET/RECIPE of where the ticket was found."""


def gather_report(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> ReportFacts:
    """Everything about the suites asked for (none: about all).

    UnknownName for one that is not there. Without suites where nothing is planned.
    """
    there = {place.suite for place in proofs.places(con)} | _tuned_suites(con)
    for name in suites:
        if name not in there:
            raise UnknownName("suite", name, there)
    return ReportFacts(suite_facts(con, suites), proofs.subjects(con))


def suite_facts(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[SuiteReport]:
    """By name. Empty where nothing is planned."""
    found = proofs.gather(con, suites)
    studies: dict[str, list[Study]] = defaultdict(list)
    for study in read_studies(con, suites):
        studies[study.suite].append(study)
    if not found:
        return _tuned_only(con, studies)
    by_task: dict[tuple[str, str], list[BoardRow]] = defaultdict(list)
    for row in rows(con, suites=suites):
        by_task[row["suite"], _task(row)].append(row)
    by_cell: dict[tuple[str, str], dict[CellKey, Sample]] = defaultdict(dict)
    for sample in samples(con, suites=suites):
        key = (sample.target_density, sample.label, sample.control, sample.source)
        by_cell[sample.suite, sample.task][key] = sample
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in proofs.runs(con, suites):
        runs[run.suite].append(run)
    scope = resolve(con, Selection(suites=suites))
    notes, controls = unlike(con, scope), ablations(con, scope)
    collapsed, share = collapses(con, scope), shares(con, scope)
    tasks: dict[str, list[TaskReport]] = defaultdict(list)
    for evidence in found:
        place = evidence.place
        where = (place.suite, "/".join(place.task))
        tasks[place.suite].append(
            TaskReport(
                evidence=evidence,
                standings=_standings(by_task[where], by_cell[where]),
                unlike=notes.get((place.suite, *place.task), ""),
                ablations=controls.get((place.suite, *place.task), ""),
                collapses=collapsed.get((place.suite, *place.task), ""),
                share=share.get((place.suite, *place.task), ""),
            )
        )
    reported = [
        SuiteReport(
            name=name,
            tasks=those,
            runs=runs[name],
            boards=_boards(con, name),
            claims=claims_board(con, name),
            studies=studies[name],
            gains=_gains(those, studies[name]),
        )
        for name, those in tasks.items()
    ]
    rest = {name: those for name, those in studies.items() if name not in tasks}
    return sorted([*reported, *_tuned_only(con, rest)], key=lambda suite: suite.name)


def _tuned_suites(con: DuckDBPyConnection) -> set[str]:
    """Suites that have been tuned, also those without a result yet."""
    rows = con.execute("SELECT DISTINCT suite FROM trials WHERE suite IS NOT NULL").fetchall()
    return {name for (name,) in rows}


def _tuned_only(
    con: DuckDBPyConnection, studies: Mapping[str, Sequence[Study]]
) -> list[SuiteReport]:
    """Suites of which there is nothing but a search for parameters."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in proofs.runs(con, sorted(studies)) if studies else ():
        runs[run.suite].append(run)
    return [
        SuiteReport(
            name=name,
            tasks=(),
            runs=runs[name],
            boards={},
            claims=Board("claims", [], []),
            studies=found,
        )
        for name, found in sorted(studies.items())
        if found
    ]


def _boards(con: DuckDBPyConnection, suite: str) -> dict[str, Board]:
    """The leaderboards of a suite that there are results for."""
    selection = Selection(suites=[suite], controls=["none"])
    questions = {by: Question(by=by, selection=selection) for by in ("matching", "area", "cost")}
    questions["across"] = Question(across=True, selection=selection)
    found = {}
    for kind, question in questions.items():
        try:
            board = leaderboard(con, question)
        except UserError:  # nothing to compare, such as no dense run, or a single task
            continue
        if any(row["strategy"] != "dense" for row in board.rows):
            found[kind] = board
    return found


def _standings(rows: Sequence[BoardRow], samples: Mapping[CellKey, Sample]) -> tuple[Standing, ...]:
    dense = min(
        (s for s in samples.values() if s.strategy == "dense"),
        key=lambda s: (s.label != "dense", s.label),
        default=None,
    )
    found = []
    for row in rows:
        source = "/".join((row["source_model"], row["source_dataset"], row["source_recipe"]))
        key = (row["target_density"], row["label"], row["control"], source)
        sample = samples[key]
        verdict = versus_ticket = None
        if dense is not None and sample.strategy != "dense":
            pairs = differences(sample.values, dense.values)
            summary = Summary.of(pairs.values()) if pairs else None
            lost = len(sample.lost)
            if pairs or lost:
                verdict = Judgement.of(
                    judge(summary, lost=lost, planned=sample.planned, step=sample.step)
                )
        ticket = samples.get((key[0], key[1], "none", source))
        if sample.control != "none" and ticket is not None:
            pairs = differences(sample.values, ticket.values)
            if pairs:
                versus_ticket = Summary.of(pairs.values()).floored(sample.step).interval()
        name = display_name(sample.label, sample.control, origin(row))
        found.append(
            Standing(
                row=row, sample=sample, name=name, verdict=verdict, versus_ticket=versus_ticket
            )
        )
    return _controls_after_tickets(found)


def _controls_after_tickets(found: Sequence[Standing]) -> tuple[Standing, ...]:
    """Rows come by density and rank, all controls of a density last."""
    own: dict[tuple[float, str, str], list[Standing]] = defaultdict(list)
    for s in found:
        ticket = (s.density, s.sample.label, s.sample.source)
        own[ticket].insert(0 if s.sample.control == "none" else len(own[ticket]), s)
    return tuple(sorted(
        (s for group in own.values() for s in group), key=lambda s: -s.density
    ))  # fmt: skip


def _gains(tasks: Sequence[TaskReport], studies: Sequence[Study]) -> list[TuningGain]:
    """Every tuned label against the same at the suite's own settings."""
    by_id = {study.study_id: study for study in studies}
    found = []
    for task in tasks:
        own = {(s.sample.label, s.density): s for s in task.tickets}
        for standing in task.tickets:
            study = by_id.get(standing.row["tuned_from"] or "")
            default = own.get((study.label, standing.density)) if study is not None else None
            if study is not None and default is not None:
                found.append(_gain(task.place.task.title, default, standing, {*study.seeds}))
    return found


def _gain(task: str, own: Standing, tuned: Standing, seen: set[int]) -> TuningGain:
    """Without the seeds that the search used."""
    mine, theirs = (_fresh(s.sample, seen) for s in (tuned, own))
    pairs = differences(mine.values, theirs.values)
    summary = Summary.of(pairs.values()) if pairs else None
    lost = len(mine.lost | theirs.lost)
    verdict = None
    if summary is not None or lost:
        verdict = Judgement.of(judge(summary, lost=lost, planned=mine.planned, step=mine.step))
    return TuningGain(
        task=task,
        name=tuned.name,
        density=tuned.density,
        own=_accuracy(theirs),
        tuned=_accuracy(mine),
        difference=None if summary is None else summary.floored(mine.step).interval(),
        verdict=verdict,
        pairs=len(pairs),
        steps=tuned.row["tuning_steps"],
    )


def _accuracy(sample: Sample) -> Interval | None:
    return Summary.of(sample.values.values()).interval() if sample.values else None


def _fresh(sample: Sample, seen: set[int]) -> Sample:
    """The sample without these seeds."""
    return replace(
        sample,
        values={seed: value for seed, value in sample.values.items() if seed not in seen},
        lost=sample.lost - seen,
        skipped=sample.skipped - seen,
        missing=sample.missing - seen,
    )


def _task(row: BoardRow) -> str:
    return "/".join((row["model"], row["dataset"], row["recipe"]))
