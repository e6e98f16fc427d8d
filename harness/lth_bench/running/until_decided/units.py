"""What seeds are added to: a label on a task, and its comparisons with the baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lth_bench.analysis.measures import Measure
from lth_bench.analysis.seed_pairs import SeedFate, SeedPairs, in_order, judged_in_order
from lth_bench.stats.sequential import FEWEST, chance_decided, look_after
from lth_bench.store.metric import ON_TEST_EXAMPLES
from lth_bench.store.records import DROPPED

if TYPE_CHECKING:
    from lth_bench.lottery import Experiment
    from lth_bench.running.plan import Planned
    from lth_bench.stats import Verdict
    from lth_bench.suite.decide import Decide

FATES: Mapping[str, SeedFate] = {
    "skipped": "skipped",
    "failed": "lost",
    "diverged": "lost",
    **dict.fromkeys(DROPPED, "dropped"),
}
"""What a status that is not `ok` makes of a seed; an interrupted one is still to come."""


class Outcomes:
    """What the seeds came to, from the records of their tickets and experiments."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, float], SeedFate] = {}
        """By experiment and density."""
        self.examples: dict[str, int] = {}
        """Test examples behind an experiment's metrics."""

    def take(self, record: Mapping[str, Any], densities: Iterable[float]) -> None:
        """A ticket's record, or that of the end of an experiment with these densities."""
        identity, status = record["experiment_id"], record["status"]
        if record["record"] == "ticket":
            if record.get("reported") and record.get("control", "none") == "none":
                fate = _value(record) if status == "ok" else FATES.get(status)
                if fate is not None:
                    self._of[identity, record["target_density"]] = fate
                self.examples[identity] = record.get("test_examples") or 0
            return
        fate = FATES.get(status, "dropped" if status == "ok" else None)
        for density in densities if fate is not None else ():
            self._of.setdefault((identity, density), fate)  # type: ignore[arg-type]

    def of(self, planned: Planned | None, density: float) -> SeedFate | None:
        """What a seed's experiment came to at a density; None while that is to come."""
        if planned is None:
            return None
        return self._of.get((planned.experiment.experiment_id, density))


def _value(ticket: Mapping[str, Any]) -> SeedFate:
    value = ticket.get("score")
    if value is None:
        value = (ticket.get("metrics") or {}).get("test_accuracy")
    return float(value) if value is not None and math.isfinite(value) else "dropped"


NO_PAIRS = SeedPairs((), 0.0)


class UnitKey(NamedTuple):
    """Which experiments run or stop together."""

    task: tuple[str, str, str]
    label: str
    found_on: str
    densities: tuple[float, ...]
    """All of an iterative method, otherwise one."""

    @classmethod
    def of(cls, e: Experiment) -> UnitKey:
        """Of an experiment, at whatever seed."""
        return cls(e.task, e.label, e.found_on, e.densities)


@dataclass(kw_only=True)
class SeedRow:
    """One comparison: a unit's label at a density."""

    density: float
    looks: list[Verdict] = field(default_factory=list)
    """What each look said."""
    pairs: SeedPairs = NO_PAIRS
    told: int = 0
    """Looks that the journal knows of."""

    @property
    def at(self) -> int:
        """Pairs at the last look."""
        return self.looks[-1].stop.at if self.looks and self.looks[-1].stop else 0

    @property
    def decided(self) -> bool:
        """Whether it needs no more seeds: a look said so, or there is nothing to compare."""
        if self.looks and self.looks[-1].stop and self.looks[-1].stop.why != "to come":
            return True
        return self.pairs.skipped or self.pairs.given_up is not None

    @property
    def stopped_without(self) -> set[int]:
        """Seeds before its last pair that are no pair, where it was decided or given up."""
        stop = self.looks[-1].stop if self.looks else None
        if stop is None or stop.why not in ("decided", "futile"):
            return set()
        return self.pairs.without(stop.at)


@dataclass(kw_only=True)
class SeedUnit:
    """A label's experiments on a task, at all seeds that there may be."""

    key: UnitKey
    rule: Decide
    by_seed: dict[int, Planned] = field(default_factory=dict)
    base: Mapping[tuple[int, float], Planned] = field(default_factory=dict)
    """The baseline's experiments, by seed and density of its own."""
    base_density: Mapping[float, float] = field(default_factory=dict)
    """Of each density, the baseline's that it is compared with; without those it has none for."""
    rows: list[SeedRow] = field(default_factory=list)
    closed: bool = False
    """Whether no seeds are added, whatever is open."""

    def look(self, outcomes: Outcomes) -> None:
        """Bring the rows up to date with what has come out."""
        for row in self.rows:
            if row.decided:
                continue
            other = self.base_density[row.density]
            mine, base = {}, {}
            for seed, item in self.by_seed.items():
                own = outcomes.of(item, row.density)
                against = outcomes.of(self.base.get((seed, other)), other)
                if own is not None:
                    mine[seed] = own
                if against is not None:
                    base[seed] = against
            row.pairs = in_order(mine, base, self.rule.max_seeds)
            found = judged_in_order(row.pairs, self.rule, self.measure, self.step(outcomes))
            row.looks = list(found)

    @property
    def measure(self) -> Measure:
        """What the task is judged by."""
        e = next(iter(self.by_seed.values())).experiment
        return Measure(f"test_{e.metric}", e.metric_unit, e.higher_is_better)  # type: ignore[arg-type]

    def step(self, outcomes: Outcomes) -> float:
        """The smallest difference that the measurement can show; 0 where that is not known."""
        if self.measure.name not in ON_TEST_EXAMPLES:
            return 0.0
        known = (outcomes.examples.get(p.experiment.experiment_id) for p in self.by_seed.values())
        examples = min((n for n in known if n), default=0)
        return 1 / examples if examples else 0.0

    @property
    def open_rows(self) -> list[SeedRow]:
        """Those that more seeds may decide."""
        most = self.rule.max_seeds
        return [
            r
            for r in (() if self.closed else self.rows)
            if not r.decided and len(r.pairs.differences) + r.pairs.left_out < most
        ]

    @property
    def needed(self) -> int:
        """Seeds up to the next look of every open row; the first look's of a unit without any."""
        most = self.rule.max_seeds
        ends = [look_after(r.at, most) + r.pairs.left_out for r in self.open_rows]
        return min(most, max(ends, default=FEWEST))

    def after(self, seeds: int) -> int:
        """Seeds up to the look after so many."""
        left_out = max((r.pairs.left_out for r in self.open_rows), default=0)
        most = self.rule.max_seeds
        return min(most, look_after(seeds - left_out, most) + left_out)

    def chance(self, n: int) -> float:
        """That a look at `n` pairs decides the open row that it is least likely to."""
        chances = []
        for row in self.open_rows:
            summary = row.looks[-1].summary if row.looks else None
            if summary is not None and summary.n < n:
                chances.append(chance_decided(summary, n, row.looks[-1].margin))
        return min(chances, default=0.0)
