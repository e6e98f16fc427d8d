"""What is known of a task, a suite and the whole database."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from lth_bench.analysis.boards.judging import Words
from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.card import Card, TaskCard
from lth_bench.analysis.evidence import Place, Run, Subject, TaskEvidence, TransferGrids
from lth_bench.analysis.gains import TuningGain
from lth_bench.analysis.measures import ACCURACY, Measure, named_once
from lth_bench.analysis.samples import Sample
from lth_bench.analysis.table import Board
from lth_bench.stats import Interval
from lth_bench.stats.predictive import MOST
from lth_bench.stats.verdict import LEAST
from lth_bench.store.trials import Study

MOST_SEEDS = MOST
"""More seeds than these are not foreseen."""

COUNTED = ("planned", "n", "failed", "skipped", "pending")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The leaderboard's row, and what the page shows beside it."""

    row: BoardRow
    """With rank, difference to the suite's baseline and verdict."""
    sample: Sample
    name: str
    """LABEL or LABEL/CONTROL, and where it is from if transferred."""
    is_baseline: bool
    """Whether it is what the others of its suite are compared with."""
    versus_ticket: Interval | None
    """A control's difference to its own ticket, seed by seed."""

    @property
    def density(self) -> float:
        """The target."""
        return self.sample.target_density

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
    """The ticket of the best mean at a density."""

    density: float
    standing: Standing | None
    """None where nothing ended ok."""
    rivals: Sequence[str] | None = None
    """Names not shown to be worse; None where there are too few seeds to test."""


@dataclass(frozen=True, kw_only=True)
class TaskReport:
    """One task of one suite."""

    evidence: TaskEvidence
    name: str
    """As a person would say it, as short as tells the suite's tasks apart: `MLP on digits`."""
    standings: Sequence[Standing]
    """In the leaderboard's order: from dense to sparse, by rank, controls after their ticket."""
    words: Words
    """How the leaderboard words the verdicts against the suite's baseline."""
    versus: str
    """The baseline as in a column's title: a label, mostly `dense`."""
    against: str
    """The same in a sentence: `the dense run`."""
    matching: Sequence[BoardRow] = ()
    """Rows of the leaderboard by matching, without controls: the best first."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What must be said of the task, by subject; a subject without a remark is missing. `unlike`:
    what its labels were not trained alike in; `ablations`: which controls are missing or
    incomplete, and why; `collapses`: which tickets have a layer without weights; `share`: how
    little of the network is prunable; `starts`: which file fixes the initial values."""
    card: TaskCard | None = None
    """Its methods at the headline density; None where there are none."""

    @property
    def measure(self) -> Measure:
        """The metric that it is all about."""
        return self.evidence.measure

    @property
    def has_early_stop(self) -> bool:
        """Whether the metric is known at early stop too: the task's primary one is."""
        return self.measure == self.evidence.primary

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
    def has_baseline(self) -> bool:
        """Whether there is a result to compare with."""
        return any(s.row["n"] for s in self.standings if s.is_baseline)

    @property
    def margin(self) -> str:
        """Difference that does not matter, in words: `0.5 points`, `5%` of the baseline."""
        return self.words.margin + (" points" if self.measure.is_fraction else "%")

    @property
    def compared(self) -> list[BoardRow]:
        """The rows of all tickets with a verdict."""
        return [s.row for s in self.tickets if s.row["verdict"] is not None]

    @property
    def undecided(self) -> list[BoardRow]:
        """Those of them that more seeds may settle."""
        return [row for row in self.compared if row["verdict"] in ("insufficient", "open")]

    @property
    def seeds_to_settle(self) -> float | None:
        """In the median of the open ones, the seeds that settle it in 4 of 5 cases; infinite for
        more than `MOST_SEEDS`, None where none can be foreseen.
        """
        found = [row["n80"] or math.inf for row in self.compared if row["verdict"] == "open"]
        return median(found) if found else None

    @property
    def counts(self) -> Counter[str]:
        """Results `planned`, with a value (`n`), `failed`, `skipped` and `pending`."""
        found: Counter[str] = Counter()
        for standing in self.standings:
            found.update({key: standing.row[key] for key in COUNTED})
        return found

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
        rivals = [s.name for s in block if s is not best and s.row["tied"]]
        return Best(density, best, rivals if best.row["n"] >= LEAST else None)


@dataclass(frozen=True, kw_only=True)
class SuiteReport:
    """One suite."""

    name: str
    tasks: Sequence[TaskReport]
    runs: Sequence[Run]
    """The newest first."""
    boards: Mapping[str, Board]
    """Its other leaderboards that show something: matching, area, cost, transfer, across; latency
    if it was measured; and literature, the papers' figures beside it."""
    claims: Board
    """What it claims, and what came out; without tables where it claims nothing."""
    transfers: Sequence[TransferGrids] = ()
    """Tickets that were trained on other tasks than they were found on."""
    studies: Sequence[Study] = ()
    """Its searches for parameters."""
    gains: Sequence[TuningGain] = ()
    """What they gained."""
    asked: Measure | None = None
    """The metric that its leaderboards, claims and gains are about; None is each task's own."""
    card: Card | None = None
    """What came of it, in a sentence or two; None where no method has a result or is planned."""

    @property
    def measures(self) -> list[Measure]:
        """The metrics of its tasks, each once."""
        return named_once(task.measure for task in self.tasks)


@dataclass(frozen=True)
class ReportFacts:
    """A database."""

    suites: Sequence[SuiteReport]
    subjects: Sequence[Subject]
    """All labels and controls of the database, whatever suites are shown: what they look like
    depends on all."""
    asked: Measure | None = None
    """The metric of every leaderboard, verdict and figure; None is each task's own."""

    @property
    def measures(self) -> list[Measure]:
        """The metrics that it speaks of, each once; accuracy where there is no task."""
        found = named_once(measure for suite in self.suites for measure in suite.measures)
        return found or [self.asked or ACCURACY]

    @property
    def standings(self) -> list[Standing]:
        """Of every task shown."""
        return [s for suite in self.suites for task in suite.tasks for s in task.standings]

    @property
    def results(self) -> int:
        """Seeds with a result, over all standings."""
        return sum(standing.row["n"] for standing in self.standings)

    @property
    def evidence(self) -> list[TaskEvidence]:
        """Of every task shown."""
        return [task.evidence for suite in self.suites for task in suite.tasks]

    @property
    def transfers(self) -> list[TransferGrids]:
        """Of every suite shown."""
        return [one for suite in self.suites for one in suite.transfers]
