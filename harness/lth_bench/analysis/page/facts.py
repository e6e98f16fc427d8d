"""What is known of a task, a suite and the whole database."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.evidence import Place, Run, Subject, TaskEvidence
from lth_bench.analysis.samples import Sample
from lth_bench.analysis.table import Board
from lth_bench.stats import Interval, Verdict, VerdictKind, not_worse_p
from lth_bench.stats.predictive import MOST
from lth_bench.stats.verdict import LEAST, short_outlook
from lth_bench.store.trials import Study

if TYPE_CHECKING:
    from typing import Self


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict, with the words and numbers that are shown of it."""

    kind: VerdictKind
    text: str
    """Such as "open: −3.2 to +22.7; settled by 4 seeds in 1 of 2 cases, by 7 in 4 of 5"."""
    short: str
    """For narrow columns: open ~4–7, equivalent (±0.5)."""
    n: int
    """Pairs of seeds it was made from."""
    lost: int
    """Seeds that failed or diverged, of those `planned`."""
    planned: int
    p: float | None
    """Two-sided, of the paired t-test."""
    detectable: float | None
    """The true difference that so many seeds show in 4 of 5 cases, as a fraction."""
    seeds_needed: float | None
    """Seeds by which an open verdict is settled in 4 of 5 cases; infinite where that is not to be
    expected below `MOST_SEEDS`; None of any other verdict."""
    holds: bool
    """Shown to be less than the margin below, as the leaderboard by matching has it: a one-sided
    t-test at 95%, and no seed lost."""

    @classmethod
    def of(cls, verdict: Verdict) -> Self:
        """What is shown of a verdict."""
        ahead = verdict.forecast
        short = verdict.text
        if verdict.kind == "open":
            short = f"open {short_outlook(verdict.n, ahead)}"
        holds = False
        if not verdict.lost and verdict.summary is not None and verdict.n >= LEAST:
            holds = not_worse_p(verdict.summary, verdict.margin) < 0.05
        return cls(
            kind=verdict.kind,
            text=verdict.text,
            short=short.replace("within ", "").replace(" points", ""),
            n=verdict.n,
            lost=verdict.lost,
            planned=verdict.planned,
            p=verdict.p,
            detectable=verdict.detectable,
            seeds_needed=None if ahead is None else ahead.n80 or math.inf,
            holds=holds,
        )


MOST_SEEDS = MOST
"""More seeds than these are not foreseen."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the seeds of one cell say of it, beside the leaderboard's row."""

    row: BoardRow
    sample: Sample
    name: str
    """LABEL or LABEL/CONTROL, and where it is from if transferred."""
    verdict: Judgement | None
    """Against the dense run of the same seed; None for the dense run, and where there is none."""
    versus_ticket: Interval | None
    """A control's difference to its own ticket, seed by seed."""

    @property
    def density(self) -> float:
        """The target."""
        return self.sample.target_density

    @property
    def places(self) -> tuple[int, int] | None:
        """Best and worst rank in the 95% confidence interval of the rank among the tickets of its
        density; None for what is not ranked, and where there are too many pairs to test.
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

    @property
    def seeds(self) -> Sequence[int]:
        """All that were planned."""
        sample = self.sample
        return [*sample.values, *sample.lost, *sample.skipped, *sample.missing]


@dataclass(frozen=True)
class Best:
    """The ticket of the highest mean accuracy at a density."""

    density: float
    standing: Standing | None
    """None where nothing ended ok."""
    rivals: Sequence[str] | None = None
    """Names not shown to be worse; None where there are too few seeds to test."""


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """One task of one suite."""

    evidence: TaskEvidence
    standings: Sequence[Standing]
    """In the leaderboard's order: from dense to sparse, by rank, controls after their ticket."""
    unlike: str = ""
    """What its labels were not trained alike in; empty where they were."""
    ablations: str = ""
    """Which controls are missing, or there only in part, and why; empty where none is."""
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
    def tickets(self) -> list[Standing]:
        """All that are ranked."""
        return [s for s in self.standings if s.is_ticket]

    @property
    def densities(self) -> list[float]:
        """Target densities of the tickets, from dense to sparse."""
        found = {s.density for s in self.standings if not s.is_dense}
        return sorted(found, reverse=True)

    @property
    def holding(self) -> list[Standing]:
        """The sparsest ticket of each name that is shown to hold the dense accuracy, sparsest
        first.
        """
        sparsest: dict[str, Standing] = {}
        for s in self.tickets:  # from dense to sparse, so the last one stays
            if s.verdict is not None and s.verdict.holds:
                sparsest[s.name] = s
        return sorted(sparsest.values(), key=lambda s: (s.density, -s.row["mean"]))

    @property
    def compared(self) -> list[Judgement]:
        """Every ticket's verdict against the dense run."""
        return [s.verdict for s in self.tickets if s.verdict is not None]

    @property
    def undecided(self) -> list[Judgement]:
        """Those of them that more seeds may settle."""
        return [v for v in self.compared if v.kind in ("insufficient", "open")]

    @property
    def seeds_to_settle(self) -> float | None:
        """In the median of the open ones, the seeds that settle it in 4 of 5 cases; infinite for
        more than `MOST_SEEDS`, None where none can be foreseen.
        """
        found = [v.seeds_needed for v in self.undecided if v.seeds_needed is not None]
        return median(found) if found else None

    @property
    def best(self) -> list[Best]:
        """By density, from dense to sparse."""
        return [self._best(density) for density in self.densities]

    def _best(self, density: float) -> Best:
        block = [s for s in self.tickets if s.density == density]
        ok = [s for s in block if s.row["n"]]
        if not ok:
            return Best(density, None)
        best = min(ok, key=lambda s: s.row["rank"])
        rivals = [s.name for s in block if s is not best and s.places and s.places[0] == 1]
        return Best(density, best, rivals if best.row["n"] >= LEAST else None)


@dataclass(frozen=True, kw_only=True)
class TuningGain:
    """A tuned label against the suite's own settings, on the seeds that the search did not use."""

    task: str
    name: str
    density: float
    own: Interval | None
    """Test accuracy at the suite's own settings; None where no seed ended ok."""
    tuned: Interval | None
    """The same with what tuning found."""
    difference: Interval | None
    """Tuned minus own, seed by seed."""
    verdict: Judgement | None
    pairs: int
    """Seeds that both have."""
    steps: int | None
    """Training steps of the search."""


@dataclass(frozen=True, kw_only=True)
class SuiteReport:
    """One suite."""

    name: str
    tasks: Sequence[TaskReport]
    runs: Sequence[Run]
    """The newest first."""
    boards: Mapping[str, Board]
    """Its other leaderboards that have something to show: matching, area, cost, across."""
    claims: Board
    """What it claims, and what came out; without tables where it claims nothing."""
    studies: Sequence[Study] = ()
    """Its searches for parameters."""
    gains: Sequence[TuningGain] = ()
    """What they gained."""


@dataclass(frozen=True)
class ReportFacts:
    """A database."""

    suites: Sequence[SuiteReport]
    subjects: Sequence[Subject]
    """All labels and controls of the database, whatever suites are shown: what they look like
    depends on all."""

    @property
    def evidence(self) -> list[TaskEvidence]:
        """Of every task shown."""
        return [task.evidence for suite in self.suites for task in suite.tasks]
