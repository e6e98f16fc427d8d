"""What tuning gained: tuned against the suite's own settings, on seeds that no trial used."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lth_bench.analysis.boards.judging import judged
from lth_bench.analysis.censored import signs
from lth_bench.analysis.evidence.subject import Place, Task, primary_of_places
from lth_bench.analysis.measures import ACCURACY, Measure
from lth_bench.analysis.samples import Sample, samples
from lth_bench.stats import Interval, Summary, differences, mean, paired_interval

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.store.trials import Study


@dataclass(frozen=True, kw_only=True)
class TuningGain:
    """A tuned label against the suite's own settings, at one density."""

    task: str
    name: str
    density: float
    own: Interval | None
    """The metric at the suite's own settings; None where no seed ended ok."""
    tuned: Interval | None
    """The same with what tuning found."""
    difference: Interval | None
    """Tuned minus own, seed by seed."""
    verdict: Mapping[str, Any] | None
    """Columns as of `judging.judged`, with `lost`; None where there is nothing to judge."""
    pairs: int
    """Seeds that both have."""
    steps: int | None
    """Training steps of the search."""
    measure: Measure = ACCURACY
    """The metric."""
    level: float = 0.95
    """Of the interval of the difference."""


def gain_at_density(
    task: str,
    name: str,
    own: Sample,
    tuned: Sample,
    *,
    seen: Collection[int],
    steps: int | None,
    measure: Measure = ACCURACY,
    margin: float | None = None,
    level: float = 0.95,
) -> TuningGain:
    """`own` and `tuned` without the seeds of the search, `seen`: it chose the settings by them.

    `margin` and `level` are those of the suite's rows (`Baselines.margin_of` and `level`).
    """
    own, tuned = (_fresh(sample, seen) for sample in (own, tuned))
    pairs = differences(tuned.values, own.values)
    summary = Summary.of(pairs.values()) if pairs else None
    lost = len(tuned.lost | own.lost)
    reference = mean(own.values[seed] for seed in pairs) if pairs else 0.0
    verdict = judged(
        len(pairs),
        None if summary is None else summary.mean,
        None if summary is None else summary.deviation,
        margin=measure.margin(margin, reference),
        level=level,
        lost=lost,
        planned=tuned.planned,
        step=tuned.step,
        higher=measure.higher,
        unit=measure.difference_unit,
        signs=signs([tuned], [own]) if pairs else None,
    )
    return TuningGain(
        task=task,
        name=name,
        density=tuned.target_density,
        own=_interval(own),
        tuned=_interval(tuned),
        difference=None if summary is None else summary.floored(tuned.step).interval(level),
        verdict=verdict | {"lost": lost} if verdict["verdict"] else None,
        pairs=len(pairs),
        steps=steps,
        measure=measure,
        level=level,
    )


def _interval(sample: Sample) -> Interval | None:
    return Summary.of(sample.values.values()).interval() if sample.values else None


def _fresh(sample: Sample, seen: Collection[int]) -> Sample:
    """The sample without these seeds."""
    return replace(
        sample,
        values={seed: value for seed, value in sample.values.items() if seed not in seen},
        lost=sample.lost.difference(seen),
        skipped=sample.skipped.difference(seen),
        missing=sample.missing.difference(seen),
    )


@dataclass(frozen=True)
class StudyGain:
    """The test metric of the tuned settings minus that of the suite's own, over the densities."""

    interval: Interval
    """Mean over the seeds that both have, with its paired 95% t-interval; in the metric's unit."""
    own: float
    """Mean of the metric of the suite's own settings at these seeds."""
    densities: tuple[float, ...]
    """Each seed's value is a mean over these: tuning's densities that the suite reports, or all
    of the task's where it reports none of them."""
    measure: Measure = ACCURACY
    """The task's primary metric."""


LONGEST_LABEL = 64
"""Characters of a label, as suites have them."""


def tuned_label(label: str) -> str:
    """The name under which a label's tuned settings are reported: `imp-tuned`."""
    return label[: LONGEST_LABEL - len("-tuned")] + "-tuned"


def study_gains(con: DuckDBPyConnection, studies: Sequence[Study]) -> dict[str, StudyGain]:
    """study_id → gain, for studies whose own and tuned settings share a finished seed.

    Seeds of the search are left out, because it chose the settings by them. A density that a method
    lost or cannot reach counts as the worst value, such as accuracy 0, as on the leaderboards; if
    there is none, the seed is left out.
    """
    primary = primary_of_places(con)
    found: dict[str, StudyGain] = {}
    for study in studies:
        labels = (study.label, tuned_label(study.label))
        here = [
            sample
            for sample in samples(con, metric="score", suites=[study.suite], labels=labels)
            if sample.control == "none"
            and sample.task == "/".join(study.task)
            and sample.target_density < 1
        ]
        measure = primary.get(Place(study.suite, Task(*study.task)), ACCURACY)
        by_label: dict[str, list[Sample]] = {name: [] for name in labels}
        for sample in here:
            by_label[sample.label].append(sample)
        reported = [{s.target_density for s in group} for group in by_label.values()]
        common = reported[0] & reported[1]
        densities = {d for d in study.densities if d in common} or common
        own, tuned = (_by_seed(by_label[name], densities, measure.worst) for name in labels)
        # a seed that both lost at every density compares nothing
        fresh = (own.keys() & tuned.keys()) - {*study.seeds}
        seeds = {s for s in fresh if not own[s] == tuned[s] == measure.worst}
        if seeds:
            # the mean over n densities changes in steps that are n times smaller
            step = max(s.step for s in here) / len(densities)
            interval = paired_interval({s: tuned[s] for s in sorted(seeds)}, own, step=step)
            own_mean = mean(own[seed] for seed in seeds)
            at = tuple(sorted(densities, reverse=True))
            found[study.study_id] = StudyGain(interval, own_mean, at, measure)
    return found


def _by_seed(
    group: Sequence[Sample], densities: set[float], worst: float | None
) -> dict[int, float]:
    """Mean over the densities, for each seed that has them all; `worst` stands for lost ones."""
    values_of: dict[int, list[float]] = {}
    for sample in group:
        if sample.target_density in densities:
            for seed, value in sample.values.items():
                values_of.setdefault(seed, []).append(value)
            if worst is not None:
                for seed in sample.lost | sample.skipped:
                    values_of.setdefault(seed, []).append(worst)
    return {s: mean(values) for s, values in values_of.items() if len(values) == len(densities)}
