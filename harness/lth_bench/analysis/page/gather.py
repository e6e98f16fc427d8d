"""Reads all that the report shows: evidence, leaderboards, verdicts, claims, tuning."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lth_bench.analysis import evidence as proofs
from lth_bench.analysis.boards import matching, metric
from lth_bench.analysis.boards.baseline import Baselines, baselines
from lth_bench.analysis.boards.censoring import never_reached
from lth_bench.analysis.boards.judging import Words
from lth_bench.analysis.boards.notes import ablations, collapses, shares, starts, unlike
from lth_bench.analysis.boards.rows import BoardRow, origin
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.card import Card, TaskCard, cards
from lth_bench.analysis.claims import claims_board
from lth_bench.analysis.compare.literature import literature
from lth_bench.analysis.evidence import Run
from lth_bench.analysis.gains import TuningGain, gain_at_density
from lth_bench.analysis.leaderboard import Question, by_metric, leaderboard
from lth_bench.analysis.measures import ACCURACY, Measure, measured, named_once
from lth_bench.analysis.page.facts import ReportFacts, Standing, SuiteReport, TaskReport
from lth_bench.analysis.samples import Sample, display_name, samples
from lth_bench.analysis.table import Board
from lth_bench.analysis.task_names import spoken
from lth_bench.errors import NothingSelected, UnknownName, UserError
from lth_bench.stats import Summary, differences
from lth_bench.store.trials import Study, read_studies
from lth_bench.system.text import printable

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

CellKey = tuple[float, str, str, str]
"""Target density, label, control, and MODEL/DATASET/RECIPE of where the ticket was found."""


def gather_report(
    con: DuckDBPyConnection, suites: Sequence[str] = (), metric: str | None = None
) -> ReportFacts:
    """Everything about the suites asked for (none: about all), by a metric; None, and `score`, is
    each task's primary metric.

    UnknownName for a suite or a metric that is not there. Without suites where nothing is planned.
    """
    there = {place.suite for place in proofs.places(con)} | _tuned_suites(con)
    for name in suites:
        if name not in there:
            raise UnknownName("suite", name, there)
    asked = None if metric is None or metric == "score" else measured(con, metric)
    if [asked] == (_primary(con, suites) or [ACCURACY]):
        asked = None  # their own it is by default
    return ReportFacts(suite_facts(con, suites, asked), proofs.subjects(con), asked)


def _primary(con: DuckDBPyConnection, suites: Sequence[str]) -> list[Measure]:
    """What the tasks of these suites are judged by, each metric once."""
    found = proofs.primary_of_places(con)
    return named_once(
        known for place, known in found.items() if not suites or place.suite in suites
    )


def suite_facts(
    con: DuckDBPyConnection, suites: Sequence[str] = (), asked: Measure | None = None
) -> list[SuiteReport]:
    """By name. Empty where nothing is planned. `asked` as of `ReportFacts`."""
    found = proofs.gather(con, suites, asked)
    studies: dict[str, list[Study]] = defaultdict(list)
    for study in read_studies(con, suites):
        studies[study.suite].append(study)
    if not found:
        return _tuned_only(con, studies, asked)
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in proofs.runs(con, suites):
        runs[run.suite].append(run)
    moved: dict[str, list[proofs.TransferGrids]] = defaultdict(list)
    for one in proofs.transfers(con, suites, asked):
        moved[one.suite].append(one)
    tasks: dict[str, list[TaskReport]] = defaultdict(list)
    answers = _cards(con, suites, asked)
    against = baselines(con, resolve(con, Selection(suites=suites)))
    by_task = {key: task for card in answers.values() for key, task in _by_task(card).items()}
    for task in _tasks(con, suites, found, asked, against):
        where = (task.place.suite, "/".join(task.place.task))
        tasks[task.place.suite].append(replace(task, card=by_task.get(where)))
    reported = [
        SuiteReport(
            name=name,
            tasks=those,
            runs=runs[name],
            boards=_boards(con, name, asked),
            claims=claims_board(con, name, asked),
            transfers=moved[name],
            studies=studies[name],
            gains=_gains(those, studies[name], against),
            asked=asked,
            card=answers.get(name),
        )
        for name, those in tasks.items()
    ]
    rest = {name: those for name, those in studies.items() if name not in tasks}
    return sorted([*reported, *_tuned_only(con, rest, asked)], key=lambda suite: suite.name)


def _tasks(
    con: DuckDBPyConnection,
    suites: Sequence[str],
    found: Sequence[proofs.TaskEvidence],
    asked: Measure | None,
    against: Baselines,
) -> list[TaskReport]:
    """Each task's evidence with its rows of the leaderboards."""
    scope = against.scope
    by_task: dict[tuple[str, str], list[BoardRow]] = defaultdict(list)
    by_cell: dict[tuple[str, str], dict[CellKey, Sample]] = defaultdict(dict)
    for sample in samples(con, metric="score" if asked is None else asked.name, suites=suites):
        key = (sample.target_density, sample.label, sample.control, sample.source)
        by_cell[sample.suite, sample.task][key] = sample
    matched: dict[tuple[str, str], list[BoardRow]] = defaultdict(list)
    for measure, part in [(asked, scope)] if asked is not None else by_metric(con, scope):
        for row in metric.rows(con, part, against, measure=measure):
            by_task[row["suite"], _task(row)].append(row)
        tickets = resolve(con, Selection(suites=suites, controls=["none"])).of([*part.tasks])
        if never_reached(con, part, measure):  # a match computes with values that are not known
            continue
        try:
            for row in matching.rows(con, tickets, against, measure=measure):
                matched[row["suite"], _task(row)].append(row)
        except NothingSelected:  # no ticket yet
            pass
    notes = {
        "unlike": unlike(con, scope),
        "ablations": ablations(con, scope),
        "collapses": collapses(con, scope),
        "share": shares(con, scope),
        "starts": starts(con, scope),
    }
    by_suite: dict[str, list[proofs.Task]] = defaultdict(list)
    for evidence in found:
        by_suite[evidence.place.suite].append(evidence.place.task)
    names = {suite: spoken(those) for suite, those in by_suite.items()}
    tasks = []
    for evidence in found:
        place = evidence.place
        where = (place.suite, "/".join(place.task))
        own = against.of_suite(place.suite)
        tasks.append(
            TaskReport(
                evidence=evidence,
                name=printable(names[place.suite][place.task]),
                standings=_standings(by_task[where], by_cell[where], own),
                words=Words.of(evidence.measure, own, None),
                versus=own.short,
                against=own.word,
                matching=matched[where],
                notes={key: said[name] for key, said in notes.items()
                 if (name := (place.suite, *place.task)) in said},
            )
        )  # fmt: skip
    return tasks


def _cards(
    con: DuckDBPyConnection, suites: Sequence[str], asked: Measure | None
) -> dict[str, Card]:
    """By suite; of those that have tickets."""
    name = None if asked is None else asked.name
    question = Question(metric=name, selection=Selection(suites=suites))
    try:
        rows = leaderboard(con, question).rows
    except UserError:  # nothing to compare
        return {}
    return {card.suite: card for card in cards(con, question, rows)}


def _by_task(card: Card) -> dict[tuple[str, str], TaskCard]:
    """By suite and MODEL/DATASET/RECIPE."""
    return {(card.suite, _task(task.rows[0].row)): task for task in card.tasks if task.rows}


def _tuned_suites(con: DuckDBPyConnection) -> set[str]:
    """Suites that have been tuned, also those without a result yet."""
    rows = con.execute("SELECT DISTINCT suite FROM trials WHERE suite IS NOT NULL").fetchall()
    return {name for (name,) in rows}


def _tuned_only(
    con: DuckDBPyConnection, studies: Mapping[str, Sequence[Study]], asked: Measure | None
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
            asked=asked,
        )
        for name, found in sorted(studies.items())
        if found
    ]


def _boards(con: DuckDBPyConnection, suite: str, asked: Measure | None) -> dict[str, Board]:
    """The leaderboards of a suite that there are results for."""
    selection = Selection(suites=[suite], controls=["none"])
    name = None if asked is None else asked.name
    questions = {
        by: Question(by=by, metric=name, selection=selection)
        for by in ("matching", "area", "cost", "budget", "transfer")
    }
    questions["across"] = Question(metric=name, across=True, selection=selection)
    found = {}
    for kind, question in questions.items():
        try:
            board = leaderboard(con, question)
        except UserError:  # nothing to compare, such as no dense run, or a single task
            continue
        if any(row["strategy"] != "dense" for row in board.rows):
            found[kind] = board
    if asked is None:
        with contextlib.suppress(NothingSelected):  # nothing was measured
            found["latency"] = leaderboard(con, Question(by="latency", selection=selection))
        with contextlib.suppress(NothingSelected):  # no paper has such a task
            found["literature"] = literature(con, suites=[suite])
    return found


def _standings(
    rows: Sequence[BoardRow], samples: Mapping[CellKey, Sample], against: Baselines
) -> tuple[Standing, ...]:
    found = []
    for row in rows:
        source = "/".join((row["source_model"], row["source_dataset"], row["source_recipe"]))
        key = (row["target_density"], row["label"], row["control"], source)
        sample = samples[key]
        versus_ticket = None
        ticket = samples.get((key[0], key[1], "none", source))
        if sample.control != "none" and ticket is not None:
            pairs = differences(sample.values, ticket.values)
            if pairs:
                versus_ticket = Summary.of(pairs.values()).floored(sample.step).interval()
        name = display_name(sample.label, sample.control, origin(row))
        found.append(
            Standing(
                row=row,
                sample=sample,
                name=name,
                is_baseline=against.has(row),
                versus_ticket=versus_ticket,
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


def _gains(
    tasks: Sequence[TaskReport], studies: Sequence[Study], against: Baselines
) -> list[TuningGain]:
    """Every tuned label against the same at the suite's own settings."""
    by_id = {study.study_id: study for study in studies}
    found = []
    for task in tasks:
        own = {(s.sample.label, s.density): s for s in task.tickets}
        for tuned in task.tickets:
            study = by_id.get(tuned.row["tuned_from"] or "")
            default = own.get((study.label, tuned.density)) if study is not None else None
            if study is not None and default is not None:
                suite = task.place.suite
                found.append(
                    gain_at_density(
                        task.name, tuned.name, default.sample, tuned.sample,
                        seen=study.seeds, steps=tuned.row["tuning_steps"], measure=task.measure,
                        margin=against.margin_of(suite, None, task.measure),
                        level=against.level(suite),
                    )
                )  # fmt: skip
    return found


def _task(row: BoardRow) -> str:
    return "/".join((row["model"], row["dataset"], row["recipe"]))
