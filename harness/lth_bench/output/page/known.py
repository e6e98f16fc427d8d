"""What the sections are made from: the evidence of a task, its leaderboard, and its verdicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.analysis import evidence as proofs
from lth_bench.analysis.boards.notes import ablations, collapses, shares, unlike
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.boards.scope import Selection, resolve
from lth_bench.analysis.claims import claims_board
from lth_bench.analysis.evidence import Evidence, Place, Run
from lth_bench.analysis.leaderboard import Question, leaderboard, rows
from lth_bench.analysis.samples import Sample, samples
from lth_bench.analysis.table import Board
from lth_bench.errors import UserError
from lth_bench.output.page.budget import Budget, budget_of
from lth_bench.stats import Interval, Summary, Verdict, differences, judge
from lth_bench.store.trials import Study, read_studies

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Key = tuple[float, str, str, str]
"""Target density, label, control, and MODEL/DATASET/RECIPE of where the ticket was found."""


@dataclass(frozen=True)
class Standing:
    """What the seeds of one cell say of it, beside the leaderboard's row."""

    row: BoardRow
    sample: Sample
    name: str
    """LABEL or LABEL/CONTROL, and where it is from if transferred."""
    verdict: Verdict | None
    """Against the dense run of the same seed; None for the dense run, and where there is none."""
    versus_ticket: Interval | None
    """A control's difference to its own ticket, seed by seed."""

    @property
    def density(self) -> float:
        """The target."""
        return self.sample.target_density

    @property
    def places(self) -> tuple[int, int] | None:
        """Best and worst rank it could have among the tickets of its density; None for what is not
        ranked, and where there are too many pairs to test.
        """
        low, high = self.row["rank_low"], self.row["rank_high"]
        return None if low is None or high is None else (low, high)

    @property
    def is_dense(self) -> bool:
        """Whether this is the unpruned network."""
        return self.sample.strategy == "dense"

    @property
    def is_ticket(self) -> bool:
        """Whether it is ranked: neither dense nor a control."""
        return not self.is_dense and self.sample.control == "none"


@dataclass(frozen=True)
class TaskKnown:
    """One task of one suite."""

    evidence: Evidence
    standings: Sequence[Standing]
    """In the leaderboard's order: from dense to sparse, by rank, controls after their ticket."""
    budget: Budget
    unlike: str = ""
    """What its labels were not trained alike in; empty where they were."""
    ablations: str = ""
    """Which controls there are not, or only in part, and why; empty where there is no such one."""
    collapses: str = ""
    """Which tickets have a layer without weights; empty where none has."""
    share: str = ""
    """How little of the network is prunable; empty where it is nearly all."""

    @property
    def place(self) -> Place:
        """Suite and task."""
        return self.evidence.place

    @property
    def dense(self) -> Standing | None:
        """The dense run that all are compared with."""
        found = [s for s in self.standings if s.is_dense]
        return min(found, key=lambda s: (s.sample.label != "dense", s.sample.label), default=None)

    @property
    def densities(self) -> list[float]:
        """Target densities of the tickets, from dense to sparse."""
        found = {s.density for s in self.standings if not s.is_dense}
        return sorted(found, reverse=True)


@dataclass(frozen=True)
class SuiteKnown:
    """One suite."""

    name: str
    tasks: Sequence[TaskKnown]
    runs: Sequence[Run]
    """The newest first."""
    boards: Mapping[str, Board]
    """Its other leaderboards that have something to show: matching, area, cost, across."""
    claims: Board
    """What it claims, and what came out; without tables where it claims nothing."""
    studies: Sequence[Study] = ()
    """Its searches for parameters."""


def know(con: DuckDBPyConnection, suites: Sequence[str] = ()) -> list[SuiteKnown]:
    """Everything about the suites asked for (none: about all). Empty where nothing is planned."""
    found = proofs.gather(con, suites)
    studies: dict[str, list[Study]] = defaultdict(list)
    for study in read_studies(con, suites):
        studies[study.suite].append(study)
    if not found:
        return _tuned_only(con, studies)
    by_task: dict[tuple[str, str], list[BoardRow]] = defaultdict(list)
    for row in rows(con, suites=suites):
        by_task[row["suite"], _task(row)].append(row)
    by_cell: dict[tuple[str, str], dict[Key, Sample]] = defaultdict(dict)
    for sample in samples(con, suites=suites):
        key = (sample.target_density, sample.label, sample.control, sample.source)
        by_cell[sample.suite, sample.task][key] = sample
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in proofs.runs(con, suites):
        runs[run.suite].append(run)
    budget = budget_of(found)
    scope = resolve(con, Selection(suites=suites))
    notes, controls = unlike(con, scope), ablations(con, scope)
    collapsed, share = collapses(con, scope), shares(con, scope)
    tasks: dict[str, list[TaskKnown]] = defaultdict(list)
    for evidence in found:
        place = evidence.place
        where = (place.suite, "/".join(place.task))
        tasks[place.suite].append(
            TaskKnown(
                evidence,
                _standings(where[1], by_task[where], by_cell[where]),
                budget,
                notes.get((place.suite, *place.task), ""),
                controls.get((place.suite, *place.task), ""),
                collapsed.get((place.suite, *place.task), ""),
                share.get((place.suite, *place.task), ""),
            )
        )
    reported = [
        SuiteKnown(
            name, known, runs[name], _boards(con, name), claims_board(con, name), studies[name]
        )
        for name, known in tasks.items()
    ]
    rest = {name: those for name, those in studies.items() if name not in tasks}
    return sorted([*reported, *_tuned_only(con, rest)], key=lambda suite: suite.name)


def tuned_suites(con: DuckDBPyConnection) -> set[str]:
    """Suites that have been tuned, also those without a result yet."""
    rows = con.execute("SELECT DISTINCT suite FROM trials WHERE suite IS NOT NULL").fetchall()
    return {name for (name,) in rows}


def _tuned_only(
    con: DuckDBPyConnection, studies: Mapping[str, Sequence[Study]]
) -> list[SuiteKnown]:
    """Suites of which there is nothing but a search for parameters."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for run in proofs.runs(con, sorted(studies)) if studies else ():
        runs[run.suite].append(run)
    return [
        SuiteKnown(name, (), runs[name], {}, Board("claims", [], []), found)
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


def _standings(
    task: str, rows: Sequence[BoardRow], samples: Mapping[Key, Sample]
) -> tuple[Standing, ...]:
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
                verdict = judge(summary, lost=lost, planned=sample.planned, step=sample.step)
        ticket = samples.get((key[0], key[1], "none", source))
        if sample.control != "none" and ticket is not None:
            pairs = differences(sample.values, ticket.values)
            if pairs:
                versus_ticket = Summary.of(pairs.values()).floored(sample.step).interval()
        name = sample.name if source == task else f"{sample.name} from {source}"
        found.append(Standing(row, sample, name, verdict, versus_ticket))
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


def _task(row: BoardRow) -> str:
    return "/".join((row["model"], row["dataset"], row["recipe"]))
