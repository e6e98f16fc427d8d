"""The gain from tuning: own and tuned settings on seeds and data that tuning did not see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from lth_bench.running.progress import Listener
from lth_bench.running.recorder import RunSummary
from lth_bench.running.request import RunRequest
from lth_bench.running.runner import run_suite
from lth_bench.stats import paired_interval
from lth_bench.tuning.freeze import freeze, tuned_label

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from lth_bench.analysis.samples import Sample
    from lth_bench.plugins import Registry
    from lth_bench.stats import Interval
    from lth_bench.store.trials import Study
    from lth_bench.suite.spec import Suite


@dataclass(frozen=True)
class Gain:
    """Test accuracy of the tuned settings minus that of the suite's own, paired by seed."""

    interval: Interval
    """Mean over the seeds that both have, with its paired 95% t-interval; a fraction."""
    own: float
    """Mean test accuracy of the suite's own settings at these seeds."""
    densities: tuple[float, ...]
    """Each seed's accuracy is a mean over these: tuning's densities that the suite reports, or all
    of the task's where it reports none of them."""


def run_final(
    suite: Suite,
    studies: Sequence[Study],
    registry: Registry,
    *,
    request: RunRequest,
    emit: Listener,
    smoke: bool = False,
) -> RunSummary:
    """Run own and tuned settings of every study at the suite's seeds, scored on the test split."""
    from lth_bench.suite.load import suite_of
    from lth_bench.suite.select import select
    from lth_bench.suite.select import smoke as shorten

    frozen = suite_of(freeze(suite, studies), suite.path)
    if smoke:
        frozen = replace(shorten(frozen), name=suite.name)
    labels = list(dict.fromkeys(study.label for study in studies))
    wanted = [name for label in labels for name in (label, tuned_label(label))]
    known = {s.label for s in frozen.strategies}
    chosen = select(frozen, suite.seeds, [name for name in wanted if name in known])
    tasks = {study.task for study in studies}
    chosen = replace(
        chosen,
        tasks=tuple(
            t for t in chosen.tasks if (t.model.label, t.dataset.label, t.recipe_name) in tasks
        ),
    )
    return run_suite(chosen, registry, request, emit)


def gains(con: DuckDBPyConnection, studies: Sequence[Study]) -> dict[str, Gain]:
    """study_id → gain, for studies whose own and tuned settings share a finished seed.

    Seeds of the search are left out, because it chose the settings by them. A density that a method
    lost or cannot reach counts as accuracy 0, as on the leaderboards.
    """
    from lth_bench.analysis.samples import samples

    found: dict[str, Gain] = {}
    for study in studies:
        labels = (study.label, tuned_label(study.label))
        mine = [
            s
            for s in samples(con, metric="test_accuracy", suites=[study.suite], labels=labels)
            if s.control == "none" and s.task == "/".join(study.task) and s.target_density < 1
        ]
        by_label: dict[str, list[Sample]] = {name: [] for name in labels}
        for sample in mine:
            by_label[sample.label].append(sample)
        reported = [{s.target_density for s in group} for group in by_label.values()]
        common = reported[0] & reported[1]
        densities = {d for d in study.densities if d in common} or common
        own, tuned = (_by_seed(by_label[name], densities) for name in labels)
        # a seed that both lost at every density compares nothing
        fresh = (own.keys() & tuned.keys()) - {*study.seeds}
        seeds = {s for s in fresh if own[s] or tuned[s]}
        if seeds:
            # the mean over n densities changes in steps that are n times smaller
            step = max(s.step for s in mine) / len(densities)
            interval = paired_interval({s: tuned[s] for s in sorted(seeds)}, own, step=step)
            mean = fmean(own[seed] for seed in seeds)
            found[study.study_id] = Gain(interval, mean, tuple(sorted(densities, reverse=True)))
    return found


def _by_seed(group: Sequence[Sample], densities: set[float]) -> dict[int, float]:
    """Mean over the densities, for each seed that has them all."""
    values_of: dict[int, list[float]] = {}
    for sample in group:
        if sample.target_density in densities:
            for seed, value in sample.values.items():
                values_of.setdefault(seed, []).append(value)
            for seed in sample.lost | sample.skipped:
                values_of.setdefault(seed, []).append(0.0)
    return {s: fmean(values) for s, values in values_of.items() if len(values) == len(densities)}
