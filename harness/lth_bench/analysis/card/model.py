"""The parts of a card: a task's methods at its headline density, and what they come to."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lth_bench.analysis.boards.rows import BoardRow
from lth_bench.analysis.measures import ACCURACY, Measure, named_once
from lth_bench.analysis.table import Style

DensityChoice = Literal["suite", "middle", "asked"]
"""How the density was chosen: by the suite's `headline`; by default, the middle one; or afterwards,
by a reader who may have seen the results."""

CHOSEN: dict[DensityChoice, str] = {
    "suite": "fixed by the suite",
    "middle": "the middle density",
    "asked": "density chosen afterwards",
}

LEGEND = (
    "Card: the methods at one density, which the suite fixes (headline) or which is the middle "
    "one, so that it is not chosen by its results; of several tasks the first method of each, "
    "and how many are tied with it. #: place there; 3=: tied with the best, which is not shown "
    "to be better. all: place by the area under the curve over all densities. The drawing is "
    "the mean difference with its 95% t-interval, right is better, the line is no difference; of "
    "tasks of several metrics in margins (m). Where seeds were added until decided it is the "
    "estimate at the stop with its repeated interval, and better (5 of 30) was decided at 5 of at "
    "most 30 pairs; stopped (5 of 30): given up there, as unlikely to be decided. n=4: the "
    "difference is of 4 pairs of seeds, the means beside it of another number. "
    "verdict: better, worse, or same within the margin; matches or better: shown to be worse by "
    "less than the margin if at all, and whether it is better is open; open, ~4–7 seeds: 4 seeds "
    "would settle it in 1 of 2 cases, 7 in 4 of 5. cost: FLOPs of search and training, if pruned "
    "weights cost nothing, as a multiple of the dense run's."
)
"""What a card's columns mean."""


@dataclass(frozen=True, kw_only=True)
class CardRow:
    """A method at the headline density."""

    row: BoardRow
    """Of the leaderboard: mean, difference to the baseline with its interval, rank, verdict."""
    name: str
    verdict: str
    """In words, at most 18 characters."""
    style: Style
    short_verdict: str
    """The same in 13: `open ~4–7`."""
    matches: bool
    """Shown to be not worse than the baseline by more than the margin, as on the board by
    matching."""
    area_place: int | None = None
    """Place by the area under the curve over all densities; None where there is none."""
    area_tied: bool = False
    """Whether it is tied with the best there."""

    @property
    def cost(self) -> float | None:
        """FLOPs of search and training, if pruned weights cost nothing, as a multiple of the dense
        run's.
        """
        found: float | None = self.row["flops_masked_ratio"]
        return found

    @property
    def known(self) -> bool:
        """Whether any seed has a result."""
        return bool(self.row["n"])


@dataclass(frozen=True, kw_only=True)
class TaskCard:
    """A task's methods at one density."""

    name: str
    """As a person would say it: `MLP on digits`."""
    measure: Measure
    density: float
    """The headline density, in (0, 1]."""
    chosen: DensityChoice
    rows: Sequence[CardRow]
    """The best first; those without a result last."""
    dense: BoardRow | None
    """The dense run's row; None where there is none."""
    versus: str
    """What they are compared with, as in a header: `dense`."""
    against: str
    """The same in a sentence: `the dense run`."""
    margin: str
    """Difference that does not matter: `0.5 points`."""
    elsewhere: Sequence[TaskCard] = ()
    """The same at the task's other densities, from dense to sparse; each is chosen afterwards."""

    @property
    def best(self) -> CardRow | None:
        """The best mean; None where nothing has a result."""
        return next((row for row in self.rows if row.known), None)

    @property
    def tied(self) -> list[CardRow]:
        """The others that the best is not shown to beat; empty where too few seeds tell."""
        return [row for row in self.rows if row is not self.best and row.row["tied"]]

    @property
    def matching(self) -> list[CardRow]:
        """Those that match the baseline, the cheapest first."""
        found = [row for row in self.rows if row.matches]
        return sorted(found, key=lambda row: math.inf if row.cost is None else row.cost)

    @property
    def cheapest(self) -> CardRow | None:
        """The cheapest that matches; None where none does."""
        return next(iter(self.matching), None)

    @property
    def compared(self) -> list[CardRow]:
        """Those with a verdict."""
        return [row for row in self.rows if row.row["verdict"] is not None]

    @property
    def verdicts(self) -> Counter[str]:
        """Verdicts by kind, as `stats.Verdict.kind` names them."""
        return Counter(row.row["verdict"] for row in self.compared)

    @property
    def seeds(self) -> int:
        """Planned, of the method that has the most."""
        return max((row.row["planned"] for row in self.rows), default=0)

    @property
    def share(self) -> str:
        """The density in percent with its sign: `13%`."""
        return f"{100 * self.density:.3g}%"


@dataclass(frozen=True)
class NextStep:
    """What to do now."""

    why: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """A suite."""

    suite: str
    tasks: Sequence[TaskCard]
    finding: str
    """One or two sentences: who is best, who is tied, which is the cheapest that matches."""
    next: Sequence[NextStep]
    """Commands, the most useful first."""

    @property
    def chosen(self) -> str:
        """How the densities were chosen, in words."""
        return " or ".join(dict.fromkeys(CHOSEN[task.chosen] for task in self.tasks))

    @property
    def after_the_fact(self) -> bool:
        """Whether some density may have been chosen for its results."""
        return any(task.chosen == "asked" for task in self.tasks)

    @property
    def settled(self) -> tuple[int, int]:
        """Verdicts that more seeds will hardly change, and all of them; of methods with results."""
        judged = (row for task in self.tasks for row in task.compared if row.known)
        found = Counter(row.row["verdict"] for row in judged)
        return found.total() - found["open"] - found["insufficient"], found.total()

    @property
    def settled_words(self) -> str:
        """`3 of 4 verdicts settled, 1 without a result`; empty where no method has a result."""
        settled, judged = self.settled
        if not judged:
            return ""
        without = self.verdicts.total() - judged
        said = f"{settled} of {judged} verdict{'s' * (judged != 1)} settled"
        return said + f", {without} without a result" * bool(without)

    @property
    def directions(self) -> list[str]:
        """Which way is better, of each metric but accuracy: `RMSE: lower is better`."""
        known = named_once(task.measure for task in self.tasks)
        return [f"{x.without_split}: {x.direction}" for x in known if x != ACCURACY]

    @property
    def shares(self) -> list[str]:
        """The densities in percent, each once."""
        return list(dict.fromkeys(task.share for task in self.tasks))

    @property
    def verdicts(self) -> Counter[str]:
        """Verdicts by kind, over all methods and tasks."""
        return sum((task.verdicts for task in self.tasks), Counter())

    @property
    def seeds(self) -> int:
        """Planned, of the task that has the most."""
        return max(task.seeds for task in self.tasks)
