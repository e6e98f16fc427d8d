"""What seeds that are added until decided are expected to cost, for `plan`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_bench.running.shard import part_of
from lth_bench.running.until_decided.seeds import DueSeeds
from lth_bench.running.until_decided.units import SeedUnit
from lth_bench.stats import mean
from lth_bench.stats.expected_stop import expected_stops
from lth_bench.stats.sequential import FEWEST, SequentialRule

if TYPE_CHECKING:
    from lth_bench.running.plan import Plan


@dataclass(frozen=True, kw_only=True)
class ExpectedSeeds:
    """Of a suite: how many seeds, and what is then planned."""

    plan: Plan
    """The plan of the expected seeds."""
    seeds: float
    """Mean over the comparisons' units."""
    fewest: int
    """Experiments up to the first look, or those that are due already."""
    most: int
    """Experiments at the maximum."""
    known: int
    """Units of whose comparisons at least three pairs have ended; what the others need is what
    typical ones do."""
    units: int

    @property
    def words(self) -> str:
        """In a sentence."""
        each, of = f"{self.seeds:.1f} seeds a comparison", f"{self.fewest:,} to {self.most:,}"
        whence = (
            f"from the results of {self.known} of {self.units}"
            if self.known
            else "as in simulations of typical differences"
        )
        return (
            f"seeds are added until decided: about {each} and "
            f"{len(self.plan.experiments):,} experiments ({of} are possible), {whence}"
        )


def expected_seeds(whole: Plan, due: DueSeeds) -> ExpectedSeeds:
    """Of a plan up to the maximum, and what is due of it."""
    fewest = len(due.due)
    ends = {}
    for key, unit in due.units.items():
        ends[key] = _end(unit, unit.step(due.outcomes))
        due.require(unit, round(ends[key]))
    mine = [p for p in whole.experiments if p.experiment.experiment_id in due.due]
    return ExpectedSeeds(
        plan=part_of(whole, mine),
        seeds=mean(ends.values()) if ends else 0.0,
        fewest=fewest,
        most=len(whole.experiments),
        known=sum(any(row.at for row in unit.rows) for unit in due.units.values()),
        units=len(due.units),
    )


def _end(unit: SeedUnit, step: float) -> float:
    """Seeds until the unit's slowest row stops, on average."""
    if not unit.open_rows:
        return float(max((row.at for row in unit.rows), default=FEWEST))
    stops = []
    for row in unit.open_rows:
        margin = row.looks[-1].margin if row.looks else 1.0
        rule = SequentialRule(margin=margin, maximum=unit.rule.max_seeds)
        pairs = [x for x in row.pairs.differences if x is not None]
        # a seed that is no pair was trained too, and another takes its place
        left_out = row.pairs.left_out
        most = unit.rule.max_seeds
        found = expected_stops(pairs, rule, step=step, draws=24)
        stops.append([min(most, at + left_out) for at in found])
        if not row.looks:
            break  # densities of one method go together: one typical row stands for all
    return mean(max(at) for at in zip(*stops, strict=True))
