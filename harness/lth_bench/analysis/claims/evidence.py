"""What the results have to say to a claim: one number a seed, and the seeds that say nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lth_bench.analysis.censored import told
from lth_bench.analysis.claims.order import Ends, MeanIs, ends_met, mean_is
from lth_bench.analysis.samples import Sample
from lth_bench.suite.spec import Claim, Side

SampleKey = tuple[tuple[str, str, str], str, str, float, str]
"""Task, label, control, target density, and the task that the ticket was found on."""


@dataclass(frozen=True, kw_only=True)
class ClaimEvidence:
    """A claim's number at every seed that has one."""

    values: Mapping[int, float]
    """By seed: the value or the difference; of a ratio, its logarithm."""
    planned: int
    """Seeds that either side plans."""
    losses: tuple[str, ...]
    """In words: which side lost seeds, or cannot reach the density."""
    gap: str
    """Why there is no value at all; "" where there is one."""
    step: float = 0.0
    """The distance of two such numbers, where they are means of accuracies; 0 otherwise."""
    censored: str = ""
    """Which sides have times that were not reached, whose values are the budget; "" if none."""
    ends: Ends | None = None
    """Where there are such, which seeds are on the accepted side of each end of the claim."""
    mean_is: MeanIs = "mean"
    """What the mean of `values` is of the true mean."""
    is_share: bool = False
    """Whether values are those of one side at one density: of a chance, 0 and 1."""
    owed: bool = True
    """Whether a run could give the values that are not there: not of a control that was skipped."""


def cells_of(samples: list[Sample]) -> dict[SampleKey, Sample]:
    """One suite's samples by cell."""
    return {
        ((s.model, s.dataset, s.recipe), s.label, s.control, s.target_density, s.source): s
        for s in samples
    }


def evidence(claim: Claim, cells: Mapping[SampleKey, Sample]) -> ClaimEvidence:
    """Of several densities the mean at each seed, for a seed that has them all."""
    sides = [side for side in (claim.of, claim.versus) if side is not None]
    absent = [gap for side in sides for gap in _absent(side, cells)]
    if absent:
        return ClaimEvidence(
            values={}, planned=0, losses=(), gap=f"nothing is planned of {' and '.join(absent)}"
        )
    found = [_cells(side, cells) for side in sides]
    planned = {seed for samples in found for sample in samples for seed in _seeds(sample)}
    losses = tuple(
        words
        for side, samples in zip(sides, found, strict=True)
        for words in _losses(side, samples)
    )
    by_side = [_complete(samples) for samples in found]
    common = [seed for seed in by_side[0] if all(seed in values for values in by_side)]
    if not common:
        names = " and ".join(dict.fromkeys(side.name for side in sides))
        gap = f"no seed has {claim.metric} of {names}"
        skipped = [
            side.name
            for side, samples in zip(sides, found, strict=True)
            if side.control != "none" and any(sample.skipped for sample in samples)
        ]
        if skipped:
            gap += f"; {' and '.join(skipped)} was skipped, the view `failures` says why"
        return ClaimEvidence(
            values={}, planned=len(planned), losses=losses, gap=gap, owed=not skipped
        )
    if claim.compare == "ratio":
        flat = [x for values in by_side for seed in common for x in values[seed]]
        if min(flat) <= 0:
            return ClaimEvidence(
                values={},
                planned=len(planned),
                losses=losses,
                gap=f"a ratio needs positive values, but one is {min(flat):g}",
            )
        by_side = [{seed: [*map(math.log, v)] for seed, v in values.items()} for values in by_side]
    values = {seed: _mean(by_side[0][seed]) for seed in common}
    if claim.versus is not None:
        values = {seed: x - _mean(by_side[1][seed]) for seed, x in values.items()}
    # a mean over densities moves by so much less; a logarithm has no fixed step
    step = max(sample.step for samples in found for sample in samples) / max(map(len, found))
    return ClaimEvidence(
        values=values,
        planned=len(planned),
        losses=losses,
        gap="",
        censored="; ".join(
            f"{sample.name} at {sample.target_density:g} generalised on {told(sample)} only, and "
            f"the others count with the budget"
            for samples in found
            for sample in samples
            if sample.censored
        ),
        ends=ends_met(claim, found[0], found[1] if len(found) > 1 else ()),
        mean_is=mean_is(found[0], found[1] if len(found) > 1 else (), common),
        step=0.0 if claim.compare == "ratio" else step,
        is_share=claim.versus is None and len(found[0]) == 1,
    )


def _cells(side: Side, cells: Mapping[SampleKey, Sample]) -> list[Sample]:
    return [cells[_key(side, density)] for density in side.densities]


def _key(side: Side, density: float) -> SampleKey:
    source = "/".join(side.found_on or side.task)
    return side.task, side.label, side.control, density, source


def _absent(side: Side, cells: Mapping[SampleKey, Sample]) -> list[str]:
    gone = [density for density in side.densities if _key(side, density) not in cells]
    if not gone:
        return []
    if side.densities == (1.0,):
        return [side.name]
    places = ", ".join(f"{d:g}" for d in gone[:3])
    more = f" and {len(gone) - 3} more" if len(gone) > 3 else ""
    return [f"{side.name} at {places}{more}"]


def _seeds(sample: Sample) -> set[int]:
    return {*sample.values, *sample.lost, *sample.skipped, *sample.missing}


def _losses(side: Side, samples: list[Sample]) -> list[str]:
    words = []
    seeds = {seed for sample in samples for seed in _seeds(sample)}
    lost = {seed for sample in samples for seed in sample.lost}
    if lost:
        words.append(f"{side.name} failed on {len(lost)} of {len(seeds)} seeds")
    for sample in samples:
        if sample.unreached:
            words.append(
                f"{side.name} cannot reach {sample.target_density:g} "
                f"on {len(sample.unreached)} of {len(_seeds(sample))} seeds"
            )
    return words


def _complete(samples: list[Sample]) -> dict[int, list[float]]:
    """The values at every density, of the seeds that have all."""
    seeds = [seed for seed in samples[0].values if all(seed in sample.values for sample in samples)]
    return {seed: [sample.values[seed] for sample in samples] for seed in seeds}


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
