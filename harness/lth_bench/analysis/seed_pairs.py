"""A row's pairs with its baseline in the order of the seeds, as seeds that are added until decided
are judged: the same for the run that adds them, for boards and for simulations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Literal

from lth_bench.analysis.measures import Measure
from lth_bench.analysis.samples import Sample
from lth_bench.suite.decide import FEWEST

if TYPE_CHECKING:
    from lth_bench.stats import Verdict
    from lth_bench.stats.sequential import SequentialRule
    from lth_bench.stats.verdict import StopReason
    from lth_bench.suite.decide import Decide

SeedFate = float | Literal["lost", "skipped", "dropped"]
"""What a seed came to: its value; lost by the method; a density that cannot be reached; or ended
without a value that the machine still owes, such as out of memory. One that is to come has none.
"""
SeedFates = Mapping[int, SeedFate]
"""By seed."""


@dataclass(frozen=True)
class SeedPairs:
    """As far as the seeds 0, 1, 2, … have ended on both sides."""

    differences: Sequence[float | None]
    """In their order; None is a seed that the row lost. A seed that either side dropped, or the
    baseline lost, is none."""
    reference: float
    """Mean of the baseline over the first three pairs, to which a relative margin refers."""
    _: KW_ONLY
    left_out: int = 0
    """Seeds that have ended and are no pair."""
    baseless: int = 0
    """Those of them that the baseline lost."""
    seeds: Sequence[int] = ()
    """Of the differences; those from 0 on where none are given."""
    skipped: bool = False
    """Whether the row cannot reach its density, which ends the comparison."""

    @property
    def given_up(self) -> StopReason | None:
        """Why no seeds are added to a comparison without any pair: none of the first three seeds is
        one, so that further ones are not likely to be. None of any other.
        """
        if self.differences or self.left_out < FEWEST:
            return None
        return "no baseline" if self.baseless else "dropped"

    def without(self, n: int) -> set[int]:
        """Seeds before that of the n-th pair that are no pair."""
        used = self.seeds[:n]
        return set(range(used[-1])) - set(used) if used else set()


def dense_label(labels: Iterable[str]) -> str:
    """Of a task's labels that use `dense`, the one whose runs are its dense runs, as the macro
    `dense_of` has it.
    """
    return min(labels, key=lambda label: (label != "dense", label), default="dense")


def in_order(mine: SeedFates, base: SeedFates, most: int) -> SeedPairs:
    """The pairs of seeds below `most`, up to the first that is still to come on either side; none
    where the first three are no pairs, whatever was trained ahead.
    """
    differences: list[float | None] = []
    references: list[float] = []
    seeds: list[int] = []
    left_out = baseless = 0
    for seed in range(most):
        if seed not in mine or seed not in base or (not seeds and left_out == FEWEST):
            break
        own, other = mine[seed], base[seed]
        if own == "skipped":
            return SeedPairs(
                differences, _first(references), left_out=left_out, baseless=baseless, seeds=seeds,
                skipped=True,
            )  # fmt: skip
        if own == "dropped" or isinstance(other, str):
            left_out += 1
            baseless += isinstance(other, str) and other != "dropped"
        elif own == "lost":
            differences.append(None)
            seeds.append(seed)
        else:
            seeds.append(seed)
            differences.append(float(own) - other)
            references.append(other)
    return SeedPairs(
        differences, _first(references), left_out=left_out, baseless=baseless, seeds=seeds
    )


def judged_in_order(
    pairs: SeedPairs, rule: Decide, measure: Measure, step: float = 0.0
) -> Iterator[Verdict]:
    """What each look says, up to the one that decides: `stats.sequential.looks`.

    `step` is the smallest difference that the measurement can show.
    """
    from lth_bench.stats.sequential import look_after, looks

    there = len(pairs.differences)
    exhausted = there + pairs.left_out >= rule.max_seeds
    for verdict in looks(
        pairs.differences,
        _sequential(pairs, rule, measure),
        step=step,
        higher=measure.higher,
        unit=measure.difference_unit,
    ):
        stop = verdict.stop
        ended = stop is not None and exhausted and look_after(stop.at, rule.max_seeds) > there
        if ended and stop is not None and stop.why == "to come":
            # pairs were left out, so that the look at the maximum never comes
            stop = stop._replace(why="maximum")
        yield replace(verdict, stop=stop)


def verdict_in_order(
    pairs: SeedPairs,
    rule: Decide,
    measure: Measure,
    step: float = 0.0,
    *,
    decisive: bool = True,
) -> Verdict:
    """The verdict on a row with a rule, wherever one is shown: that of the last look, and before
    the first what `stats.decide` says of too few pairs. A test at a fixed number of seeds is never
    made of such rows, however many seeds have ended out of their order.

    `decisive` is whether the rule is made for this metric. Of another one it decides nothing: the
    verdict is then that on all pairs up to the last look that they suffice for, at the level of one
    look, which holds wherever the rule stopped, and its `stop` says `other metric`.
    """
    from lth_bench.stats.sequential import decide

    if not decisive:
        return _beside(pairs, rule, measure, step)
    found = None
    for found in judged_in_order(pairs, rule, measure, step):  # noqa: B007
        pass
    if found is None:
        found = decide(
            pairs.differences,
            _sequential(pairs, rule, measure),
            step=step,
            higher=measure.higher,
            unit=measure.difference_unit,
        )
        if len(pairs.differences) + pairs.left_out >= rule.max_seeds and found.stop is not None:
            found = replace(found, stop=found.stop._replace(why="maximum"))
    if pairs.given_up is not None and found.stop is not None:
        found = replace(found, stop=found.stop._replace(why=pairs.given_up))
    if pairs.skipped and found.stop is not None and found.stop.why == "to come":
        found = replace(found, stop=found.stop._replace(why="skipped"))
    return found


def _beside(pairs: SeedPairs, rule: Decide, measure: Measure, step: float) -> Verdict:
    from lth_bench.stats import Summary, judge
    from lth_bench.stats.sequential import LEVEL
    from lth_bench.stats.verdict import Stop

    sequential = _sequential(pairs, rule, measure)
    there = len(pairs.differences)
    seen = pairs.differences[: max((n for n in sequential.looks if n <= there), default=there)]
    values = [x for x in seen if x is not None]
    found = judge(
        Summary.of(values) if values else None,
        sequential.margin,
        level=LEVEL,
        lost=seen.count(None),
        planned=len(seen),
        step=step,
        higher=measure.higher,
        unit=measure.difference_unit,
    )
    return replace(found, stop=Stop(len(seen), rule.max_seeds, "other metric"))


def _sequential(pairs: SeedPairs, rule: Decide, measure: Measure) -> SequentialRule:
    from lth_bench.stats.sequential import SequentialRule

    margin = measure.margin(rule.margin, pairs.reference)
    return SequentialRule(margin=margin, maximum=rule.max_seeds)


def fates_of(sample: Sample) -> dict[int, SeedFate]:
    """What each seed of a sample of the database came to."""
    return {
        **sample.values,
        **dict.fromkeys(sample.lost, "lost"),
        **dict.fromkeys(sample.skipped, "skipped"),
        **dict.fromkeys(sample.dropped, "dropped"),
    }


def _first(values: Sequence[float]) -> float:
    """The mean of the first three, which stays as more come."""
    from lth_bench.stats import mean

    return mean(values[:FEWEST]) if values else 0.0
